import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { IndexAdmin } from '../ports/index-admin.ts';
import type { LeaderCluster } from '../ports/leader-cluster.ts';
import type { PositionStore } from '../ports/position-store.ts';
import type { QuarantineStore } from '../ports/quarantine-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Narrator } from '../ports/narrator.ts';
import type { Ownership } from '../ports/ownership.ts';
import type { Random } from '../ports/random.ts';
import type { ByteBudget } from '../replication/byte-budget.ts';
import type { ClusterBreaker } from '../replication/cluster-breaker.ts';
import type { ClusterWatcher } from '../replication/cluster-watcher.ts';
import type { Semaphore } from '../replication/semaphore.ts';
import type { PositionKeeper } from './position-keeper.ts';

/**
 * Pairs that open at once. Hundreds share the ticks of the watcher and the bulks of the keeper as well as all would, which is what a takeover waits for.
 * But when thousands start, what each has under way until it is open weighs as much as the pair itself: 40 MB in a start of ten thousand.
 */
export function openingsAtOnce(waiting: number): number {
  return waiting > 1_000 ? 16 : 200;
}
/** A cluster creates one index after the other; the requests of hundreds that are followed at once would time out in its queue. */
export const CREATIONS_MAX = 4;

/** One configured cluster with everything that exists once for it. */
export interface ClusterAccess {
  readonly name: string;
  readonly leader: LeaderCluster;
  readonly follower: FollowerCluster;
  readonly admin: IndexAdmin;
  readonly positions: PositionStore;
  /** Every request of the ports above passes it. */
  readonly breaker: ClusterBreaker;
  readonly quarantine: QuarantineStore;
  readonly watcher: ClusterWatcher;
  readonly keeper: PositionKeeper;
  /** The pool of points in time. */
  readonly views: Semaphore;
  /** Comparisons at once with indices of this cluster. */
  readonly comparisons: Semaphore;
  /** For pairs that follow into it: so many read their position and take it up at once. */
  readonly openings: Semaphore;
  /** Indices that are created in it at once. */
  readonly creations: Semaphore;
  /** A request has run, or never will, after this long. */
  readonly requestTimeoutMs: number;
}

/** The rest waits here, where no request times out. */
export function creatingByTurns({ admin, creations }: Pick<ClusterAccess, 'admin' | 'creations'>): IndexAdmin {
  return {
    ...admin,
    createIndex: (index, body, signal) => creations.use(signal, () => admin.createIndex(index, body, signal)),
  };
}

/** What every actor of a supervisor shares. */
export interface SupervisorPorts {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly narrator: Narrator;
  readonly budget: ByteBudget;
  /** Throws `Failed` with `unknown_cluster`. */
  readonly cluster: (name: string) => ClusterAccess;
  readonly ownership: Ownership;
}
