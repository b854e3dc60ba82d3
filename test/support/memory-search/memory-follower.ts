import { assert, present } from '../../../src/domain/assert.ts';
import type { BulkItem } from '../../../src/domain/wire/bulk-answer.ts';
import type { FollowerCluster } from '../../../src/ports/follower-cluster.ts';
import type { View } from '../../../src/ports/search-cluster.ts';
import {
  byVersion,
  histogramOf,
  inOrderOfListing,
  listed,
  type MemoryCluster,
  memoryClusterState,
  multiGet,
  rangeCountsOf,
  shardAt,
  shardOf,
} from './memory-cluster.ts';
import { MemoryViews } from './memory-views.ts';
import { type DocumentWrite, firstAbove, type StoredDocument, type WriteOutcome } from './memory-shard.ts';

export interface MemoryFollowerOptions {
  readonly versionAggregates?: boolean;
  /** What becomes of one operation of a bulk: rejected before it runs, or failed with or without having run. Absent or undefined: it runs. */
  readonly itemFault?: () => 'busy' | 'failed before' | 'failed after' | undefined;
  /** Documents that are refused for what they are. */
  readonly refuses?: (write: DocumentWrite) => boolean;
}

export interface MemoryFollower extends FollowerCluster {
  /** A test asserts that it is 0 at the end. */
  readonly openViews: () => number;
}

export function memoryFollower(cluster: MemoryCluster, options: MemoryFollowerOptions = {}): MemoryFollower {
  const around = <T>(operation: string, index: string, run: () => T): Promise<T> =>
    cluster.around({ cluster: cluster.name, operation, index }, run);

  const views = new MemoryViews(cluster);

  const searchable = (name: string, shard: number | undefined, view?: View): readonly (readonly StoredDocument[])[] => {
    const index = cluster.index(name, 'list');
    if (view !== undefined) return [byVersion(views.stateOf(view, 'list'))];
    const shards = shard === undefined ? index.shards : [shardAt(index, shard)];
    return shards.map((each) => byVersion(each.searchable));
  };

  return {
    ...memoryClusterState(cluster),
    versionAggregates: options.versionAggregates ?? true,
    bulk: (request) =>
      around('bulk', request.index, () => {
        const index = cluster.index(request.index, 'bulk');
        const writes = parseBulk(request.body);
        assert(
          writes.length === request.operations,
          `a bulk of ${request.operations} operations holds ${writes.length}`,
        );
        return writes.map((write) => {
          const fault = options.itemFault?.();
          if (fault === 'busy') return refusal(429, 'es_rejected_execution_exception');
          if (fault === 'failed before') return refusal(503, 'unavailable_shards_exception');
          if (options.refuses?.(write) === true) return refusal(400, 'document_parsing_exception');
          const outcome = shardOf(index, write).write(write);
          return fault === undefined ? bulkItem(outcome) : refusal(503, 'unavailable_shards_exception');
        });
      }),
    count: (name, shard) =>
      around('count', name, () => searchable(name, shard).reduce((sum, documents) => sum + documents.length, 0)),
    openViews: () => views.size,
    openView: (request) => around('openView', request.index, () => views.open(request)),
    closeView: (view) => Promise.resolve(views.close(view)),
    histogram: (request) =>
      around('histogram', request.index, () =>
        histogramOf(searchable(request.index, request.shard, request.view).flat(), request),
      ),
    listByVersion: (request) =>
      around('listByVersion', request.index, () => {
        const { after, afterSeqNo = Number.MAX_SAFE_INTEGER, size } = request;
        const rest = searchable(request.index, request.shard, request.view).flatMap((documents) => {
          const above = documents.slice(firstAbove(documents, 'version', after - 1));
          return above.filter(({ version, seqNo }) => version > after || seqNo > afterSeqNo).slice(0, size + 1);
        });
        rest.sort(inOrderOfListing);
        let end = size;
        const last = rest[size - 1];
        while (last !== undefined && rest[end]?.version === last.version && rest[end]?.seqNo === last.seqNo) end += 1;
        return rest.slice(0, end).map(listed);
      }),
    listVersionRanges: (request) =>
      around('listVersionRanges', request.index, () => {
        const documents = searchable(request.index, request.shard, request.view).flat().toSorted(inOrderOfListing);
        return request.ranges.map(({ from, to }) => {
          const within = documents.filter(({ version }) => version >= from && version <= to);
          return within.length > request.sizeEach ? undefined : within.map(listed);
        });
      }),
    countRanges: (request) =>
      around('countRanges', request.index, () =>
        rangeCountsOf(searchable(request.index, request.shard, request.view).flat(), request),
      ),
    multiGet: (name, keys) => around('multiGet', name, () => multiGet(cluster.index(name, 'multi get'), keys)),
    maxVersion: (name) =>
      around('maxVersion', name, () =>
        searchable(name, undefined).reduce(
          (greatest, documents) => Math.max(greatest, documents.at(-1)?.version ?? 0),
          0,
        ),
      ),
    flush: (name) =>
      around('flush', name, () => {
        for (const shard of cluster.index(name, 'flush').shards) shard.sync();
      }),
  };
}

/** Reads the lines of a `_bulk` body: `index` and `delete` with `external_gte`, and deletes of one operation. */
export function parseBulk(body: Uint8Array): readonly DocumentWrite[] {
  const lines = new TextDecoder('utf-8', { fatal: true }).decode(body).split('\n');
  assert(lines.pop() === '', 'a bulk body ends with a line break');
  const writes: DocumentWrite[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const action = JSON.parse(present(lines[at], 'an action line')) as Record<
      string,
      { _id: string; routing?: string; version?: number; version_type?: string; if_seq_no?: number }
    >;
    const meta = present(action['index'] ?? action['delete'], 'index or delete');
    const isDelete = action['delete'] !== undefined;
    const exact = isDelete && meta.if_seq_no !== undefined;
    assert(exact || meta.version_type === 'external_gte', 'every operation carries an external version');
    if (!isDelete) at += 1;
    writes.push({
      id: meta._id,
      routing: meta.routing,
      version: meta.version,
      ifSeqNo: meta.if_seq_no,
      source: isDelete ? undefined : present(lines[at], 'a source line'),
    });
  }
  return writes;
}

function bulkItem({ status, result, errorType }: WriteOutcome): BulkItem {
  return result === undefined
    ? refusal(status, errorType)
    : { status, result, errorType: undefined, errorReason: undefined };
}

function refusal(status: number, errorType: string | undefined): BulkItem {
  return { status, result: undefined, errorType, errorReason: 'refused by the model' };
}
