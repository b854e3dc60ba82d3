/** The story that the demo tells, scene by scene. */
import { integer } from '../src/cli/text.ts';
import type { PairEvent } from '../src/domain/journal.ts';
import { zipkinTraceUrl } from '../src/infra/telemetry/trace-link.ts';
import type { VerifyReport } from '../src/replication/verify/report.ts';
import { loadCities } from './cities.ts';
import { pause as wait, until } from './control.ts';
import { DemoFailure } from './demo-failure.ts';
import { type FirstCopy, watchFirstCopy } from './first-copy.ts';
import { type LiveLoadReport, type LoadCounts, runLiveLoad } from './live-load.ts';
import { pauseAndResume, type PauseReport } from './pause-and-resume.ts';
import { checkHistory, historyOf, type Proof, untilInStep, untilTraced, verifyContent } from './proof.ts';
import { FOLLOWER, LEADER } from './servers.ts';
import { bar, seconds } from './story.ts';
import type { Percentiles } from './visibility.ts';

export interface Stage extends Proof {
  readonly documents: number;
}

export interface Transition {
  readonly shard: number;
  readonly from: string;
  readonly to: string;
  readonly event: PairEvent['fact']['type'];
}

/** What `--json` prints. */
export interface Figures {
  readonly ok: true;
  readonly equal: boolean;
  readonly firstCopy: FirstCopy;
  readonly load: LiveLoadReport;
  readonly loadWhilePaused: LoadCounts;
  readonly pause: PauseReport;
  readonly verify: VerifyReport;
  readonly transitions: readonly Transition[];
  /** Pages of the tracing UI, by shard; a shard's second page is that of its second run. */
  readonly traces: readonly (readonly string[])[];
}

const SHARDS = 2;
/** For the last of the changes that are watched to arrive. */
const ARRIVED_WITHIN_MS = 120_000;
const PAUSED_SHARD = 1;
const OPERATIONS_PER_SECOND = 300;
const UNDISTURBED_MS = 10_000;
const PAUSE_AFTER_MS = 2_000;
const PAUSE_MS = 5_000;
/** Longer than pause and catching up take; it ends when they have. */
const DISTURBED_MS = 90_000;
const AFTER_RESUME_MS = 2_000;
const SUPERVISOR_WITHIN_MS = 30_000;

export async function playScenes(stage: Stage): Promise<Figures> {
  const { servers } = stage;
  await takeStage(stage);
  await fillLeader(stage);
  const firstCopy = await copy(stage);
  const load = await undisturbed(stage);
  const { pause, loadWhilePaused } = await disturbed(stage);
  const verify = await prove(stage);
  const histories = await tellHistory(stage);
  return {
    ok: true,
    equal: verify.equal,
    firstCopy,
    load,
    loadWhilePaused,
    pause,
    verify,
    transitions: histories
      .flat()
      .map(({ pair, from, result, fact }) => ({ shard: pair.shard, from, to: result.state, event: fact.type })),
    traces: histories.map((events) => runsOf(events).map((traceId) => zipkinTraceUrl(servers.zipkinUrl, traceId))),
  };
}

async function takeStage({ story, servers, slipstream, control, signal }: Stage): Promise<void> {
  story.say(
    `${LEADER}, the leader    ${servers.leaderUrl}`,
    `${FOLLOWER}, the follower  ${servers.followerUrl}`,
    `NATS                 ${servers.natsUrl}`,
    `tracing UI           ${servers.zipkinUrl}/zipkin`,
  );
  story.command(`slipstream start --config ${slipstream.configFile}`);
  await until(() => control.pairs().catch(() => undefined), {
    what: 'the supervisor to answer',
    withinMs: SUPERVISOR_WITHIN_MS,
    signal,
  });
}

async function fillLeader({ story, servers, documents, signal }: Stage): Promise<void> {
  story.step(`An index to follow: ${integer(documents)} cities in ${LEADER}, ${SHARDS} shards`);
  const loaded = await loadCities({
    url: servers.leaderUrl,
    index: servers.index,
    shards: SHARDS,
    documents,
    signal,
    onProgress: (progress) => story.live([bar(progress.documents / progress.of, story.paint)]),
  });
  story.settle([
    `${integer(loaded.documents)} documents in ${seconds(loaded.tookMs)}: ${servers.leaderUrl}/${servers.index}`,
  ]);
}

async function copy(stage: Stage): Promise<FirstCopy> {
  const { story, slipstream, servers, control, documents, signal } = stage;
  story.step('One command');
  const names = [`${LEADER}:${servers.index}`, `${FOLLOWER}:${servers.index}`];
  story.command(`slipstream follow ${names.join(' ')}`);
  const { code, stdout, stderr } = await slipstream.run(['follow', ...names], signal);
  if (code !== 0) throw new DemoFailure(`slipstream follow ended with exit code ${code}`, [stdout, stderr]);
  const firstCopy = await watchFirstCopy({ story, control, documents, signal });
  story.say(
    `Copied in ${seconds(firstCopy.tookMs)}, ${integer(firstCopy.documentsPerSecond)} documents a second. Now it is followed live.`,
  );
  const traceId = (await control.pairs()).find(({ shard }) => shard === PAUSED_SHARD)?.traceId;
  if (typeof traceId === 'string')
    story.say(
      `Every transition of shard ${PAUSED_SHARD} is in its trace; open it while this runs:`,
      story.paint('cyan', zipkinTraceUrl(servers.zipkinUrl, traceId)),
    );
  return firstCopy;
}

