/** One primary shard as `GET /{index}/_stats/docs?level=shards` shows it, from the copy with `routing.primary: true`. */
export interface ShardStats {
  /** -1 when the shard has no operation. */
  readonly globalCheckpoint: number;
  readonly maxSeqNo: number;
  readonly historyUuid: string;
  /** Node that holds the primary; views are pinned to it with `_only_nodes`. */
  readonly nodeId: string;
}

/** Shards of one index by number. A shard that is missing in an answer is unknown, never idle. */
export type IndexShardStats = ReadonlyMap<number, ShardStats>;

/** The cheap part of an index's metadata: enough to see that something changed. */
export interface IndexVersions {
  readonly uuid: string;
  readonly state: 'open' | 'close';
  /** Primary term by shard number; rises with every failover. */
  readonly primaryTerms: readonly number[];
  readonly mappingVersion: number;
  readonly settingsVersion: number;
  readonly aliasesVersion: number;
}
