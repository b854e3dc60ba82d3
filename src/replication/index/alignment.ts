import { shardsOf } from '../../domain/index-spec/follower-body.ts';
import { isAligned, SAMPLE_SIZE, sampleRoutingValues } from '../../domain/index-spec/shard-alignment.ts';
import type { IndexAdmin, IndexDescription } from '../../ports/index-admin.ts';

/** One index and the cluster that knows where its documents lie. */
export interface Placing {
  readonly admin: IndexAdmin;
  readonly description: IndexDescription;
}

/** Whether shard n of both indices holds the same documents: asked of both clusters, never taken from their versions. */
export async function askAlignment(leader: Placing, follower: Placing, signal: AbortSignal): Promise<boolean> {
  const shards = shardsOf(leader.description);
  const followerShards = shardsOf(follower.description);
  if (shards !== followerShards || shards === 1)
    return isAligned({ shards, places: [] }, { shards: followerShards, places: [] });
  if (!routesByValue(leader.description) || !routesByValue(follower.description)) return false;
  const values = sampleRoutingValues(SAMPLE_SIZE);
  const [places, followerPlaces] = await Promise.all(
    [leader, follower].map(({ admin, description }) => admin.shardsOf(description.name, values, signal)),
  );
  return isAligned({ shards, places: places ?? [] }, { shards: followerShards, places: followerPlaces ?? [] });
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
