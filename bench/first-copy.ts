/** The first phase: one index copied again and again, in every way, in rounds of another order each. */
import { expectCount, finishIndex } from './cluster.ts';
import { type CopyTask, prepareCopy } from './contestants.ts';
import { type Group, groupOf, GROUPS, type Variant } from './options.ts';
import { median, rotated } from './statistics.ts';
import { type Cost, startMeter } from './world.ts';

export interface CopyRun extends Cost {
  readonly variant: Variant;
  readonly round: number;
  /** Of the supervisor, where there is one. */
  readonly peakMib?: number;
}

/** A variant that is this much slower in the first round than the best of its group is left out of the others. */
const NEAR_THE_BEST = 1.15;

type Task = Omit<CopyTask, 'followerIndex'> & { readonly documents: number };

export interface FirstCopyOptions extends Task {
  readonly variants: readonly Variant[];
  readonly rounds: number;
}

export async function measureFirstCopies({ variants, rounds, ...task }: FirstCopyOptions): Promise<readonly CopyRun[]> {
  const runs: CopyRun[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const taking = rotated(round === 1 ? variants : nearTheBest(runs), round - 1);
    for (const [at, variant] of taking.entries()) {
      const run = await measureCopy(task, { variant, round });
      runs.push(run);
      task.world.log(`round ${round} of ${rounds}, ${at + 1} of ${taking.length}: ${runLine(run, task.documents)}`);
    }
  }
  return runs;
}

/** Of each group its fastest in the first round, and those close behind. */
export function nearTheBest(runs: readonly Pick<CopyRun, 'variant' | 'round' | 'seconds'>[]): readonly Variant[] {
  const first = runs.filter(({ round }) => round === 1);
  return GROUPS.flatMap((group) => {
    const members = first.filter(({ variant }) => groupOf(variant) === group);
    const best = Math.min(...members.map(({ seconds }) => seconds));
    return members.filter(({ seconds }) => seconds <= best * NEAR_THE_BEST).map(({ variant }) => variant);
  });
}

/** One copy into an index of its own, which is gone afterwards. Throws when documents are missing. */
export async function measureCopy(
  task: Task,
  { variant, round }: { variant: Variant; round: number },
): Promise<CopyRun> {
  const { world, documents } = task;
  const followerIndex = `copy-${variant}-${round}`;
  const ready = await prepareCopy(variant, { ...task, followerIndex });
  try {
    await world.quiet();
    const stop = startMeter(world, ready.supervisor?.pid);
    await ready.copy();
    await finishIndex(world.follower, followerIndex, documents);
    const cost = stop();
    await expectCount(world.leader, task.leaderIndex, documents);
    return { variant, round, ...cost, ...(ready.supervisor && { peakMib: ready.supervisor.peakMib() }) };
  } finally {
    await ready.end();
    await world.follower.call('DELETE', `/${followerIndex}`);
  }
}

function runLine({ variant, seconds, cpuSeconds, peakMib }: CopyRun, documents: number): string {
  const { leader, follower, supervisor, client } = cpuSeconds;
  const cpu = `CPU ${leader.toFixed(1)} leader, ${follower.toFixed(1)} follower, ${(supervisor + client).toFixed(1)} client`;
  const memory = peakMib === undefined ? '' : `, ${peakMib.toFixed(0)} MiB`;
  return `${variant} ${seconds.toFixed(1)} s, ${Math.round(documents / seconds)} documents/s (${cpu}${memory})`;
}

export interface GroupResult {
  readonly group: Group;
  /** The best of its variants: the one whose median over all rounds is the least. */
  readonly variant: Variant;
  readonly runs: readonly CopyRun[];
  readonly medianSeconds: number;
  /** The other variants, with the median of the rounds that they took part in. */
  readonly others: readonly { readonly variant: Variant; readonly medianSeconds: number; readonly rounds: number }[];
}

/** Groups without runs are left out. */
export function resultsOf(runs: readonly CopyRun[]): readonly GroupResult[] {
  const lastRound = Math.max(...runs.map(({ round }) => round));
  return GROUPS.flatMap((group) => {
    const variants = [...new Set(runs.map(({ variant }) => variant))].filter((variant) => groupOf(variant) === group);
    const each = variants.map((variant) => {
      const own = runs.filter((run) => run.variant === variant);
      return { variant, runs: own, medianSeconds: median(own.map(({ seconds }) => seconds)), rounds: own.length };
    });
    const [best, ...others] = each.toSorted(
      (a, b) => Number(b.rounds === lastRound) - Number(a.rounds === lastRound) || a.medianSeconds - b.medianSeconds,
    );
    if (best === undefined) return [];
    const { variant, runs: own, medianSeconds } = best;
    return [{ group, variant, runs: own, medianSeconds, others: others.map(({ runs: _, ...other }) => other) }];
  });
}
