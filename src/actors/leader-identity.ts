import { failed } from '../domain/failure.ts';
import type { IndexSnapshot } from '../domain/journal.ts';
import type { LeaderIdentity } from '../replication/leader-fence.ts';
import type { FollowerIndex } from './follower-index.ts';

export function leaderIdentity(
  { leader, leaderUuid: uuid, shards }: IndexSnapshot,
  shard: number,
  historyUuid: string,
): LeaderIdentity {
  return { ...leader, uuid, shards, shard, historyUuid };
}

/** What the history of the leader shard is now. */
export async function leaderHistory(index: FollowerIndex, shard: number, signal: AbortSignal): Promise<string> {
  const { leader } = index.snapshot;
  const { shards } = await index.leaderSide.watcher.observe(leader.index, { refresh: false }, signal);
  const stats = shards.get(shard);
  if (stats !== undefined) return stats.historyUuid;
  throw failed('shard_unavailable', {
    op: 'open pair',
    cluster: leader.cluster,
    reason: `no primary of shard ${shard} of ${leader.index} answers`,
  });
}
