import { failed } from '../../domain/failure.ts';
import type { IndexShardStats, IndexVersions, ShardStats } from '../../domain/shard-stats.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ClusterState, View } from '../../ports/search-cluster.ts';
import type { LeaderCluster } from '../../ports/leader-cluster.ts';

/** The leader's state that is compared: everything at or below the checkpoints, as seen in views opened after they were read. */
export interface Fence {
  /** By leader shard. */
  readonly checkpoints: ReadonlyMap<number, number>;
  /** Monotonic time at which the checkpoints were read. */
  readonly takenAtMs: number;
}

/** A leader with an asynchronous translog moves its global checkpoint late; what is above it then counts as changed since. */
const CHECKPOINT_WAIT_MS = 10_000;
const CHECKPOINT_POLL_MS = 100;

export async function takeFence(
  options: { leader: LeaderCluster; index: string; shards: readonly number[]; clock: Clock },
  signal: AbortSignal,
): Promise<Fence> {
  const { leader, index, shards, clock } = options;
  const deadlineMs = clock.monotonic() + CHECKPOINT_WAIT_MS;
  const first = await statsOf(leader, index, signal);
  for (let stats = first; ; stats = await statsOf(leader, index, signal)) {
    const takenAtMs = clock.monotonic();
    const checkpoints = new Map(shards.map((shard) => [shard, shardIn(stats, shard, leader, index).globalCheckpoint]));
    const behind = shards.some(
      (shard) => (checkpoints.get(shard) ?? -1) < shardIn(first, shard, leader, index).maxSeqNo,
    );
    await leader.refresh(index, signal);
    if (!behind || clock.monotonic() >= deadlineMs) return { checkpoints, takenAtMs };
    await clock.sleep(CHECKPOINT_POLL_MS, signal);
  }
}

export async function openViews(
  options: { leader: LeaderCluster; index: string; shards: readonly number[] },
  signal: AbortSignal,
): Promise<Map<number, View>> {
  const { leader, index, shards } = options;
  const stats = await statsOf(leader, index, signal);
  const views = new Map<number, View>();
  try {
    for (const shard of shards) {
      const { nodeId } = shardIn(stats, shard, leader, index);
      views.set(shard, await leader.openView({ index, shard, nodeId }, signal));
    }
    return views;
  } catch (error) {
    await closeViews(leader, views);
    throw error;
  }
}

export async function closeViews(leader: LeaderCluster, views: ReadonlyMap<number, View>): Promise<void> {
  await Promise.all(Array.from(views.values(), (view) => leader.closeView(view)));
}

/** What must not change while two indices are compared. */
export interface IndexIdentity {
  readonly versions: IndexVersions;
  readonly stats: IndexShardStats;
}

/** Throws when the index does not exist or a primary does not answer. */
export async function identityOfIndex(
  cluster: ClusterState,
  index: string,
  signal: AbortSignal,
): Promise<IndexIdentity> {
  const details = { op: 'verify', cluster: cluster.name };
  const versions = (await cluster.indexVersions([index], signal)).get(index);
  if (versions === undefined)
    throw failed('index_deleted', { ...details, reason: `${cluster.name}:${index} does not exist` });
  if (versions.state === 'close')
    throw failed('index_closed', { ...details, reason: `${cluster.name}:${index} is closed` });
  const stats = await statsOf(cluster, index, signal);
  for (const shard of versions.primaryTerms.keys()) shardIn(stats, shard, cluster, index);
  return { versions, stats };
}

/** Throws when what was compared is no longer what is there: the comparison then says nothing. */
export function assertUnchanged(before: IndexIdentity, after: IndexIdentity, name: string): void {
  const op = 'verify';
  if (before.versions.uuid !== after.versions.uuid)
    throw failed('index_recreated', { op, reason: `${name} was created anew during the comparison` });
  for (const [shard, { historyUuid }] of before.stats) {
    if (after.stats.get(shard)?.historyUuid !== historyUuid)
      throw failed('history_changed', { op, reason: `shard ${shard} of ${name} was restored during the comparison` });
    if (before.versions.primaryTerms[shard] !== after.versions.primaryTerms[shard]) {
      throw failed('leader_moved_primary', {
        op,
        reason: `another copy of shard ${shard} of ${name} became primary during the comparison`,
      });
    }
  }
}

export async function statsOf(cluster: ClusterState, index: string, signal: AbortSignal): Promise<IndexShardStats> {
  const stats = (await cluster.shardStats([index], signal)).get(index);
  if (stats === undefined || stats.size === 0)
    throw failed('shard_unavailable', {
      op: 'verify',
      cluster: cluster.name,
      reason: `no primary of ${cluster.name}:${index} answers`,
    });
  return stats;
}

function shardIn(stats: IndexShardStats, shard: number, { name }: ClusterState, index: string): ShardStats {
  const found = stats.get(shard);
  if (found === undefined)
    throw failed('shard_unavailable', {
      op: 'verify',
      cluster: name,
      reason: `no primary of shard ${shard} of ${name}:${index} answers`,
    });
  return found;
}
