export interface LeaseEntry {
  readonly key: string;
  /** Grows over all keys, also when the store was lost and made anew. */
  readonly revision: number;
  readonly value: string;
}

export type LeaseChange =
  | { readonly kind: 'stands'; readonly entry: LeaseEntry }
  /** Deleted, or its time is over. It has no value any more, and never gets one again. */
  | { readonly kind: 'gone'; readonly key: string }
  /** All that stood when the watch began, or began again after an outage, has been told. */
  | { readonly kind: 'current' };

export interface LeaseWrite {
  /** 0: the key has never been written. */
  readonly expectedRevision: number;
  /** The key ends so long after it was stored, unless it is written again; whole seconds. Without it the key stays. */
  readonly ttlMs?: number | undefined;
}

/**
 * Keys with one value each, shared by all supervisors. Every request is bounded in time. Errors: `Failed` with `journal_conflict` (the
 * revision is not the expected one), `journal_full`, or `journal_unreachable`: then the write may have been stored, or may still be.
 */
export interface LeaseStore {
  /** Gives the new revision. */
  put(key: string, value: string, write: LeaseWrite, signal: AbortSignal): Promise<number>;
  delete(key: string, expectedRevision: number, signal: AbortSignal): Promise<void>;
  /** What was acknowledged before is seen. */
  get(key: string, signal: AbortSignal): Promise<LeaseEntry | undefined>;
  /**
   * All keys, then their changes, until aborted: it throws the signal's reason then, and nothing else, since outages are sat out. Values
   * that are replaced soon may be passed over. A key that ended unseen is told when the watch is current again.
   */
  watch(signal: AbortSignal): AsyncIterable<LeaseChange>;
}
