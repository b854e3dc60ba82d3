/** What the demo claims, checked: both sides equal, and every transition in the journal and in the tracing UI. */
import { z } from 'zod';
import type { PairStatus } from '../src/domain/commands.ts';
import type { JournalEvent, PairEvent } from '../src/domain/journal.ts';
import type { VerifyAnswer } from '../src/app/program.ts';
import { verifyText } from '../src/cli/verify-view.ts';
import { type Control, until } from './control.ts';
import { DemoFailure } from './demo-failure.ts';
import { refuseFatal } from './first-copy.ts';
import { FOLLOWER, type Servers } from './servers.ts';
import type { Story } from './story.ts';
import type { SlipstreamCommand } from './supervisor-process.ts';

const IN_STEP_WITHIN_MS = 180_000;
const TRACED_WITHIN_MS = 30_000;

export interface Proof {
  readonly story: Story;
  readonly slipstream: SlipstreamCommand;
  readonly servers: Servers;
  readonly control: Control;
  readonly signal: AbortSignal;
}

/** Resolves when the leader has nothing that the follower has not. */
export async function untilInStep({ control, signal }: Proof): Promise<void> {
  const isInStep = ({
    state,
    lagOperations,
    outstandingDeletes,
    leaderDocuments,
    followerDocuments,
  }: PairStatus): boolean =>
    state === 'following' && lagOperations === 0 && outstandingDeletes === 0 && leaderDocuments === followerDocuments;
  await until(
    async () => {
      const pairs = await control.pairs();
      refuseFatal(pairs);
      return pairs.every(isInStep) ? true : undefined;
    },
    { what: 'the follower to have everything', withinMs: IN_STEP_WITHIN_MS, signal },
  );
}

/** Runs `slipstream verify --content`. Throws DemoFailure unless it says equal. */
export async function verifyContent({ story, slipstream, servers, signal }: Proof): Promise<VerifyAnswer['report']> {
  const target = `${FOLLOWER}:${servers.index}`;
  story.command(`slipstream verify ${target} --content`);
  story.live([story.paint('dim', 'reading both sides ...')]);
  const { code, stdout, stderr } = await slipstream.run(['verify', target, '--content', '--json'], signal);
  const reply = parsed<{ ok: boolean; result?: VerifyAnswer }>(stdout);
  if (reply?.result === undefined)
    throw new DemoFailure(`verify could not compare (exit code ${code})`, [stdout, stderr]);
  const text = verifyText(reply.result, { cluster: FOLLOWER, index: servers.index }, 10).trimEnd().split('\n');
  if (code !== 0 || !reply.result.report.equal)
    throw new DemoFailure(`the two sides are not equal (exit code ${code})`, text);
  story.say(...text);
  return reply.result.report;
}

function parsed<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}

/** What `slipstream events` tells of a shard, oldest first. */
export async function historyOf(shard: number, { slipstream, servers, signal }: Proof): Promise<readonly PairEvent[]> {
  const { code, stdout, stderr } = await slipstream.run(
    ['events', `${FOLLOWER}:${servers.index}/${shard}`, '--json'],
    signal,
  );
  if (code !== 0)
    throw new DemoFailure(`the events of shard ${shard} could not be read (exit code ${code})`, [stdout, stderr]);
  const events = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { event: JournalEvent }).event);
  return events.filter((event) => event.entity === 'pair');
}

/** Throws DemoFailure when one of the facts is missing, or they came in another order. */
export function checkHistory(
  shard: number,
  events: readonly PairEvent[],
  facts: readonly PairEvent['fact']['type'][],
): void {
  const told = events.map(({ fact }) => fact.type);
  let at = -1;
  for (const fact of facts) {
    at = told.indexOf(fact, at + 1);
    if (at < 0)
      throw new DemoFailure(`the journal of shard ${shard} does not tell ${facts.join(', ')} in this order`, [
        `it tells ${told.join(', ')}`,
      ]);
  }
}

const spansSchema = z.array(z.object({ id: z.string() }));

/** Resolves when the tracing UI has the span of every event. */
export async function untilTraced(events: readonly PairEvent[], { servers, signal }: Proof): Promise<void> {
  const wanted = Map.groupBy(
    events.flatMap(({ trace }) => (trace === undefined ? [] : [trace])),
    ({ traceId }) => traceId,
  );
  for (const [traceId, spans] of wanted)
    await until(
      async () => {
        const response = await fetch(`${servers.zipkinUrl}/api/v2/trace/${traceId}`, { signal });
        const known = new Set(response.ok ? spansSchema.parse(await response.json()).map(({ id }) => id) : []);
        return spans.every(({ spanId }) => known.has(spanId)) ? true : undefined;
      },
      { what: `the transitions of trace ${traceId} to be in the tracing UI`, withinMs: TRACED_WITHIN_MS, signal },
    );
}
