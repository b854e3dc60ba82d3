import type { JournalEvent } from '../domain/journal.ts';

export interface StoredEvent {
  readonly subject: string;
  /** Sequence in the log: grows over all subjects. */
  readonly seq: number;
  readonly event: JournalEvent;
}

/**
 * The journal. Subjects are relative (domain/subjects.ts), the adapter adds its prefix. Errors: `Failed` with `journal_unreachable` or `journal_full`,
 * `journal_conflict` (the last sequence of the subject is not the expected one, and the last event is not this one) or `journal_corrupt`.
 */
export interface EventLog {
  /** Made once when the log is created; repeated in every position, so that data and journal can be matched. */
  readonly journalId: string;
  /**
   * Appends if the subject's last sequence is `expectedSeq` (0: the subject is empty). Gives the new sequence. An append whose
   * acknowledgement was lost is found by the event's id and counts as appended.
   */
  append(subject: string, event: JournalEvent, expectedSeq: number, signal: AbortSignal): Promise<number>;
  /** The newest event of every subject. */
  latest(signal: AbortSignal): Promise<readonly StoredEvent[]>;
  /** The newest event of one subject. */
  latestOf(subject: string, signal: AbortSignal): Promise<StoredEvent | undefined>;
  /** Events of the subject (or, with a trailing `.>` or `*` tokens, subjects) from `fromSeq` on; ends at the newest unless `follow`. */
  read(filter: string, options: { fromSeq: number; follow: boolean }, signal: AbortSignal): AsyncIterable<StoredEvent>;
}
