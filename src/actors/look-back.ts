import type { Clock } from '../ports/clock.ts';
import type { PairProgress } from '../replication/pair-progress.ts';
import type { FollowerIndex } from './follower-index.ts';

const LOOK_BACK_MS = 2000;
const LOOKS_BACK_MAX = 2;

/** What was copied last is saved only if the leader was seen after it. One that does not answer soon leaves it to be copied again. */
export async function lookBack(
  clock: Clock,
  { leaderSide, snapshot }: Pick<FollowerIndex, 'leaderSide' | 'snapshot'>,
  progress: PairProgress,
  signal: AbortSignal,
): Promise<void> {
  const patience = new AbortController();
  const timer = clock.setTimeout(() => patience.abort(), LOOK_BACK_MS);
  const soon = AbortSignal.any([signal, patience.signal]);
  try {
    // While it is written to, the numbers of one look are reached by the next.
    for (let looks = 0; looks < LOOKS_BACK_MAX && !progress.allSafe; looks += 1)
      await leaderSide.watcher.observe(snapshot.leader.index, { refresh: false }, soon);
  } catch {
    signal.throwIfAborted();
  } finally {
    clock.clearTimeout(timer);
  }
}
