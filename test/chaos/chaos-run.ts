/**
 * Random faults under load, round after round, each with the time that the copy took to be up to date again; then everything is healed, and
 * both sides are compared, by `verify` and past the product.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { PairStatus } from '../../src/domain/commands.ts';
import { type ChurnReport, createChurnIndex, startChurn } from '../support/churn/churn.ts';
import type { IndexComparison } from '../support/compare-indices.ts';
import { LEADER, maxSeqNos } from '../support/replication-world.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { until } from '../support/until.ts';
import { drawFaults, faultBag } from './fault-bag.ts';
import { type FaultKind, leaderIsWhole } from './fault-kinds.ts';
import type { Field } from './field.ts';
import { watchMemory } from './memory-watch.ts';
import { verifyContent } from './verify-content.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** Rounds begin for so long. */
  readonly durationMs: number;
  /** All kinds unless told. */
  readonly kinds?: readonly FaultKind[];
  readonly log: (line: string) => void;
}

export interface FaultRecord {
  readonly fault: string;
  readonly round: number;
  /** Wall clock. */
  readonly atMs: number;
  readonly durationMs: number;
  /** From the end of its round's last fault until every pair was following and had applied what the leader had by then; null: not in time. */
  readonly recoveredMs: number | null;
}

export interface ChaosReport {
  readonly seed: number;
  readonly tookMs: number;
  readonly rounds: number;
  readonly faults: readonly FaultRecord[];
  readonly churn: ChurnReport;
  /** Of each supervisor, over all its starts; null where the system does not tell. */
  readonly peaksMib: readonly (number | null)[];
  /** Of `slipstream verify --content`. */
  readonly verified: string;
  readonly comparison: IndexComparison | undefined;
  readonly pairs: readonly PairStatus[];
  /** Why the run failed; empty: nothing was lost, and everything else was as it has to be. */
  readonly faulty: readonly string[];
}

export const PEAK_MIB_MAX = 400;
const SHARDS = 2;
const OPERATIONS_PER_SECOND = 300;
const IDS = 10_000;
const RECOVERED_WITHIN_MS = 120_000;
const NOTHING_POSSIBLE_PAUSE_MS = 500;
const WHOLE_WITHIN_MS = 180_000;
const SETTLED_WITHIN_MS = 120_000;
/** Writers meet a cluster without a master for some seconds, again and again. */
const WRITER_FAILURES_MAX = 3_000;

export async function runChaos(field: Field, options: ChaosOptions): Promise<ChaosReport> {
  const { seed, log } = options;
  const { world } = field;
  const startedAtMs = Date.now();
  const [index, address] = await followedIndex(field);
  const churn = await startChurn({
    ...address,
    seed,
    ids: IDS,
    operationsPerSecond: OPERATIONS_PER_SECOND,
    timeoutMs: 5_000,
    otherUrls: field.leaders.map(({ server }) => server.url).filter((url) => url !== address.url),
    failuresMax: WRITER_FAILURES_MAX,
  });
  // It is waited for at the end; a writer may give up before.
  churn.done.catch(() => undefined);
  const memories = field.supervisors.map((supervisor) => watchMemory(() => supervisor.process.pid));
  const faulty: string[] = [];
  const faults: FaultRecord[] = [];
  let rounds = 0;
  try {
    await upToDate(field, index);
    rounds = await playRounds({ field, index, options, faults });
    log('no more faults; everything comes back');
    await until('the leader is whole', WHOLE_WITHIN_MS, async () => (await leaderIsWhole(field)) || undefined);
  } catch (error) {
    faulty.push(`${String(error)}\n${await world.logTail()}`);
  } finally {
    churn.stop();
  }
  const report = await churn.done;
  let pairs: readonly PairStatus[] = [];
  let verified = 'not run';
  let comparison: IndexComparison | undefined;
  try {
    pairs = await world.awaitSettled(index, SETTLED_WITHIN_MS);
    verified = await verifyContent(field, index);
    if (verified !== 'equal') faulty.push(`verify --content: ${verified}`);
    comparison = await world.compare(index);
    if (!comparison.equal) faulty.push(`compared past the product: ${JSON.stringify(comparison).slice(0, 2000)}`);
  } catch (error) {
    faulty.push(String(error));
    pairs = (await world.status(index))?.pairs ?? [];
  }
  for (const { shard, state, failure } of pairs)
    if (state === 'fatal') faulty.push(`shard ${shard} is fatal: ${failure?.code} ${failure?.reason}`);
  if (report.operations === 0) faulty.push('nothing was written');
  const peaksMib = memories.map((memory) => memory.stop());
  for (const [at, peakMib] of peaksMib.entries())
    if (peakMib !== null && peakMib > PEAK_MIB_MAX)
      faulty.push(`${field.supervisors[at]?.name} took ${Math.round(peakMib)} MiB, ${PEAK_MIB_MAX} are allowed`);
  const tookMs = Date.now() - startedAtMs;
  return { seed, tookMs, rounds, faults, churn: report, peaksMib, verified, comparison, pairs, faulty };
}

