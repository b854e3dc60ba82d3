import type { FollowerCluster } from '../../ports/follower-cluster.ts';
import type { ListedDocument } from '../../ports/search-cluster.ts';
import type { SearchClient } from './client.ts';
import { listed, LISTING } from './documents.ts';
import { askSearch, type SearchAnswer, WHOLE_SEARCH } from './search-answer.ts';
import { searchTarget } from './search-target.ts';
import { primaryTargets } from './shard-copies.ts';

/**
 * `_version` cannot be queried by range, but sorted, and `search_after` pages on it. The pair with `_seq_no` is unique within a shard. In a
 * listing of a whole index documents of different shards may share a pair (foreign ones of version 1, written evenly): a page never ends
 * between them, so that the pair is enough to go on. Pages of a whole index come from the same copies by a fixed preference string; a copy
 * that lags shows a document that is gone or misses a new one, which the caller's own checks of each candidate cover.
 */
export async function listByVersion(
  client: SearchClient,
  request: Parameters<FollowerCluster['listByVersion']>[0],
  signal: AbortSignal,
): Promise<readonly ListedDocument[]> {
  const { index, shard, after, afterSeqNo = Number.MAX_SAFE_INTEGER, size, view } = request;
  // A rounded version is no place to go on from: the same documents would come for ever.
  if (after > Number.MAX_SAFE_INTEGER) return [];
  const anywhere = { kind: 'now', index, preference: 'slipstream' } as const;
  const [target = anywhere] = shard === undefined ? [] : await primaryTargets(client, { index, shard, view }, signal);
  const page = async (hits: number): Promise<SearchAnswer> => {
    const search = {
      ...WHOLE_SEARCH,
      ...LISTING,
      size: hits,
      sort: [{ _version: 'asc' }, { _seq_no: 'asc' }],
      search_after: [after, afterSeqNo],
    };
    const expected = { shards: shard === undefined ? undefined : 1, countTotal: false };
    const found = await askSearch(client, searchTarget(`${client.name} listing`, target, search), expected, signal);
    if (target.kind === 'view') target.view.id = found.pit_id ?? target.view.id;
    return found;
  };
  // One more than wanted shows whether the page ends between two documents of one pair.
  const answer = await page(size + 1);
  const documents = listed(client, answer);
  const last = documents[size - 1];
  if (last === undefined || !samePair(last, documents[size])) return documents.slice(0, size);
  const further = listed(client, await page(size + answer._shards.total));
  return further.filter((document, at) => at < size || samePair(last, document));
}

function samePair(left: ListedDocument, right: ListedDocument | undefined): boolean {
  return left.version === right?.version && left.seqNo === right.seqNo;
}
