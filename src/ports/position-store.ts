import type { PositionRecord } from '../domain/position.ts';

/** Compare-and-set token of a stored record (`_seq_no` and `_primary_term` of its document). */
export interface PositionToken {
  readonly seqNo: number;
  readonly primaryTerm: number;
}

export interface StoredPosition {
  readonly record: PositionRecord;
  readonly token: PositionToken;
}

export type PositionSaved = { readonly kind: 'saved'; readonly token: PositionToken } | { readonly kind: 'conflict' };

/** Positions of pairs in the follower cluster's index `.replication_checkpoint` (created when missing). Errors: `Failed`. */
export interface PositionStore {
  /** Realtime reads; pairs without a record are missing in the answer. */
  load(pairs: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, StoredPosition>>;
  /** One bulk; `token` undefined: must not exist yet. Answers in order. */
  save(
    writes: readonly { record: PositionRecord; token: PositionToken | undefined }[],
    signal: AbortSignal,
  ): Promise<readonly PositionSaved[]>;
  remove(pairs: readonly string[], signal: AbortSignal): Promise<void>;
}