async function followedIndex({ world }: Field): Promise<[string, { url: string; index: string }]> {
  const index = world.name('-chaos');
  const address = { url: world.leader.url, index };
  const settings = { number_of_replicas: 1, 'index.unassigned.node_left.delayed_timeout': '0s' };
  await createChurnIndex(address, { shards: SHARDS, gcDeletes: '1s', settings });
  await world.control.follow({
    leader: { cluster: LEADER, index },
    follower: world.followerOf(index),
    // A copy that was away for long meets many deletes at once.
    parameters: { mass_delete_share: 1 },
    settings: { 'index.number_of_replicas': 0 },
  });
  return [index, address];
}

interface Rounds {
  readonly field: Field;
  readonly index: string;
  readonly options: ChaosOptions;
  /** Is added to. */
  readonly faults: FaultRecord[];
}

interface Played {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly durationMs: number;
}

async function playRounds({ field, index, options, faults }: Rounds): Promise<number> {
  const { seed, durationMs, log } = options;
  const random = seededRandom(seed);
  const bag = faultBag(random, options.kinds);
  const endsAtMs = performance.now() + durationMs;
  const background = new Set<Promise<void>>();
  let broken: Error | undefined;
  const later = (task: Promise<void>): void => {
    const noted = task
      .catch(
        (error: unknown) => void (broken ??= new Error('a node or a supervisor did not come back', { cause: error })),
      )
      .finally(() => background.delete(noted));
    background.add(noted);
  };
  let round = 0;
  const play = async (kind: FaultKind): Promise<Played> => {
    // Its own: what it decides late must not depend on how long others took.
    const own = seededRandom(Math.floor(random() * 2 ** 32));
    const [least, most] = kind.durationMs;
    const drawnMs = Math.round(least + own() * (most - least));
    await delay(own() * 1_000);
    const atMs = Date.now();
    log(`${clockTime(atMs)} ${round}. ${kind.name}, ${(drawnMs / 1000).toFixed(1)} s`);
    await kind.run({ field, index, durationMs: drawnMs, random: own, later });
    return { kind, atMs, durationMs: Date.now() - atMs };
  };
  while (performance.now() < endsAtMs) {
    const kinds = await drawFaults(bag, field, random);
    if (kinds.length === 0) {
      await delay(NOTHING_POSSIBLE_PAUSE_MS);
      continue;
    }
    round += 1;
    const played = await Promise.all(kinds.map(play));
    const healedAtMs = performance.now();
    let recoveredMs: number | null = null;
    try {
      await upToDate(field, index);
      recoveredMs = Math.round(performance.now() - healedAtMs);
    } finally {
      for (const { kind, atMs, durationMs: lastedMs } of played)
        faults.push({ fault: kind.name, round, atMs, durationMs: lastedMs, recoveredMs });
      const outcome =
        recoveredMs === null ? 'NOT up to date in time' : `up to date after ${(recoveredMs / 1000).toFixed(1)} s`;
      log(`${clockTime(Date.now())} ${round}. ${outcome}`);
    }
    if (broken !== undefined) throw broken;
    const gone = field.supervisors.find(({ up, process }) => up && !process.running);
    if (gone !== undefined) throw new Error(`${gone.name} ended by itself`);
  }
  await Promise.all(background);
  if (broken !== undefined) throw broken;
  return round;
}

/** Every pair follows, whoever owns it, and has applied what the leader had when this was called. */
async function upToDate(field: Field, index: string): Promise<void> {
  const giveUpAtMs = performance.now() + RECOVERED_WITHIN_MS;
  const goals = await until('the primaries of the leader', RECOVERED_WITHIN_MS, async () => {
    const found = await maxSeqNos(field.leaderSide(), index).catch(() => undefined);
    return found?.size === SHARDS && [...found.values()].every((seqNo) => seqNo >= 0) ? found : undefined;
  });
  let seen: readonly PairStatus[] = [];
  await until(
    'the copy is up to date',
    giveUpAtMs - performance.now(),
    async () => {
      seen = (await field.world.status(index))?.pairs ?? [];
      const arrived = ({ shard, state, checkpoint }: PairStatus): boolean =>
        state === 'following' && checkpoint >= (goals.get(shard) ?? Infinity);
      return (seen.length === SHARDS && seen.every(arrived)) || undefined;
    },
    () => JSON.stringify({ goals: [...goals], seen }, undefined, 1),
  );
}

function clockTime(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 19);
}
