import { Failed, failed } from '../../src/domain/failure.ts';
import type { JournalEvent } from '../../src/domain/journal.ts';
import { decodeEvent, encodeEvent } from '../../src/infra/nats/journal-codec.ts';
import type { EventLog, StoredEvent, UnreadableEvent } from '../../src/ports/event-log.ts';

interface Message {
  readonly subject: string;
  readonly seq: number;
  readonly text: string;
  readonly storedAtMs: number;
}

/** What an in-memory journal can be made to do to the next append. */
export type AppendFault =
  /** Stored, the acknowledgement is lost, and then found. */
  | 'lost-ack'
  /** Never arrives; the caller is told that its fate is unknown. */
  | 'lost-before'
  /** Stored; the caller is told that its fate is unknown. */
  | 'lost-after';

/**
 * The event log in memory: no timers and no I/O, so a simulation may use it. `open` gives what another process would see. Events are
 * kept as the text that JetStream would keep, so nothing is shared with the caller.
 */
export interface MemoryJournal {
  open(): EventLog;
  failNextAppend(fault: AppendFault): void;
  storeText(subject: string, text: string): void;
  readonly size: number;
}

/** @param now the clock of the server; without one every event is of the same time. */
export function memoryJournal(journalId = 'memory-journal', now: () => number = () => 0): MemoryJournal {
  let messages: Message[] = [];
  let lastSeq = 0;
  const newest = new Map<string, Message>();
  let waiting: (() => void)[] = [];
  let fault: AppendFault | undefined;

  const store = (subject: string, text: string): number => {
    const message = { subject, seq: (lastSeq += 1), text, storedAtMs: now() };
    messages.push(message);
    newest.set(subject, message);
    const wake = waiting;
    waiting = [];
    for (const go of wake) go();
    return message.seq;
  };

  const decode = ({ subject, seq, text }: Message): StoredEvent => decodeEvent(subject, seq, text);

  const decodeOrTell = (message: Message): StoredEvent | UnreadableEvent => {
    try {
      return decode(message);
    } catch (thrown) {
      if (!(thrown instanceof Failed)) throw thrown;
      return { subject: message.subject, seq: message.seq, failure: thrown.failure };
    }
  };

  const append = (subject: string, event: JournalEvent, expectedSeq: number): number => {
    const last = newest.get(subject)?.seq ?? 0;
    if (last === expectedSeq) return store(subject, encodeEvent(event));
    const behind = messages.find((message) => message.subject === subject && message.seq > expectedSeq);
    if (behind !== undefined && idOf(behind.text) === event.id) return behind.seq;
    throw failed('journal_conflict', {
      op: `append ${event.fact.type} to ${subject}`,
      reason: `the subject was expected to end at sequence ${expectedSeq}, but ends at ${last}`,
    });
  };

  const open = (): EventLog => ({
    journalId,
    async append(subject, event, expectedSeq, signal) {
      signal.throwIfAborted();
      const now = fault;
      fault = undefined;
      const unknown = (): Error =>
        failed('journal_unreachable', {
          op: `append ${event.fact.type} to ${subject}`,
          reason: 'the server went away',
          ambiguous: true,
        });
      if (now === 'lost-before') throw unknown();
      const seq = append(subject, event, expectedSeq);
      if (now === 'lost-after') throw unknown();
      return now === 'lost-ack' ? append(subject, event, expectedSeq) : seq;
    },
    async latest(signal) {
      signal.throwIfAborted();
      return [...newest.values()].map(decodeOrTell).toSorted((a, b) => a.seq - b.seq);
    },
    async lastSeq(signal) {
      signal.throwIfAborted();
      return messages.at(-1)?.seq ?? 0;
    },
    async latestOf(subject, signal) {
      signal.throwIfAborted();
      const message = newest.get(subject);
      return message === undefined ? undefined : decode(message);
    },
    async *read(filter, { fromSeq, fromTimeMs = 0, follow, unreadable }, signal) {
      const matches = subjectMatcher(filter);
      const end = follow ? Infinity : lastSeq;
      for (let seq = fromTimeMs > 0 ? 1 : fromSeq; seq <= end;) {
        const message = messages.find((each) => each.seq >= seq && each.storedAtMs >= fromTimeMs);
        if (!follow && (message === undefined || message.seq > end)) return;
        if (message === undefined) await next(signal);
        signal.throwIfAborted();
        if (message === undefined) continue;
        seq = message.seq + 1;
        if (!matches(message.subject)) continue;
        const event = unreadable === undefined ? decode(message) : decodeOrTell(message);
        if ('failure' in event) unreadable?.(event);
        else yield event;
      }
    },
    async purge({ ageMs, events }, signal) {
      signal.throwIfAborted();
      const before = messages.length;
      const behind = new Map<string, number>();
      const kept = messages.toReversed().filter(({ subject, storedAtMs }) => {
        const count = behind.get(subject) ?? 0;
        behind.set(subject, count + 1);
        return count === 0 || (count < events && storedAtMs >= now() - ageMs);
      });
      messages = kept.toReversed();
      return before - messages.length;
    },
  });

  const next = (signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = (): void => reject(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    waiting.push(() => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    });
    return promise;
  };

  return {
    open,
    failNextAppend(wanted) {
      fault = wanted;
    },
    storeText(subject, text) {
      store(subject, text);
    },
    get size() {
      return messages.length;
    },
  };
}

/** The subjects of NATS: `*` is one token, a trailing `>` one or more. */
function subjectMatcher(filter: string): (subject: string) => boolean {
  const wanted = filter.split('.');
  return (subject) => {
    const tokens = subject.split('.');
    const open = wanted.at(-1) === '>';
    if (open ? tokens.length < wanted.length : tokens.length !== wanted.length) return false;
    return wanted.every((token, at) => token === '*' || token === tokens[at] || (open && at === wanted.length - 1));
  };
}

function idOf(text: string): unknown {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null && 'id' in json ? json.id : undefined;
  } catch {
    return undefined;
  }
}
