import { assert } from '../../domain/assert.ts';
import { Failed, failed } from '../../domain/failure.ts';
import type { SearchPage } from '../../domain/wire/search-page.ts';
import type { LeaderCluster, PageRequest } from '../../ports/leader-cluster.ts';
import type { ClusterState, HistogramRequest, View } from '../../ports/search-cluster.ts';
import type { SearchClient } from './client.ts';
import { listed, LISTING, multiGet } from './documents.ts';
import type { EngineProbe } from './engine.ts';
import { askHistogram } from './histogram.ts';
import { askPage, askSearch, WHOLE_SEARCH } from './search-answer.ts';
import { countRanges } from './range-counts.ts';
import { type SearchTarget, searchTarget } from './search-target.ts';
import { copyPreference, primaryPreferences } from './shard-copies.ts';
import { closeView, openView } from './views.ts';

/** An index without any mapping does not even know `_seq_no`, and refuses to sort on it. */
const BY_SEQ_NO = [{ _seq_no: { order: 'asc', unmapped_type: 'long' } }];

export function createLeaderCluster(client: SearchClient, engine: EngineProbe, state: ClusterState): LeaderCluster {
  const { name } = client;

  async function present(
    index: string,
    shard: number,
    view: View | undefined,
    signal: AbortSignal,
  ): Promise<SearchTarget> {
    if (view !== undefined) return { kind: 'view', view };
    const [preference = ''] = await primaryPreferences(client, index, shard, signal);
    return { kind: 'now', index, preference };
  }

  const listRanges: LeaderCluster['listSeqNoRanges'] = async ({ index, shard, ranges, size, view }, signal) => {
    const [first, ...others] = ranges.map(({ from, to }) => ({ range: { _seq_no: { gte: from, lte: to } } }));
    const query = others.length === 0 ? first : { bool: { filter: { bool: { should: [first, ...others] } } } };
    const search = { ...WHOLE_SEARCH, ...LISTING, size, query, sort: BY_SEQ_NO };
    const request = searchTarget(`${name} listing`, await present(index, shard, view, signal), search);
    const answer = await askSearch(client, request, { shards: 1, countTotal: false }, signal);
    if (view !== undefined) view.id = answer.pit_id ?? view.id;
    return listed(client, answer);
  };

  /** Which document it is that cannot be read. Of several, any: fewer are to be asked for, until it is alone. */
  async function named(
    { failure }: Failed,
    asked: { op: string; target: SearchTarget; search: Record<string, unknown>; size: number },
    signal: AbortSignal,
  ): Promise<Failed> {
    const { op, target, search, size } = asked;
    const at = { op, cluster: name };
    if (size !== 1) return failed('answer_too_large', { ...at, reason: `one of ${size} documents: ${failure.reason}` });
    const listing = searchTarget(`${name} listing`, target, { ...search, ...LISTING });
    const [document] = listed(client, await askSearch(client, listing, { shards: 1, countTotal: false }, signal));
    const place = document === undefined ? 'a document' : `the document at leader seq_no ${document.seqNo}`;
    return failed('document_unreadable', { ...at, reason: `${place}: ${failure.reason}` });
  }

  return {
    ...state,
    async readPage(request, signal) {
      const { excludeVectorsOption } = await engine.capabilities(signal);
      const { index, shard, nodeId, view, countTotal, size, buffers } = request;
      const op = `${name} search`;
      const target: SearchTarget =
        view === undefined ? { kind: 'now', index, preference: copyPreference(shard, nodeId) } : { kind: 'view', view };
      const search = pageSearch(request, excludeVectorsOption);
      const page = await askPage(
        client,
        { ...searchTarget(op, target, search), buffers },
        { size, countTotal },
        signal,
      ).catch(async (thrown: unknown) => {
        throw unreadable(thrown) ? await named(thrown, { op, target, search, size }, signal) : thrown;
      });
      if (view !== undefined) view.id = page.pitId ?? view.id;
      checkHits(page, { op, cluster: name, index });
      return page;
    },
    async openView(request, signal) {
      const { pitDialect } = await engine.capabilities(signal);
      const { index, shard, nodeId } = request;
      return openView(client, pitDialect, { index, shard, preference: copyPreference(shard, nodeId) }, signal);
    },
    closeView: (view) => closeView(client, engine.known?.pitDialect ?? 'elasticsearch', view),
    async histogram(request: HistogramRequest, signal) {
      return askHistogram(client, request, await present(request.index, request.shard, request.view, signal), signal);
    },
    async countRanges(request, signal) {
      return countRanges(client, request, await present(request.index, request.shard, request.view, signal), signal);
    },
    listBySeqNo: ({ from, to, ...request }, signal) => listRanges({ ...request, ranges: [{ from, to }] }, signal),
    listSeqNoRanges: (request, signal) => listRanges(request, signal),
    listIds: (request, signal) => listIds(client, request, signal),
    multiGet: (index, keys, signal) => multiGet(client, index, keys, signal),
  };
}

async function listIds(
  client: SearchClient,
  { index, shards, unrouted, routed, size }: Parameters<LeaderCluster['listIds']>[0],
  signal: AbortSignal,
): ReturnType<LeaderCluster['listIds']> {
  const ids = (values: readonly string[]): object => ({ ids: { values } });
  const elsewhere = { bool: { filter: [ids(unrouted), { exists: { field: '_routing' } }] } };
  const query = { bool: { filter: { bool: { should: [elsewhere, ids(routed)] } } } };
  const search = { ...WHOLE_SEARCH, ...LISTING, size, query };
  const target = { kind: 'now', index, preference: `_shards:${shards.join()}` } as const;
  const request = searchTarget(`${client.name} listing by id`, target, search);
  return listed(client, await askSearch(client, request, { shards: shards.length, countTotal: false }, signal));
}

/**
 * No `filter_path`: the server then parses each `_source` and writes it anew. Without `upTo` there is no query at all: total and tail of a shard
 * of a million documents in 2 ms. One value is enough in `search_after`: `_seq_no` is unique in a shard.
 */
function pageSearch(
  { after, upTo, size, countTotal, unsorted = false }: PageRequest,
  excludeVectorsOption: boolean,
): Record<string, unknown> {
  assert(!unsorted || (upTo !== undefined && upTo - after <= size), 'what has no order is not cut off');
  const bounds = upTo === undefined ? {} : { query: { range: { _seq_no: { gt: after, lte: upTo } } } };
  if (size === 0) return { ...WHOLE_SEARCH, size, track_total_hits: countTotal, ...bounds };
  return {
    ...WHOLE_SEARCH,
    size,
    track_total_hits: countTotal,
    ...(upTo === undefined ? { search_after: [after] } : bounds),
    // All match alike: without an order they come as they lie in the segments, and no hit carries sort values. One hit alone is read by them.
    ...(unsorted && size > 1 ? {} : { sort: BY_SEQ_NO }),
    seq_no_primary_term: true,
    version: false,
    ...(excludeVectorsOption ? { _source: { exclude_vectors: false } } : {}),
  };
}

function unreadable(thrown: unknown): thrown is Failed {
  return thrown instanceof Failed && thrown.failure.code === 'document_unreadable';
}

function checkHits(page: SearchPage, { op, cluster, index }: { op: string; cluster: string; index: string }): void {
  for (const hit of page.hits) {
    if (hit.seqNo < 0)
      throw failed('seq_no_unusable', { op, cluster, reason: `a document of ${index} has no sequence number` });
    if (hit.sourceStart < 0)
      throw failed('source_unusable', { op, cluster, reason: `a document of ${index} has no _source` });
  }
}
