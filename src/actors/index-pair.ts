import type { Failure } from '../domain/failure.ts';
import type { Observation } from '../replication/cluster-watcher.ts';
import type { ShardReplicator } from '../replication/shard-replicator.ts';

/**
 * A pair as the keeper of its index knows it. All pairs of an index have one place in the watchers: listeners of its own would weigh more than a
 * kilobyte for each pair that only waits.
 */
export interface IndexPair {
  /** Undefined while the pair moves no data. */
  readonly replicator: ShardReplicator | undefined;
  leaderObserved(observation: Observation): void;
  followerObserved(observation: Observation): void;
  /** Of either side. */
  notObserved(failure: Failure): void;
  /** Something that it may wait for has changed. */
  wake(): void;
}