async function undisturbed(stage: Stage): Promise<LiveLoadReport> {
  const { story, signal } = stage;
  story.step(`An application writes to ${LEADER}: ${OPERATIONS_PER_SECOND} changes a second`);
  const load = await runLiveLoad({
    ...loadOf(stage),
    durationMs: UNDISTURBED_MS,
    seed: 1,
    waitMs: ARRIVED_WITHIN_MS,
    signal,
    onProgress: (counts) => story.live([countsLine(counts)]),
  });
  signal.throwIfAborted();
  const { writes, deletes, unseen } = load.visibility;
  if (unseen > 0) throw new DemoFailure(`${unseen} of the changes that were watched did not arrive in ${FOLLOWER}`);
  story.settle([
    countsLine(load),
    '',
    `From the acknowledgement in ${LEADER} until ${FOLLOWER} shows it:`,
    story.paint('dim', '          watched      p50      p90      p99      max'),
    percentilesLine('writes', writes),
    percentilesLine('deletes', deletes),
    'Deletes leave nothing to read; comparing both sides finds them.',
  ]);
  return load;
}

async function disturbed(stage: Stage): Promise<{ pause: PauseReport; loadWhilePaused: LoadCounts }> {
  const { story, control, signal } = stage;
  story.step(`Shard ${PAUSED_SHARD} is paused by NATS, while the application goes on`);
  const ending = new AbortController();
  const loading = runLiveLoad({ ...loadOf(stage), durationMs: DISTURBED_MS, seed: 2, signal: ending.signal });
  const refused = new AbortController();
  loading.catch((error: unknown) => refused.abort(error));
  const during = AbortSignal.any([signal, refused.signal]);
  try {
    await wait(PAUSE_AFTER_MS, during);
    const pause = await pauseAndResume({ story, control, shard: PAUSED_SHARD, pauseMs: PAUSE_MS, signal: during });
    story.say(
      `Shard ${PAUSED_SHARD} was ${integer(pause.behind)} changes behind, and caught up in ${seconds(pause.caughtUpMs)}.`,
    );
    await wait(AFTER_RESUME_MS, during);
    ending.abort();
    const { operations, byKind, elapsedMs } = await loading;
    return { pause, loadWhilePaused: { operations, byKind, elapsedMs } };
  } finally {
    ending.abort();
    await loading.catch(() => undefined);
  }
}

async function prove(stage: Stage): Promise<VerifyReport> {
  const { story } = stage;
  story.step('The proof: both sides, document by document');
  await untilInStep(stage);
  return verifyContent(stage);
}

async function tellHistory(stage: Stage): Promise<readonly (readonly PairEvent[])[]> {
  const { story, servers } = stage;
  story.step(`What happened to shard ${PAUSED_SHARD}, as the journal has it`);
  const histories: (readonly PairEvent[])[] = [];
  for (let shard = 0; shard < SHARDS; shard += 1) histories.push(await historyOf(shard, stage));
  histories.forEach((events, shard) => {
    checkHistory(
      shard,
      events,
      shard === PAUSED_SHARD ? ['STARTED', 'BOOTSTRAPPED', 'PAUSE', 'PAUSED', 'RESUME'] : ['STARTED', 'BOOTSTRAPPED'],
    );
  });
  const events = histories[PAUSED_SHARD] ?? [];
  story.command(`slipstream events ${FOLLOWER}:${servers.index}/${PAUSED_SHARD}`);
  story.say(...events.map((event) => eventLine(event)));
  await untilTraced(histories.flat(), stage);
  story.say('', 'The same in the tracing UI, one trace for each run of the shard:');
  story.say(...runsOf(events).map((traceId) => story.paint('cyan', zipkinTraceUrl(servers.zipkinUrl, traceId))));
  return histories;
}

function loadOf({ servers, documents }: Stage) {
  const { leaderUrl, followerUrl, index } = servers;
  return {
    leader: { url: leaderUrl, index },
    follower: { url: followerUrl, index },
    operationsPerSecond: OPERATIONS_PER_SECOND,
    documents,
  };
}

function countsLine({ operations, byKind }: LoadCounts): string {
  const { create, update, delete: deleted, recreate } = byKind;
  return `${integer(operations)} changes: ${integer(create)} creations, ${integer(update)} updates, ${integer(deleted)} deletes, ${integer(recreate)} re-creations`;
}

function percentilesLine(name: string, { samples, p50Ms, p90Ms, p99Ms, maxMs }: Percentiles): string {
  return [
    name.padEnd(9),
    integer(samples).padStart(8),
    ...[p50Ms, p90Ms, p99Ms, maxMs].map((ms) => (ms < 1_000 ? `${Math.round(ms)} ms` : seconds(ms)).padStart(9)),
  ].join('');
}

function eventLine({ atMs, from, result, fact, by }: PairEvent): string {
  const time = new Date(atMs).toISOString().slice(11, 23);
  return [
    time,
    `${from} -> ${result.state}`.padEnd(26),
    fact.type.padEnd(12),
    ...(by === undefined ? [] : [`by ${by}`]),
  ]
    .join('  ')
    .trimEnd();
}

/** The traces of a shard, one for each of its runs, oldest first. */
function runsOf(events: readonly PairEvent[]): readonly string[] {
  return [...new Set(events.map(({ result }) => result.run.traceId))];
}
