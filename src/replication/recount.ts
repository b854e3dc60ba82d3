import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { IndexShardStats } from '../domain/shard-stats.ts';
import { listFollower } from './follower-listing.ts';
import type { ClusterWatcher } from './cluster-watcher.ts';
import type { PairProgress } from './pair-progress.ts';
import type { ReplicatorPorts, ReplicatorSetup } from './replicator-setup.ts';
import type { VersionScheme } from '../domain/version.ts';
import { shardNamedBy, shardVersions } from '../domain/version.ts';

const TRIES_MAX = 5;

export interface CountedShard {
  readonly count: number;
  /** The follower shard's `max_seq_no` at the count; undefined where the count is not of a whole shard. */
  readonly maxSeqNo: number | undefined;
}

export interface CountTarget {
  readonly follower: FollowerCluster;
  readonly watcher: ClusterWatcher;
  readonly index: string;
  readonly shard: number;
  readonly scheme: VersionScheme;
  readonly aligned: boolean;
}

const RETRY_MS = 1000;

/** When the pair's documents on the follower are counted anew. */
export class Recounts {
  readonly #ports: ReplicatorPorts;
  readonly #setup: ReplicatorSetup;
  readonly #scheme: VersionScheme;
  readonly #progress: PairProgress;
  #nextAtMs = Number.NEGATIVE_INFINITY;
  /** When the last one began. */
  #countedAtMs = Number.NEGATIVE_INFINITY;

  constructor(ports: ReplicatorPorts, setup: ReplicatorSetup, scheme: VersionScheme, progress: PairProgress) {
    this.#ports = ports;
    this.#setup = setup;
    this.#scheme = scheme;
    this.#progress = progress;
  }

  /** No write of unknown effect can still run. */
  possible(nowMs: number): boolean {
    const since = this.#progress.unsureAtMs;
    return nowMs >= this.#nextAtMs && (since === undefined || nowMs >= since + this.#setup.writeLifeMs);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { unsureAtMs } = this.#progress;
    const startedAtMs = this.#ports.clock.monotonic();
    this.#nextAtMs = startedAtMs + RETRY_MS;
    if (!(await recount(this.#ports, this.#setup, this.#scheme, this.#progress, signal))) return;
    this.#countedAtMs = startedAtMs;
    // What was unsure has run or never will.
    if (unsureAtMs !== undefined) this.tell(unsureAtMs + this.#setup.writeLifeMs);
  }

  /** What was counted before this moment may be wrong. */
  miscounted(beforeMs: number): void {
    if (this.#countedAtMs < beforeMs) this.#progress.followerCount = undefined;
  }

  /** Where shards do not align, a write of this pair may have replaced a document of another one. */
  tell(beforeMs = this.#ports.clock.monotonic()): void {
    if (!this.#setup.aligned) this.#setup.miscounted(beforeMs);
  }
}

/** Counts, and tells the progress what there is. False when the shard would not keep still. */
async function recount(
  { follower, followerWatcher, narrator }: Pick<ReplicatorPorts, 'follower' | 'followerWatcher' | 'narrator'>,
  { followerIndex, pair, aligned, leader, traceId, quarantine }: ReplicatorSetup,
  scheme: VersionScheme,
  progress: PairProgress,
  signal: AbortSignal,
): Promise<boolean> {
  const span = narrator.span('recount', pair, traceId());
  const counted = await countPair(
    { follower, watcher: followerWatcher, index: followerIndex, shard: leader.shard, scheme, aligned },
    signal,
  );
  if (counted !== undefined) {
    await quarantine.lookAtCopies(signal);
    progress.recounted(counted.count, counted.maxSeqNo);
  }
  span.set({ 'slipstream.count': counted?.count ?? -1 });
  span.end();
  return counted !== undefined;
}

/**
 * Counts the pair's live documents on the follower. None of our writes may be in flight, and the last one of unknown effect must be
 * older than the longest life of a request. Undefined when the shard would not keep still.
 */
export async function countPair(target: CountTarget, signal: AbortSignal): Promise<CountedShard | undefined> {
  const { watcher, index } = target;
  const stats = async (): Promise<IndexShardStats> => (await watcher.observe(index, { refresh: false }, signal)).shards;
  return target.aligned ? countAligned({ ...target, stats }, signal) : countUnaligned(target, signal);
}

/**
 * From the searchable state between two equal readings of `max_seq_no`: nothing was written meanwhile, by anybody. Never from `_stats`
 * document counts, which count nested children.
 */
async function countAligned(
  target: { follower: FollowerCluster; index: string; shard: number; stats: () => Promise<IndexShardStats> },
  signal: AbortSignal,
): Promise<CountedShard | undefined> {
  for (let attempt = 0; attempt < TRIES_MAX; attempt += 1) {
    const before = (await target.stats()).get(target.shard);
    await target.follower.refresh(target.index, signal);
    const count = await target.follower.count(target.index, target.shard, signal);
    const after = (await target.stats()).get(target.shard);
    if (
      before !== undefined &&
      after !== undefined &&
      before.maxSeqNo === after.maxSeqNo &&
      before.historyUuid === after.historyUuid
    ) {
      return { count, maxSeqNo: after.maxSeqNo };
    }
  }
  return undefined;
}

/**
 * The same where the pair's documents are spread over the index: those whose versions name the leader shard, in every epoch so far. Only this pair
 * writes them, so other writes do not matter. One pass over the index where each shard has a range of versions of its own, else a listing of all of it.
 */
async function countUnaligned(
  target: { follower: FollowerCluster; index: string; shard: number; scheme: VersionScheme },
  signal: AbortSignal,
): Promise<CountedShard> {
  await target.follower.refresh(target.index, signal);
  const { scheme, shard, follower } = target;
  if (scheme.layout === 'by-shard' && follower.versionAggregates) {
    const ranges = Array.from({ length: scheme.epoch + 1 }, (_, epoch) => shardVersions(scheme, shard, epoch));
    const request = { index: target.index, shard: undefined, field: '_version', ranges } as const;
    const counts = await follower.countRanges(request, signal);
    return { count: counts.reduce((sum, each) => sum + each, 0), maxSeqNo: undefined };
  }
  let count = 0;
  const all = { follower: target.follower, index: target.index, shard: undefined };
  for await (const { version } of listFollower(all, -1, signal)) {
    if (shardNamedBy(scheme, version) === shard) count += 1;
  }
  return { count, maxSeqNo: undefined };
}
