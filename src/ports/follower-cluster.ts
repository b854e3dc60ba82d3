import type { BulkItem } from '../domain/wire/bulk-answer.ts';
import type {
  ClusterState,
  DocumentKey,
  FoundDocument,
  Histogram,
  HistogramRequest,
  ListedDocument,
  RangeCountRequest,
  ValueRange,
  View,
} from './search-cluster.ts';

/** Writing a follower. Errors: `Failed`; a write whose effect is unknown carries `ambiguous: true`. */
export interface FollowerCluster extends ClusterState {
  /**
   * One `_bulk` with `pipeline=_none`. Resolves only with a complete HTTP 200 answer: one item for each operation, in order.
   * Everything else (reset, timeout, abort, 400, 413, 5xx, cut or miscounted body) is thrown as ambiguous, except answers that prove
   * that nothing was run (refused connection, 401, 403 or 429 of the whole request). A 413 is no proof: large bodies run in parts.
   */
  bulk(
    request: { index: string; body: Uint8Array; operations: number },
    signal: AbortSignal,
  ): Promise<readonly BulkItem[]>;
  /** Number of live root documents; of one shard, or of the index when `shard` is undefined. Counts what is searchable: refresh first. */
  count(index: string, shard: number | undefined, signal: AbortSignal): Promise<number>;
  /** A point in time on the primary: what is searchable now. */
  openView(request: { index: string; shard: number }, signal: AbortSignal): Promise<View>;
  /** Never throws: a view that cannot be closed expires by itself. */
  closeView(view: View): Promise<void>;
  /** True where `_version` can be aggregated (Elasticsearch); otherwise listings are used. */
  readonly versionAggregates: boolean;
  /** `shard` undefined: of the whole index. */
  histogram(
    request: Omit<HistogramRequest, 'shard'> & { readonly shard: number | undefined },
    signal: AbortSignal,
  ): Promise<Histogram>;
  /**
   * Documents in order of (`_version`, `_seq_no`), strictly above the version `after`, or, with `afterSeqNo`, strictly above that pair; of one
   * shard, or the index. At least `size` of them unless there are no more; a few more only where documents of several shards share one pair.
   * Versions of ours are unique, those of foreign documents are not (1 is common): give both values of the last document to page over all.
   * Only what is searchable. Without a view not a snapshot: a document rewritten meanwhile may be seen twice or not at all. Versions above 2^53 come rounded,
   * and a listing does not go on beyond one.
   */
  listByVersion(
    request: {
      index: string;
      shard: number | undefined;
      after: number;
      afterSeqNo?: number | undefined;
      size: number;
      view?: View | undefined;
    },
    signal: AbortSignal,
  ): Promise<readonly ListedDocument[]>;
  /**
   * For each range of `_version` (ascending, not overlapping, at most 1,000) its searchable documents in order of `_version`; undefined for
   * a range that holds more than `sizeEach` (at most 100). One pass over the shard (or, without one, over the index) for all of them. Only where
   * `versionAggregates`.
   */
  listVersionRanges(
    request: {
      index: string;
      shard: number | undefined;
      ranges: readonly ValueRange[];
      sizeEach: number;
      view?: View | undefined;
    },
    signal: AbortSignal,
  ): Promise<readonly (readonly ListedDocument[] | undefined)[]>;
  /** How many searchable documents have a `_version` in each range; of one shard, or of the index. Only where `versionAggregates`. */
  countRanges(
    request: RangeCountRequest & { readonly shard: number | undefined },
    signal: AbortSignal,
  ): Promise<readonly number[]>;
  multiGet(index: string, keys: readonly DocumentKey[], signal: AbortSignal): Promise<readonly FoundDocument[]>;
  /** Greatest `_version` in the index, 0 when empty. */
  maxVersion(index: string, signal: AbortSignal): Promise<number>;
  /** Makes everything acknowledged so far durable. */
  flush(index: string, signal: AbortSignal): Promise<void>;
}
