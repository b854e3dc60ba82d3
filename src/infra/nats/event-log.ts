import { jetstream, jetstreamManager, JetStreamApiError } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { Failed, failed } from '../../domain/failure.ts';
import type { JournalEvent } from '../../domain/journal.ts';
import type { EventLog, StoredEvent, UnreadableEvent } from '../../ports/event-log.ts';
import { decodeEvent, encodeEvent } from './journal-codec.ts';
import {
  firstAfter,
  newestOf,
  readMessages,
  seqAtTime,
  type JournalSource,
  type RawMessage,
} from './journal-reader.ts';
import { purgeHistory } from './journal-retention.ts';
import { createJournal, DEFAULT_JOURNAL_PREFIX, DEFAULT_STREAM, findJournal } from './journal-stream.ts';
import { abortable, natsFailure } from './nats-failure.ts';

/** Sends one event and gives its sequence; the subject carries the prefix. Throws as the client does. */
export type PublishEvent = (subject: string, payload: string, expectedSeq: number) => Promise<number>;

export interface JournalReaderOptions {
  readonly stream?: string | undefined;
  readonly prefix?: string | undefined;
  /** For every request to the server, the acknowledgement of an append included. */
  readonly requestTimeoutMs?: number | undefined;
}

export interface EventLogOptions extends JournalReaderOptions {
  /** For a stream that has to be created: 1, or 3 on a cluster. */
  readonly replicas?: number | undefined;
  /** Makes the journal's id (`Random.id`). */
  readonly newId: () => string;
  /** Replaces the publishing itself: tests lose acknowledgements here. */
  readonly publish?: PublishEvent | undefined;
}

export type JournalReader = Pick<EventLog, 'journalId' | 'latest' | 'lastSeq' | 'latestOf' | 'read'>;

/** Sends of one append whose fate stays unknown, before it is given back to the caller. */
const MAX_SENDS = 3;
const WRONG_LAST_SEQUENCE = 10071;
/** Another append to the subject is on its way through the replicas. */
const LAST_SEQUENCE_UNKNOWN = 10164;

/** Opens the journal, creating its stream when it is missing. Throws `journal_unreachable`, or `invalid_config` for a stream that is not ours. */
export async function openEventLog(nc: NatsConnection, options: EventLogOptions): Promise<EventLog> {
  const { source, prefix, names } = await openSource(nc, options);
  const journalId = await createJournal(source.jsm, {
    ...names,
    replicas: options.replicas ?? 1,
    newId: options.newId,
  });
  const publish: PublishEvent =
    options.publish ??
    (async (subject, payload, expectedSeq) =>
      (await source.js.publish(subject, payload, { expect: { lastSubjectSequence: expectedSeq } })).seq);
  return {
    ...reader(source, prefix, journalId),
    async append(subject, event, expectedSeq, signal) {
      const send = (): Promise<number> => publish(`${prefix}.${subject}`, encodeEvent(event), expectedSeq);
      const behind = (): Promise<RawMessage | undefined> => firstAfter(source, `${prefix}.${subject}`, expectedSeq);
      return appendOnce({ send, behind, subject, event, expectedSeq, signal });
    },
    purge: (retention, signal) => purgeHistory(source, prefix, retention, signal),
  };
}

/** For those who only watch: never creates anything. Throws `no_supervisor` when there is no journal yet. */
export async function openJournalReader(
  nc: NatsConnection,
  options: JournalReaderOptions = {},
): Promise<JournalReader> {
  const { source, prefix, names } = await openSource(nc, options);
  const journalId = await findJournal(source.jsm, names);
  if (journalId === undefined) {
    throw failed('no_supervisor', {
      op: 'open journal',
      reason: `there is no stream ${names.stream} on this NATS server: no supervisor has run here yet`,
    });
  }
  return reader(source, prefix, journalId);
}

async function openSource(
  nc: NatsConnection,
  options: JournalReaderOptions,
): Promise<{ source: JournalSource; prefix: string; names: { stream: string; prefix: string } }> {
  const stream = options.stream ?? DEFAULT_STREAM;
  const prefix = options.prefix ?? DEFAULT_JOURNAL_PREFIX;
  const timeout = options.requestTimeoutMs ?? 5_000;
  try {
    const jsm = await jetstreamManager(nc, { timeout });
    return { source: { js: jetstream(nc, { timeout }), jsm, stream }, prefix, names: { stream, prefix } };
  } catch (error) {
    throw natsFailure(error, { op: 'open journal' });
  }
}

