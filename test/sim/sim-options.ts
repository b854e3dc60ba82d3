import { DEFAULT_PARAMETERS, type FollowParameters } from '../../src/domain/parameters.ts';
import { SimRandom } from '../support/sim-random.ts';
import type { RoutingFormula } from '../support/memory-search/memory-cluster.ts';

/** What may go wrong while a seed runs; each is a share of calls, or of the moments at which something may happen. */
export interface FaultRates {
  /** Of calls to either cluster: refused, lost before or after they ran, slow, timed out, or run after their caller gave up. */
  readonly call: number;
  /** Of bulk requests: run only after their caller gave up. */
  readonly lateBulk: number;
  /** Of operations in a bulk: rejected, or failed with or without having run. */
  readonly item: number;
  readonly leaderFailover: number;
  readonly leaderRestore: number;
  readonly leaderClose: number;
  readonly leaderDown: number;
  readonly followerCrash: number;
  readonly followerRestore: number;
  readonly foreignWrite: number;
  readonly journal: number;
  readonly crash: number;
  readonly stop: number;
  readonly operator: number;
  /** Somebody deletes the index of the quarantine. */
  readonly quarantineLost: number;
}

export interface SimOptions {
  readonly seed: number;
  readonly leaderShards: number;
  readonly followerShards: number;
  readonly leaderFormula: RoutingFormula;
  readonly versionAggregates: boolean;
  readonly ids: number;
  readonly operations: number;
  /** Between two operations of the writers, at most. */
  readonly writerPauseMs: number;
  /** Share of the operations after which numbers are skipped, so that ways get long and are gone in ranges. */
  readonly leaps: number;
  readonly latencyMs: number;
  /** How long a request may still run after its caller gave up; above the request timeout only in some seeds. */
  readonly zombieMs: number;
  readonly requestTimeoutMs: number;
  /** Share of the documents that the follower refuses for what they are. */
  readonly refusedShare: number;
  /** The mapping is corrected when the troubles are over, so that everything is taken. */
  readonly refusalsEnd: 'mapping' | 'command' | 'never';
  /**
   * Some ids live under several routings: of any leader shard, so that they move from shard to shard or live on several at once, or of one leader
   * shard each, so that they have several places on the follower only.
   */
  readonly twins: 'none' | 'anywhere' | 'within a shard';
  /** Where the follower acknowledges before it syncs, it does so by itself as often. */
  readonly followerSyncMs: number;
  readonly parameters: Partial<FollowParameters>;
  readonly faults: FaultRates;
}

/** Which faults a seed has at all is drawn too, so that each meets quiet company now and then. */
export function drawOptions(seed: number): SimOptions {
  const random = new SimRandom(seed * 7919 + 17);
  const sometimes = (share: number, most: number): number => (random.chance(share) ? random.next() * most : 0);
  const leaderShards = random.pick(1, 1, 2, 3);
  const requestTimeoutMs = 2000;
  // Drawn apart, so that older seeds tell the same story.
  const apart = new SimRandom(seed * 104_729 + 71);
  return {
    seed,
    leaderShards,
    followerShards: random.chance(0.2) ? random.between(1, 3) : leaderShards,
    leaderFormula: random.chance(0.2) ? 'ranges' : 'mod',
    versionAggregates: !random.chance(0.2),
    ids: random.between(3, 60),
    operations: random.between(20, 250),
    writerPauseMs: random.pick(5, 30, 150),
    leaps: random.chance(0.4) ? random.next() * 0.05 : 0,
    latencyMs: random.pick(2, 10, 60),
    zombieMs: random.chance(0.15) ? 60_000 : requestTimeoutMs,
    requestTimeoutMs,
    refusedShare: apart.chance(0.5) ? apart.next() * 0.4 : 0,
    refusalsEnd: apart.pick('mapping', 'command', 'never', 'never'),
    parameters: {
      ...DEFAULT_PARAMETERS,
      max_read_request_operation_count: random.pick(3, 10, 100, 5120),
      max_write_request_operation_count: random.pick(2, 10, 5120),
      max_retry_delay_ms: random.pick(200, 2000),
      refresh_interval_min_ms: random.pick(0, 0, 500),
      scan_share: random.pick(0.02, 0.5),
      on_missing_history: 'rebootstrap',
    },
    faults: {
      call: sometimes(0.8, 0.12),
      lateBulk: sometimes(0.2, 0.3),
      item: sometimes(0.4, 0.1),
      leaderFailover: sometimes(0.5, 0.05),
      leaderRestore: sometimes(0.15, 0.015),
      leaderClose: sometimes(0.15, 0.02),
      leaderDown: sometimes(0.2, 0.02),
      followerCrash: sometimes(0.5, 0.05),
      followerRestore: sometimes(0.1, 0.01),
      foreignWrite: sometimes(0.1, 0.02),
      journal: sometimes(0.3, 0.05),
      crash: sometimes(0.6, 0.05),
      stop: sometimes(0.3, 0.02),
      operator: sometimes(0.4, 0.05),
      quarantineLost: apart.chance(0.2) ? 0.02 : 0,
    },
    twins: random.chance(0.2) ? 'anywhere' : 'none',
    followerSyncMs: apart.pick(100, 1000, 5000),
  };
}
