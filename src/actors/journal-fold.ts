import type { Failure } from '../domain/failure.ts';
import type { IndexSnapshot, PairSnapshot } from '../domain/journal.ts';
import type { FollowerIndexRef } from '../domain/names.ts';
import { subjectTarget } from '../domain/subjects.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Narrator } from '../ports/narrator.ts';

/** The newest event of a subject, as far as it matters later. */
export interface Folded<S> {
  readonly snapshot: S;
  readonly seq: number;
  readonly term: number;
  readonly fact: string;
}

export function folding<S>(
  { result, term, fact }: { readonly result: S; readonly term: number; readonly fact: { readonly type: string } },
  seq: number,
): Folded<S> {
  return { snapshot: result, seq, term, fact: fact.type };
}

export interface RefusedIndex {
  readonly follower: FollowerIndexRef;
  readonly failure: Failure;
}

export interface FoldedJournal {
  /** By subject. */
  readonly indices: ReadonlyMap<string, Folded<IndexSnapshot>>;
  readonly pairs: ReadonlyMap<string, Folded<PairSnapshot>>;
  /** Sequence of the newest event of every subject. */
  readonly lastSeqs: ReadonlyMap<string, number>;
  /** By subject: its newest event cannot be read, and nothing of its index is decided. */
  readonly unreadable: ReadonlyMap<string, RefusedIndex>;
}

/** Today's state of everything: the record of the newest event of every subject. */
export async function foldJournal(
  { log, narrator }: { readonly log: Pick<EventLog, 'latest'>; readonly narrator: Pick<Narrator, 'log'> },
  signal: AbortSignal,
): Promise<FoldedJournal> {
  const indices = new Map<string, Folded<IndexSnapshot>>();
  const pairs = new Map<string, Folded<PairSnapshot>>();
  const lastSeqs = new Map<string, number>();
  const unreadable = new Map<string, RefusedIndex>();
  for (const newest of await log.latest(signal)) {
    const { subject, seq } = newest;
    lastSeqs.set(subject, seq);
    if ('failure' in newest) {
      const { failure } = newest;
      narrator.log('error', 'an event of the journal cannot be read', { failure });
      const follower = subjectTarget(subject)?.follower;
      if (follower !== undefined) unreadable.set(subject, { follower, failure });
    } else if (newest.event.entity === 'index') indices.set(subject, folding(newest.event, seq));
    else pairs.set(subject, folding(newest.event, seq));
  }
  return { indices, pairs, lastSeqs, unreadable };
}