function reader(source: JournalSource, prefix: string, journalId: string): JournalReader {
  const decode = (message: RawMessage): StoredEvent =>
    decodeEvent(message.subject.slice(prefix.length + 1), message.seq, message.data);
  const newestRaw = async (filter: string, signal: AbortSignal): Promise<RawMessage | undefined> => {
    try {
      return await abortable(newestOf(source, `${prefix}.${filter}`), signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw natsFailure(error, { op: 'read journal' });
    }
  };
  return {
    journalId,
    async latest(signal) {
      const newest = new Map<string, StoredEvent | UnreadableEvent>();
      // In order of sequence, so a later message of the same subject replaces the earlier.
      for await (const message of readMessages(
        source,
        { filter: `${prefix}.>`, fromSeq: 1, newestPerSubject: true, follow: false },
        signal,
      )) {
        newest.set(message.subject, decodeOrTell(decode, message, prefix));
      }
      return [...newest.values()].toSorted((a, b) => a.seq - b.seq);
    },
    async lastSeq(signal) {
      return (await newestRaw('>', signal))?.seq ?? 0;
    },
    async latestOf(subject, signal) {
      const message = await newestRaw(subject, signal);
      return message === undefined ? undefined : decode(message);
    },
    async *read(filter, { fromSeq, fromTimeMs, follow, unreadable }, signal) {
      const first =
        fromTimeMs === undefined ? fromSeq : await firstSeqAt(source, `${prefix}.${filter}`, fromTimeMs, signal);
      for await (const message of readMessages(
        source,
        { filter: `${prefix}.${filter}`, fromSeq: first, newestPerSubject: false, follow },
        signal,
      )) {
        const event = unreadable === undefined ? decode(message) : decodeOrTell(decode, message, prefix);
        if ('failure' in event) unreadable?.(event);
        else yield event;
      }
    },
  };
}

async function firstSeqAt(source: JournalSource, filter: string, timeMs: number, signal: AbortSignal): Promise<number> {
  try {
    return await seqAtTime(source, filter, timeMs, signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw natsFailure(error, { op: 'read journal' });
  }
}

function decodeOrTell(
  decode: (message: RawMessage) => StoredEvent,
  message: RawMessage,
  prefix: string,
): StoredEvent | UnreadableEvent {
  try {
    return decode(message);
  } catch (thrown) {
    if (!(thrown instanceof Failed)) throw thrown;
    return { subject: message.subject.slice(prefix.length + 1), seq: message.seq, failure: thrown.failure };
  }
}

interface Append {
  readonly send: () => Promise<number>;
  /** The first message of the subject behind the expected sequence. */
  readonly behind: () => Promise<RawMessage | undefined>;
  readonly subject: string;
  readonly event: JournalEvent;
  readonly expectedSeq: number;
  readonly signal: AbortSignal;
}

/**
 * Exactly once, whatever is lost. The expected sequence lets at most one message in behind it, so the first one there tells the fate of
 * an append: ours by its id, or somebody else's. Sending again is safe for the same reason, also when an earlier copy is still on its
 * way (the client sends after a reconnect what it could not send before).
 */
async function appendOnce({ send, behind, subject, event, expectedSeq, signal }: Append): Promise<number> {
  const op = `append ${event.fact.type} to ${subject}`;
  for (let sends = 1; ; sends += 1) {
    signal.throwIfAborted();
    try {
      return await abortable(send(), signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const refused = error instanceof JetStreamApiError ? error.code : undefined;
      if (refused !== undefined && refused !== WRONG_LAST_SEQUENCE && refused !== LAST_SEQUENCE_UNKNOWN)
        throw natsFailure(error, { op });
      const winner = await whoIsBehind(behind, { op, signal });
      if (winner !== undefined && idOf(winner) === event.id) return winner.seq;
      if (winner !== undefined || refused === WRONG_LAST_SEQUENCE) {
        const found = winner === undefined ? 'has no such event' : `already has an event at sequence ${winner.seq}`;
        throw failed(
          'journal_conflict',
          { op, reason: `the subject was expected to end at sequence ${expectedSeq}, but ${found}` },
          error,
        );
      }
      if (sends === MAX_SENDS) throw natsFailure(error, { op, ambiguous: true });
    }
  }
}

async function whoIsBehind(
  behind: Append['behind'],
  { op, signal }: { op: string; signal: AbortSignal },
): Promise<RawMessage | undefined> {
  try {
    return await abortable(behind(), signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw natsFailure(error, { op, ambiguous: true });
  }
}

/** Undefined for what cannot be read: then it is not ours. */
function idOf(message: RawMessage): string | undefined {
  try {
    return decodeEvent(message.subject, message.seq, message.data).event.id;
  } catch {
    return undefined;
  }
}
