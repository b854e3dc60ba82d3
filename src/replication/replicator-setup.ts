import type { FollowParameters } from '../domain/parameters.ts';
import type { Position } from '../domain/position.ts';
import type { VersionLayout } from '../domain/version.ts';
import type { Clock } from '../ports/clock.ts';
import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { LeaderCluster } from '../ports/leader-cluster.ts';
import type { Narrator } from '../ports/narrator.ts';
import type { Random } from '../ports/random.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { ClusterWatcher, Observation } from './cluster-watcher.ts';
import type { MassDeleteAllowance } from './comparison.ts';
import type { LeaderIdentity } from './leader-fence.ts';
import type { PairCounters, PairProgress } from './pair-progress.ts';
import type { PairQuarantine } from './quarantine/pair-quarantine.ts';
import type { PairRepairs } from './pair-repairs.ts';
import type { Semaphore } from './semaphore.ts';

export interface ReplicatorPorts {
  readonly leader: LeaderCluster;
  readonly follower: FollowerCluster;
  readonly leaderWatcher: ClusterWatcher;
  readonly followerWatcher: ClusterWatcher;
  readonly clock: Clock;
  readonly random: Random;
  readonly narrator: Narrator;
  readonly budget: ByteBudget;
  /** Points in time are scarce: one pool for a leader cluster. */
  readonly views: Semaphore;
  /** Comparisons at once of a leader cluster: each keeps a point in time on both sides. Nobody waits for its turn. */
  readonly comparisons: Semaphore;
}

export interface ReplicatorSetup {
  readonly pair: string;
  readonly leader: LeaderIdentity;
  readonly followerIndex: string;
  readonly followerUuid: string;
  readonly epoch: number;
  /** Shard n of both indices holds the same documents. */
  readonly aligned: boolean;
  /** Of the versions that the follower's documents carry; `by-shard` where shards do not align. */
  readonly layout: VersionLayout;
  readonly parameters: FollowParameters;
  /** The leader's `index.max_result_window`. */
  readonly resultWindow: number;
  /** After this long a request of ours, or of an owner before, has run or will never run. */
  readonly writeLifeMs: number;
  /** As it was when the position was saved. */
  readonly quarantine: PairQuarantine;
  /** Puts the follower's metadata in step with what the observation shows, before documents that need it are written. */
  readonly syncMetadata: (observation: Observation, signal: AbortSignal) => Promise<void>;
  /** Asks again, in a way that a cluster still starting cannot answer wrongly, whether the leader index is gone. */
  readonly leaderIsGone: (signal: AbortSignal) => Promise<boolean>;
  /** What was counted for the other pairs of the index before this moment (monotonic clock) is not to be trusted any more. */
  readonly miscounted: (beforeMs: number) => void;
  /** Runs the work while the follower index forgets its deletes at each refresh. Throws `follower_unsteady` while that is not safe. */
  readonly forgettingDeletes: <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T>;
  readonly repairs: PairRepairs;
  readonly massDeletes: MassDeleteAllowance;
  readonly traceId: () => string | undefined;
  /** The work is to end at the next safe point. */
  readonly draining: () => boolean;
  /** The position moved within a step. */
  readonly moved: () => void;
}

/** Where a replicator begins; not kept by it. */
export interface ReplicatorStart {
  readonly position: Position | undefined;
  /** The follower was created a moment ago by this process: it is empty, and nothing of the past can be under way. */
  readonly fresh: boolean;
  /** Those of the pair, where they outlive its replicators. */
  readonly counters?: PairCounters;
}

export function startFrom(
  { position, fresh }: ReplicatorStart,
  progress: PairProgress,
  { aligned, leader }: Pick<ReplicatorSetup, 'aligned' | 'leader'>,
  nowMs: number,
): void {
  if (position !== undefined) progress.restore(position);
  const maxSeqNo = position?.follower.maxSeqNos[leader.shard];
  if (fresh) progress.recounted(0, aligned ? -1 : undefined);
  else if (position?.clean === true && position.followerCount !== null) {
    // Where shards do not align another pair may have replaced documents of this one meanwhile: counted anew, at once.
    if (aligned) progress.recounted(position.followerCount, maxSeqNo);
  }
  // Whoever wrote before may have left a request that still runs.
  else progress.unsure(nowMs);
}

export interface StepResult {
  /** Something was applied, deleted or moved on. */
  readonly progress: boolean;
  /** There is more to do at once. */
  readonly more: boolean;
}

/** What a step has done before it looks at a comparison. */
export interface Moved extends StepResult {
  /** The leader's primary was another one in the midst of it. */
  readonly dropped?: boolean;
  /** A view was read to its end. */
  readonly counted?: boolean;
}

export interface PageRead {
  readonly full: boolean;
  readonly total: number | undefined;
  /** Greatest `_seq_no` of the page, or `after` of an empty one. */
  readonly last: number;
  readonly applied: number;
}
