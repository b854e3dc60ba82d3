import { scanSearchPage } from '../../../src/domain/wire/search-page.ts';
import type { LeaderCluster } from '../../../src/ports/leader-cluster.ts';
import type { View } from '../../../src/ports/search-cluster.ts';
import {
  histogramOf,
  listed,
  type MemoryCluster,
  memoryClusterState,
  multiGet,
  rangeCountsOf,
  shardAt,
} from './memory-cluster.ts';
import { MemoryViews } from './memory-views.ts';
import { firstAbove, type SearchableState, type StoredDocument } from './memory-shard.ts';

export interface MemoryLeader extends LeaderCluster {
  /** A test asserts that it is 0 at the end. */
  readonly openViews: () => number;
  /** As if every point in time had expired. */
  readonly expireViews: () => void;
}

export function memoryLeader(cluster: MemoryCluster): MemoryLeader {
  const views = new MemoryViews(cluster);
  const around = <T>(operation: string, index: string, run: () => T): Promise<T> =>
    cluster.around({ cluster: cluster.name, operation, index }, run);

  const stateOf = (name: string, shard: number, view: View | undefined, op: string): SearchableState => {
    const index = cluster.index(name, op);
    return view === undefined ? shardAt(index, shard).searchable : views.stateOf(view, op);
  };

  return {
    ...memoryClusterState(cluster),
    openViews: () => views.size,
    expireViews: () => views.expire(),
    openView: (request) => around('openView', request.index, () => views.open(request)),
    closeView: (view) => Promise.resolve(views.close(view)),
    readPage: (request) =>
      around('readPage', request.index, () => {
        const all = stateOf(request.index, request.shard, request.view, 'search').bySeqNo;
        const start = firstAbove(all, 'seqNo', request.after);
        const end = request.upTo === undefined ? all.length : firstAbove(all, 'seqNo', request.upTo);
        const total = request.upTo === undefined ? all.length : Math.max(0, end - start);
        const found = all.slice(start, end);
        const body = searchAnswer(
          (request.unsorted === true ? found.toReversed() : found).slice(0, request.size),
          request.countTotal ? total : undefined,
        );
        return scanSearchPage(new TextEncoder().encode(body));
      }),
    histogram: (request) =>
      around('histogram', request.index, () =>
        histogramOf(stateOf(request.index, request.shard, request.view, 'histogram').bySeqNo, request),
      ),
    countRanges: (request) =>
      around('countRanges', request.index, () =>
        rangeCountsOf(stateOf(request.index, request.shard, request.view, 'range counts').bySeqNo, request),
      ),
    listBySeqNo: (request) =>
      around('listBySeqNo', request.index, () => {
        const all = stateOf(request.index, request.shard, request.view, 'list').bySeqNo;
        const start = firstAbove(all, 'seqNo', request.from - 1);
        return all.slice(start, Math.min(firstAbove(all, 'seqNo', request.to), start + request.size)).map(listed);
      }),
    listSeqNoRanges: (request) =>
      around('listSeqNoRanges', request.index, () =>
        stateOf(request.index, request.shard, request.view, 'list')
          .bySeqNo.filter(({ seqNo }) => request.ranges.some(({ from, to }) => seqNo >= from && seqNo <= to))
          .slice(0, request.size)
          .map(listed),
      ),
    listIds: ({ index: name, shards, unrouted, routed, size }) =>
      around('listIds', name, () => {
        const index = cluster.index(name, 'list by id');
        const [some, all] = [new Set(unrouted), new Set(routed)];
        return shards
          .flatMap((shard) => shardAt(index, shard).searchable.bySeqNo)
          .filter(({ id, routing }) => all.has(id) || (routing !== undefined && some.has(id)))
          .slice(0, size)
          .map(listed);
      }),
    multiGet: (name, keys) => around('multiGet', name, () => multiGet(cluster.index(name, 'multi get'), keys)),
  };
}

function searchAnswer(documents: readonly StoredDocument[], total: number | undefined): string {
  const hits = documents.map((document) => {
    const routing = document.routing === undefined ? '' : `,"_routing":${JSON.stringify(document.routing)}`;
    const numbers = `"_seq_no":${document.seqNo},"_primary_term":1,"_version":${document.version}`;
    return `{"_index":"memory","_id":${JSON.stringify(document.id)},${numbers}${routing},"_source":${document.source},"sort":[${document.seqNo}]}`;
  });
  const count = total === undefined ? '' : `"total":{"value":${total},"relation":"eq"},`;
  return `{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{${count}"hits":[${hits.join()}]}}`;
}
