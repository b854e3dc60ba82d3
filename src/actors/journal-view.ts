import { failureOf } from '../domain/failure.ts';
import type { IndexSnapshot, JournalEvent, PairSnapshot } from '../domain/journal.ts';
import { indexKey, type FollowerIndexRef, type PairRef } from '../domain/names.ts';
import { slotOf } from '../domain/slots.ts';
import { indexSubject, pairSubject, subjectTarget } from '../domain/subjects.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventLog, StoredEvent, UnreadableEvent } from '../ports/event-log.ts';
import type { Narrator } from '../ports/narrator.ts';
import { commandEvent } from './telling.ts';
import { foldJournal, type Folded, folding, type RefusedIndex } from './journal-fold.ts';

export interface JournalViewPorts {
  readonly log: Pick<EventLog, 'latest' | 'lastSeq' | 'read'>;
  readonly clock: Clock;
  readonly narrator: Pick<Narrator, 'log'>;
}

const READ_AGAIN_MS = 1000;
/** Commands under way at once, of several supervisors, are far fewer. */
const DECISIONS_MAX = 20_000;

/** Today's state of everything that the journal tells of, kept current by one reading of it, whoever appends. */
export class JournalView {
  readonly #ports: JournalViewPorts;
  readonly #stop: AbortSignal;
  readonly #indices = new Map<string, Folded<IndexSnapshot>>();
  readonly #pairs = new Map<string, Folded<PairSnapshot>>();
  readonly #lastSeqs = new Map<string, number>();
  /** By subject. */
  readonly #unreadable = new Map<string, RefusedIndex>();
  #refused: ReadonlyMap<string, RefusedIndex> = new Map();
  /** Index subjects by slot. */
  readonly #slots = new Map<number, Set<string>>();
  readonly #listeners = new Set<(event: StoredEvent | UnreadableEvent) => void>();
  readonly #waiting = new Set<() => void>();
  /** What commands decided for pairs since the reading began. */
  readonly #decisions = new Set<string>();
  /** Everything up to here has been folded. */
  #seq = 0;
  #current: Promise<void> | undefined;

  /** The signal ends the reading and every wait. */
  constructor(ports: JournalViewPorts, stop: AbortSignal) {
    this.#ports = ports;
    this.#stop = stop;
  }

