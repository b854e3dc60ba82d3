/** A bootstrap range of leader sequence numbers; `next` is the first one not yet applied, done when `next > to`. */
export interface RangeCursor {
  readonly from: number;
  readonly to: number;
  readonly next: number;
}

/** Where a pair stands, as saved beside the data in the follower cluster's `.replication_checkpoint`. */
export interface Position {
  readonly epoch: number;
  /** C: every leader operation at or below is applied. -1: none. */
  readonly checkpoint: number;
  /** Not empty while bootstrapping: the ranges of (-1, to]. */
  readonly ranges: readonly RangeCursor[];
  readonly leader: { readonly uuid: string; readonly historyUuid: string; readonly shards: number };
  readonly follower: {
    readonly uuid: string;
    /** By follower shard number. */
    readonly historyUuids: readonly string[];
    /** max_seq_no of each follower shard that is durable with this position: a lower one later proves a rollback. */
    readonly maxSeqNos: readonly number[];
  };
  /** Live documents of this pair on the follower; null: unknown, to be recounted. */
  readonly followerCount: number | null;
  /** Present only after an orderly stop with nothing in flight: counts can be trusted without a recount. */
  readonly clean: boolean;
  /** Leader operations that the checkpoint and the ranges have passed although the follower refuses them; absent: none. */
  readonly passedOver?: readonly number[] | undefined;
}

export interface PositionRecord {
  readonly pair: string;
  readonly journalId: string;
  /** Term of the owner that wrote it. */
  readonly term: number;
  readonly savedAtMs: number;
  /** Sequence of the pair's newest event in the journal when this was saved: a journal that ends below is older than the data. */
  readonly eventSeq?: number | undefined;
  /** What the operator wanted then, for a journal that is lost. */
  readonly desired?: 'running' | 'paused' | undefined;
  readonly position: Position;
}
