import { shardsOf } from '../../domain/index-spec/follower-body.ts';
import { isAligned, SAMPLE_SIZE, sampleRoutingValues } from '../../domain/index-spec/shard-alignment.ts';
import type { IndexAdmin, IndexDescription } from '../../ports/index-admin.ts';

export interface AlignmentSide {
  readonly admin: IndexAdmin;
  readonly index: string;
  readonly description: IndexDescription;
}

/** Whether shard n of both indices holds the same documents, by asking both where a sample of values lives. */
export async function askAlignment(
  leader: AlignmentSide,
  follower: AlignmentSide,
  signal: AbortSignal,
): Promise<boolean> {
  const [shards, followerShards] = [shardsOf(leader.description), shardsOf(follower.description)];
  if (shards !== followerShards || shards === 1)
    return isAligned({ shards, places: [] }, { shards: followerShards, places: [] });
  if (!routesByValue(leader.description) || !routesByValue(follower.description)) return false;
  const values = sampleRoutingValues(SAMPLE_SIZE);
  const [places, followerPlaces] = await Promise.all([
    leader.admin.shardsOf(leader.index, values, signal),
    follower.admin.shardsOf(follower.index, values, signal),
  ]);
  return isAligned({ shards, places }, { shards: followerShards, places: followerPlaces });
}

/** Time series and indices routed by their sort fields place documents by content, partitioned ones by routing and id together: one value tells nothing. */
function routesByValue({ settings }: IndexDescription): boolean {
  const partitions = Number(settings['index.routing_partition_size'] ?? 1);
  return (
    settings['index.mode'] !== 'time_series' &&
    settings['index.logsdb.route_on_sort_fields'] !== 'true' &&
    partitions === 1
  );
}