  /** Reads the newest event of every subject, then follows. */
  async open(): Promise<void> {
    const { indices, pairs, lastSeqs, unreadable } = await foldJournal(this.#ports, this.#stop);
    for (const [subject, folded] of indices) this.#keepIndex(subject, folded);
    for (const [subject, folded] of pairs) this.#pairs.set(subject, folded);
    for (const [subject, one] of unreadable) this.#unreadable.set(subject, one);
    this.#refuse();
    for (const [subject, seq] of lastSeqs) {
      this.#lastSeqs.set(subject, seq);
      this.#seq = Math.max(this.#seq, seq);
    }
    void this.#follow();
  }

  /** As the last event says, also when that is RELEASED. */
  index(follower: FollowerIndexRef): Folded<IndexSnapshot> | undefined {
    return this.#indices.get(indexSubject(follower));
  }

  /** Of this life of the index; of an earlier one of the same name nothing counts. */
  pair(pair: PairRef, followId: string): Folded<PairSnapshot> | undefined {
    const folded = this.#pairs.get(pairSubject(pair));
    return folded?.snapshot.followId === followId ? folded : undefined;
  }

  /** Whether this command has decided for the pair since the reading began, as long as it is not very many decisions ago. */
  decided(pair: PairRef, cause: string): boolean {
    return this.#decisions.has(`${pairSubject(pair)} ${cause}`);
  }

  /** Of the newest event of the pair, also if it is of an earlier life; terms never fall. */
  termOf(pair: PairRef): number {
    return this.#pairs.get(pairSubject(pair))?.term ?? 0;
  }

  /** 0: nothing was ever appended there. */
  lastSeqOf(subject: string): number {
    return this.#lastSeqs.get(subject) ?? 0;
  }

  /** Those that are followed, or not yet released; one whose own record cannot be read is only among `refused`. */
  get followed(): readonly IndexSnapshot[] {
    return [...this.#indices.values()].map(({ snapshot }) => snapshot).filter(({ state }) => state !== 'released');
  }

  followedIn(slot: number): readonly IndexSnapshot[] {
    return [...(this.#slots.get(slot) ?? [])]
      .flatMap((subject) => this.#indices.get(subject)?.snapshot ?? [])
      .filter(({ state }) => state !== 'released');
  }

  /** By index key: the newest event of the index or of one of its pairs cannot be read. */
  get refused(): ReadonlyMap<string, RefusedIndex> {
    return this.#refused;
  }

  /** Hears of every event that is new here, in order of sequence for each subject. Gives the function that ends it. */
  observe(listener: (event: StoredEvent | UnreadableEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when everything that the journal had acknowledged before this call is here. Throws `journal_unreachable`. */
  async current(): Promise<void> {
    // Whoever asks in the same turn shares the question.
    this.#current ??= Promise.resolve().then(async () => {
      this.#current = undefined;
      await this.#reaches(await this.#ports.log.lastSeq(this.#stop));
    });
    return this.#current;
  }

  /** What this process has appended itself is here at once. */
  appended(subject: string, seq: number, event: JournalEvent): void {
    this.#take({ subject, seq, event });
  }

  async #reaches(seq: number): Promise<void> {
    if (this.#seq >= seq) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const check = (): void => {
      if (this.#seq >= seq) resolve();
    };
    const end = (): void => reject(this.#stop.reason);
    this.#waiting.add(check);
    this.#stop.addEventListener('abort', end, { once: true });
    if (this.#stop.aborted) end();
    try {
      await promise;
    } finally {
      this.#waiting.delete(check);
      this.#stop.removeEventListener('abort', end);
    }
  }

  async #follow(): Promise<void> {
    const { log, clock, narrator } = this.#ports;
    let told = false;
    while (!this.#stop.aborted) {
      const from = { fromSeq: this.#seq + 1, follow: true };
      try {
        const events = log.read('>', { ...from, unreadable: (event) => this.#arrived(event) }, this.#stop);
        for await (const stored of events) {
          told = false;
          this.#arrived(stored);
        }
      } catch (thrown) {
        if (this.#stop.aborted) return;
        if (!told)
          narrator.log('warn', 'the journal cannot be followed', { failure: failureOf(thrown, 'read journal') });
        told = true;
      }
      await clock.sleep(READ_AGAIN_MS, this.#stop).catch(() => undefined);
    }
  }

  #arrived(event: StoredEvent | UnreadableEvent): void {
    this.#take(event);
    this.#seq = Math.max(this.#seq, event.seq);
    for (const check of this.#waiting) check();
  }

  #take(event: StoredEvent | UnreadableEvent): void {
    const { subject, seq } = event;
    if (seq <= this.lastSeqOf(subject)) return;
    this.#lastSeqs.set(subject, seq);
    // What is read again counts again, as at a start.
    if (this.#unreadable.delete(subject)) this.#refuse();
    if ('failure' in event) {
      const { failure } = event;
      this.#ports.narrator.log('error', 'an event of the journal cannot be read', { failure });
      const follower = subjectTarget(subject)?.follower;
      if (follower !== undefined) this.#unreadable.set(subject, { follower, failure });
      this.#refuse();
    } else if (event.event.entity === 'index') this.#keepIndex(subject, folding(event.event, seq));
    else {
      this.#pairs.set(subject, folding(event.event, seq));
      if (commandEvent(event.event.fact) !== undefined) this.#noteDecision(`${subject} ${event.event.cause}`);
    }
    for (const listener of this.#listeners) listener(event);
  }

  #refuse(): void {
    this.#refused = new Map([...this.#unreadable.values()].map((one) => [indexKey(one.follower), one]));
  }

  #noteDecision(decision: string): void {
    this.#decisions.add(decision);
    const [oldest] = this.#decisions;
    if (this.#decisions.size > DECISIONS_MAX && oldest !== undefined) this.#decisions.delete(oldest);
  }

  #keepIndex(subject: string, folded: Folded<IndexSnapshot>): void {
    const slot = slotOf(folded.snapshot.follower);
    const subjects = this.#slots.get(slot) ?? new Set();
    this.#slots.set(slot, subjects.add(subject));
    this.#indices.set(subject, folded);
  }
}
