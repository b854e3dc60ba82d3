import type { BufferPool } from '../domain/wire/buffer-pool.ts';
import type { SearchPage } from '../domain/wire/search-page.ts';
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

export interface PageRequest {
  readonly index: string;
  readonly shard: number;
  /** Read from this node's copy only, so that the view is one copy's. Ignored with `view`. */
  readonly nodeId: string;
  /** Documents with `_seq_no` strictly above; -1 for all. */
  readonly after: number;
  /** Documents with `_seq_no` at or below; absent: no upper bound (the cycle's one search, no query at all). */
  readonly upTo?: number | undefined;
  /** Number of documents at most; the caller keeps it within `max_result_window`. */
  readonly size: number;
  /** In any order, which is cheaper: only where the bounds hold no more numbers than `size`, so that nothing can be cut off. */
  readonly unsorted?: boolean | undefined;
  readonly view?: View | undefined;
  /** Exact number of all documents that match (without `upTo`: of the whole shard). */
  readonly countTotal: boolean;
  /** Where the answer's memory may be taken from; the caller gives it back. */
  readonly buffers?: BufferPool | undefined;
}

/** Reading a leader: public REST only, never writing more than a refresh. Errors: `Failed`. */
export interface LeaderCluster extends ClusterState {
  /**
   * One `_search` sorted by `_seq_no` (unless `unsorted`): raw bytes with the hits' offsets (domain/wire). An answer that is partial, timed out, skipped
   * or counted only roughly is thrown as `partial_answer`.
   */
  readPage(request: PageRequest, signal: AbortSignal): Promise<SearchPage>;
  openView(request: { index: string; shard: number; nodeId: string }, signal: AbortSignal): Promise<View>;
  /** Never throws: a view that cannot be closed expires by itself. */
  closeView(view: View): Promise<void>;
  histogram(request: HistogramRequest, signal: AbortSignal): Promise<Histogram>;
  /** How many documents of the shard have a `_seq_no` in each range. */
  countRanges(request: RangeCountRequest & { readonly shard: number }, signal: AbortSignal): Promise<readonly number[]>;
  /** Documents with `from <= _seq_no <= to` in order of `_seq_no`, at most `size`. */
  listBySeqNo(
    request: { index: string; shard: number; from: number; to: number; size: number; view: View | undefined },
    signal: AbortSignal,
  ): Promise<readonly ListedDocument[]>;
  /** Documents whose `_seq_no` lies in any of the ranges (at most 1,000), in order of `_seq_no`, at most `size`. */
  listSeqNoRanges(
    request: { index: string; shard: number; ranges: readonly ValueRange[]; size: number; view: View | undefined },
    signal: AbortSignal,
  ): Promise<readonly ListedDocument[]>;
  /**
   * Searchable documents on the given shards with any of these ids, at most `size`. Of the ids in `unrouted` only documents that have a routing:
   * without one an id lives on one shard alone.
   */
  listIds(
    request: {
      index: string;
      shards: readonly number[];
      unrouted: readonly string[];
      routed: readonly string[];
      size: number;
    },
    signal: AbortSignal,
  ): Promise<readonly ListedDocument[]>;
  /** Realtime, without content, in the order of the keys. */
  multiGet(index: string, keys: readonly DocumentKey[], signal: AbortSignal): Promise<readonly FoundDocument[]>;
}
