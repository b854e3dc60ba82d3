/**
 * The follower's `max_seq_no` must equal its value at the last recount plus the operations acknowledged since, since every acknowledged
 * write takes exactly one sequence number there (a delete of a missing document too; a version conflict or a refused document none).
 * A surplus proves a foreign writer even when counts agree; a deficit proves a rollback.
 */
export type LedgerVerdict = 'balanced' | 'surplus' | 'deficit' | 'unknown';

export interface Ledger {
  /** undefined: not known since an answer was lost, or since the start. */
  readonly expectedMaxSeqNo: number | undefined;
}

export const UNKNOWN_LEDGER: Ledger = { expectedMaxSeqNo: undefined };

export function recounted(maxSeqNo: number): Ledger {
  return { expectedMaxSeqNo: maxSeqNo };
}

export function acknowledged(ledger: Ledger, operations: number): Ledger {
  return ledger.expectedMaxSeqNo === undefined ? ledger : { expectedMaxSeqNo: ledger.expectedMaxSeqNo + operations };
}

/** @param maxSeqNo of the follower shard (or the sum over shards), seen while none of our writes was in flight. */
export function verdictOf(ledger: Ledger, maxSeqNo: number): LedgerVerdict {
  if (ledger.expectedMaxSeqNo === undefined) return 'unknown';
  if (maxSeqNo > ledger.expectedMaxSeqNo) return 'surplus';
  return maxSeqNo < ledger.expectedMaxSeqNo ? 'deficit' : 'balanced';
}
