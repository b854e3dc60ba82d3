import type { QuarantinedDocument } from '../domain/quarantine.ts';

/** A document of a pair as it is put into quarantine. */
export interface QuarantineWrite {
  readonly pair: string;
  readonly epoch: number;
  /** That the refused document would have on the follower. Of two writes of one document the greater one stays, however late the other comes. */
  readonly version: number;
  readonly document: QuarantinedDocument;
  /** The leader operation that the older copy on the follower holds, if there is one and it is of this epoch. For the operator's eyes. */
  readonly copySeqNo: number | undefined;
  /** The beginning of the refused `_source`, for the operator's eyes only: never read back. Undefined: none is kept. */
  readonly content: string | undefined;
  /** Size of the whole `_source`. */
  readonly contentBytes: number | undefined;
}

export interface StoredQuarantine {
  readonly epoch: number;
  readonly version: number;
  readonly document: QuarantinedDocument;
}

/** Documents in quarantine, in the follower cluster's index `.slipstream_quarantine` (created when missing). Errors: `Failed`. */
export interface QuarantineStore {
  /** All of a pair, in order of sequence numbers, at most 10,000; none where the index is missing. Sees every write that was acknowledged. */
  load(pair: string, signal: AbortSignal): Promise<readonly StoredQuarantine[]>;
  /**
   * Durable when it resolves; repeating it changes nothing. `created`: the index was missing, so what it held of other documents is gone.
   */
  put(writes: readonly QuarantineWrite[], signal: AbortSignal): Promise<{ readonly created: boolean }>;
  /** What is not there, or under a greater version, is not missed. */
  remove(
    pair: string,
    removed: readonly { readonly id: string; readonly version: number }[],
    signal: AbortSignal,
  ): Promise<void>;
}
