/**
 * Random faults under load, round after round, each with the time that the copy took to be up to date again; then everything is healed, and
 * both sides are compared, by `verify` and past the product.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../support/seeded-random.ts';
import { until } from '../support/until.ts';
import { type ChurnedIndex, churnedIndex, type IndexOutcome, outcomeOf, upToDate } from './churned-index.ts';
import { drawFaults, faultBag } from './fault-bag.ts';
import { type FaultKind, leaderIsWhole, pick } from './fault-kinds.ts';
import type { Field } from './field.ts';
import { watchMemory } from './memory-watch.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** Rounds begin for so long. */
  readonly durationMs: number;
  /** So many are played however long they take; none unless told. */
  readonly roundsMin?: number;
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
  /** Of each supervisor, over all its starts; null where the system does not tell. */
  readonly peaksMib: readonly (number | null)[];
  readonly indices: readonly IndexOutcome[];
  /** Why the run failed; empty: nothing was lost, and everything else was as it has to be. */
  readonly faulty: readonly string[];
}

export const PEAK_MIB_MAX = 400;
/** Several, so that each supervisor has its share. */
const INDICES = 3;
/** On each of them. */
const OPERATIONS_PER_SECOND = 100;
const NOTHING_POSSIBLE_PAUSE_MS = 500;
const WHOLE_WITHIN_MS = 180_000;

export async function runChaos(field: Field, options: ChaosOptions): Promise<ChaosReport> {
  const { seed, log } = options;
  const startedAtMs = Date.now();
  const followed: ChurnedIndex[] = [];
  const memories = field.supervisors.map((supervisor) => watchMemory(() => supervisor.process.pid));
  const faulty: string[] = [];
  const faults: FaultRecord[] = [];
  let rounds = 0;
  try {
    for (let at = 1; at <= INDICES; at += 1)
      followed.push(
        await churnedIndex(field, {
          suffix: `-chaos-${at}`,
          seed: INDICES * seed + at,
          operationsPerSecond: OPERATIONS_PER_SECOND,
        }),
      );
    const indices = followed.map(({ index }) => index);
    await allUpToDate(field, indices);
    rounds = await playRounds({ field, indices, options, faults });
    log('no more faults; everything comes back');
    await until('the leader is whole', WHOLE_WITHIN_MS, async () => (await leaderIsWhole(field)) || undefined);
  } catch (error) {
    faulty.push(`${String(error)}\n${await field.world.logTail()}`);
  } finally {
    for (const { churn } of followed) churn.stop();
  }
  const outcomes = await Promise.all(followed.map((one) => outcomeOf(field, one)));
  faulty.push(...outcomes.flatMap((one) => one.faulty));
  const peaksMib = memories.map((memory) => memory.stop());
  for (const [at, peakMib] of peaksMib.entries())
    if (peakMib !== null && peakMib > PEAK_MIB_MAX)
      faulty.push(`${field.supervisors[at]?.name} took ${Math.round(peakMib)} MiB, ${PEAK_MIB_MAX} are allowed`);
  return { seed, tookMs: Date.now() - startedAtMs, rounds, faults, peaksMib, indices: outcomes, faulty };
}

async function allUpToDate(field: Field, indices: readonly string[]): Promise<void> {
  await Promise.all(indices.map((index) => upToDate(field, index)));
}

interface Rounds {
  readonly field: Field;
  readonly indices: readonly string[];
  readonly options: ChaosOptions;
  /** Is added to. */
  readonly faults: FaultRecord[];
}

interface Played {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly durationMs: number;
}

async function playRounds({ field, indices, options, faults }: Rounds): Promise<number> {
  const { seed, durationMs, roundsMin = 0, log } = options;
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
    await kind.run({ field, index: pick(indices, own), durationMs: drawnMs, random: own, later });
    return { kind, atMs, durationMs: Date.now() - atMs };
  };
  while (performance.now() < endsAtMs || round < roundsMin) {
    const kinds = await drawFaults(bag, field, random);
    if (kinds.length === 0) {
      if (broken !== undefined) throw broken;
      await delay(NOTHING_POSSIBLE_PAUSE_MS);
      continue;
    }
    round += 1;
    const played = await Promise.all(kinds.map(play));
    const healedAtMs = performance.now();
    let recoveredMs: number | null = null;
    try {
      await allUpToDate(field, indices);
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

function clockTime(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 19);
}
