import type { Failure } from '../domain/failure.ts';
import type { JournalEvent } from '../domain/journal.ts';

export interface StoredEvent {
  readonly subject: string;
  /** Sequence in the log: grows over all subjects. */
  readonly seq: number;
  readonly event: JournalEvent;
}

/** The newest event of a subject that cannot be folded: `journal_corrupt` or `journal_from_newer_version`. It is left as it is. */
export interface UnreadableEvent {
  readonly subject: string;
  readonly seq: number;
  readonly failure: Failure;
}

export interface ReadOptions {
  readonly fromSeq: number;
  /** From the first event on that the log stored at this time or later; wins over `fromSeq`. */
  readonly fromTimeMs?: number | undefined;
  readonly follow: boolean;
  /** Told of an event that cannot be read, and goes on behind it; without this, reading ends there with its failure. */
  readonly unreadable?: ((event: UnreadableEvent) => void) | undefined;
}

/** What of the history stays; the newest event of a subject always does. */
export interface Retention {
  /** Older events go. */
  readonly ageMs: number;
  /** Of one subject. */
  readonly events: number;
  /** Pause between two requests that remove something. */
  readonly pauseMs: number;
}

/**
 * The journal. Subjects are relative (domain/subjects.ts), the adapter adds its prefix. Errors: `Failed` with `journal_unreachable`, `journal_full`,
 * `journal_conflict` (the last sequence of the subject is not the expected one, and the last event is not this one) or what
 * `UnreadableEvent` names.
 */
export interface EventLog {
  /** Made once when the log is created; repeated in every position, so that data and journal can be matched. */
  readonly journalId: string;
  /**
   * Appends if the subject's last sequence is `expectedSeq` (0: the subject is empty). Gives the new sequence. An append whose
   * acknowledgement was lost is found by the event's id and counts as appended.
   */
  append(subject: string, event: JournalEvent, expectedSeq: number, signal: AbortSignal): Promise<number>;
  /** The newest event of every subject, in order of sequence. One that cannot be read hides no other. */
  latest(signal: AbortSignal): Promise<readonly (StoredEvent | UnreadableEvent)[]>;
  /** Sequence of the newest event of all, readable or not; 0: there is none. */
  lastSeq(signal: AbortSignal): Promise<number>;
  /** The newest event of one subject. */
  latestOf(subject: string, signal: AbortSignal): Promise<StoredEvent | undefined>;
  /** Events of the subject (or, with a trailing `.>` or `*` tokens, subjects) from `fromSeq` on; ends at the newest unless `follow`. */
  read(filter: string, options: ReadOptions, signal: AbortSignal): AsyncIterable<StoredEvent>;
  /**
   * Removes history, subject by subject. Each removal ends below the newest event of its subject, so it may be cut off anywhere and
   * repeated. Gives the number of events removed.
   */
  purge(retention: Retention, signal: AbortSignal): Promise<number>;
}
