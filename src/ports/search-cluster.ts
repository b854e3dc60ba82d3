import type { IndexShardStats, IndexVersions } from '../domain/shard-stats.ts';

/**
 * What both sides can be asked about the state of indices. Every method throws `Failed` (domain/failure.ts) and nothing else;
 * every method takes the signal last and gives up at once when it is aborted (with the signal's reason).
 */
export interface ClusterState {
  readonly name: string;
  /** Changes whenever any metadata of the cluster changes (`_cluster/state/version`, 2 ms). */
  stateVersion(signal: AbortSignal): Promise<string>;
  /** Indices that do not exist are missing in the answer. */
  indexVersions(indices: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, IndexVersions>>;
  /** One call for every index named. Missing index or shard: unknown (red, closed, deleted). */
  shardStats(indices: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, IndexShardStats>>;
  refresh(index: string, signal: AbortSignal): Promise<void>;
}

/** Documents asked for by identity. `routing` undefined: the default routing by id. */
export interface DocumentKey {
  readonly id: string;
  readonly routing: string | undefined;
}

export interface FoundDocument {
  readonly found: boolean;
  /** Undefined when not found. */
  readonly seqNo: number | undefined;
  /** Absent when not found. With `seqNo` it names one operation of the shard. */
  readonly primaryTerm?: number | undefined;
  readonly version: number | undefined;
  /** The document's own, which may be another than the one it was asked for by. Undefined when it has none, or is not found. */
  readonly routing?: string | undefined;
}

/** A document of a listing: no content. */
export interface ListedDocument {
  readonly id: string;
  readonly routing: string | undefined;
  readonly seqNo: number;
  readonly version: number;
}

/** Values from `from` to `to`, both included. */
export interface ValueRange {
  readonly from: number;
  readonly to: number;
}

/** Bucket key (lower bound of the interval) to number of documents; only non-empty buckets. */
export type Histogram = ReadonlyMap<number, number>;

export interface HistogramRequest {
  readonly index: string;
  readonly shard: number;
  /** `_seq_no` on the leader, `_version` on the follower (where it aggregates). */
  readonly field: '_seq_no' | '_version';
  readonly interval: number;
  /** 0 <= offset < interval: buckets start at `k * interval + offset`. */
  readonly offset: number;
  /** Only values in [min, max] are counted. */
  readonly min: number;
  readonly max: number;
  /** The fixed view to ask; absent: the current searchable state. */
  readonly view?: View | undefined;
}

/** What a cluster counts in one request without harm: below its limit of 65,536 buckets. */
export const COUNTED_RANGES_MAX = 48_000;

export interface RangeCountRequest {
  readonly index: string;
  /** As in a histogram. */
  readonly field: '_seq_no' | '_version';
  /** Ascending, not overlapping, at most `COUNTED_RANGES_MAX`. */
  readonly ranges: readonly ValueRange[];
  readonly view?: View | undefined;
}

/** A point in time on one copy of one shard. Scarce: always closed. */
export interface View {
  readonly index: string;
  readonly shard: number;
  /** The newest id of the point in time; later answers may replace it. */
  id: string;
}
