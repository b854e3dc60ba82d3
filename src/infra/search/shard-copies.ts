import { z } from 'zod';
import { failed } from '../../domain/failure.ts';
import type { SearchClient } from './client.ts';
import { ask, pathOf } from './json-answer.ts';
import type { View } from '../../ports/search-cluster.ts';
import type { SearchTarget } from './search-target.ts';

const copy = z.object({ shard: z.number(), primary: z.boolean(), state: z.string(), node: z.string().nullable() });
export const searchShardsAnswer = z.object({ shards: z.array(z.array(copy)).optional() });
/** Without `ignore_unavailable: false` an index that does not exist is an index without shards. */
export const SEARCH_SHARDS_QUERY = {
  ignore_unavailable: false,
  filter_path: 'shards.shard,shards.primary,shards.state,shards.node',
} as const;

/** `_shards:N|_only_nodes:ID`: one shard, read from one node's copy. */
export function copyPreference(shard: number, nodeId: string): string {
  return `_shards:${shard}|_only_nodes:${nodeId}`;
}

/** Where the documents are: in the view, or in the primary of the shard, or of each. */
export async function primaryTargets(
  client: SearchClient,
  { index, shard, view }: { index: string; shard: number | undefined; view?: View | undefined },
  signal: AbortSignal,
): Promise<readonly SearchTarget[]> {
  if (view !== undefined) return [{ kind: 'view', view }];
  const preferences = await primaryPreferences(client, index, shard, signal);
  return preferences.map((preference) => ({ kind: 'now', index, preference }));
}

/**
 * Preferences that read each wanted shard from its primary. A refresh never fails because of a replica that cannot be reached, and such a
 * replica may still be searched: only the primary surely shows what was refreshed. (Engines no longer offer `_primary`.)
 *
 * @param shard undefined: every shard, in order.
 */
export async function primaryPreferences(
  client: SearchClient,
  index: string,
  shard: number | undefined,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const op = `${client.name} primary lookup`;
  const query = { ...SEARCH_SHARDS_QUERY, ...(shard === undefined ? {} : { preference: `_shards:${shard}` }) };
  const answer = await ask(
    client,
    { op, method: 'GET', path: `${pathOf(index)}/_search_shards`, query, effect: 'read' },
    searchShardsAnswer,
    signal,
  );
  const groups = answer.shards ?? [];
  if (groups.length === 0)
    throw failed('shard_unavailable', {
      op,
      cluster: client.name,
      reason: `shard ${shard ?? 0} of ${index} has no copy`,
    });
  return groups.map((copies) => {
    const primary = copies.find((candidate) => candidate.primary);
    if (primary === undefined || primary.node === null)
      throw failed('shard_unavailable', {
        op,
        cluster: client.name,
        reason: `shard ${copies[0]?.shard ?? '?'} of ${index} has no active primary`,
      });
    return copyPreference(primary.shard, primary.node);
  });
}
