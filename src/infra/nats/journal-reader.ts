import {
  DeliverPolicy,
  type Consumer,
  type ConsumerMessages,
  type JetStreamClient,
  type JetStreamManager,
} from '@nats-io/jetstream';
import { setTimeout as sleep } from 'node:timers/promises';
import { abortable, isStreamMissing, natsFailure } from './nats-failure.ts';

/** Messages fetched at once, and so the most that wait in memory for a slow reader. */
const PAGE = 256;
/** A fetch that found nothing ends after this. Following, a lost consumer is noticed within it; else it only ends what was purged meanwhile. */
const FETCH_EXPIRES_MS = { follow: 5_000, end: 1_000 };
const RETRY_MS = 500;
/** Failures in a row without progress after which reading to the end gives up (following never does). */
const MAX_FAILURES = 3;

export interface RawMessage {
  /** As the server knows it, with the prefix. */
  readonly subject: string;
  readonly seq: number;
  readonly data: Uint8Array;
}

export interface JournalSource {
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly stream: string;
}

export interface JournalRange {
  /** Subject or pattern, with the prefix. */
  readonly filter: string;
  readonly fromSeq: number;
  /** Only the newest of each subject. */
  readonly newestPerSubject: boolean;
  readonly follow: boolean;
}

/** Newest message of a subject or pattern, asked of the stream's leader, so that it sees everything acknowledged. */
export async function newestOf({ jsm, stream }: JournalSource, filter: string): Promise<RawMessage | undefined> {
  const message = await jsm.streams.getMessage(stream, { last_by_subj: filter });
  return message ?? undefined;
}

/** First message of a subject behind `seq`, asked of the stream's leader. */
export async function firstAfter(
  { jsm, stream }: JournalSource,
  subject: string,
  seq: number,
): Promise<RawMessage | undefined> {
  // The server knows this query for long, the client's type only for replicas' answers.
  const query = { seq: seq + 1, next_by_subj: subject };
  const message = await jsm.streams.getMessage(stream, query);
  return message ?? undefined;
}

/** Sequence of the first message of a filter that was stored at that time or later; one above the last when there is none. */
export async function seqAtTime(
  { js, stream }: JournalSource,
  filter: string,
  timeMs: number,
  signal: AbortSignal,
): Promise<number> {
  const start = { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(timeMs).toISOString() };
  const consumer = await abortable(js.consumers.get(stream, { filter_subjects: [filter], ...start }), signal);
  try {
    // Where the server would begin to deliver, before it has delivered anything.
    return (await abortable(consumer.info(), signal)).delivered.stream_seq + 1;
  } finally {
    consumer.delete().catch(() => undefined);
  }
}

/**
 * Reads in order, page by page: the next page is fetched when the reader has taken the last. Ends at what was the newest message when
 * it began, which the stream's leader tells, since a replica may lag behind. A lost connection or consumer is taken up where it was.
 */
export async function* readMessages(
  source: JournalSource,
  range: JournalRange,
  signal: AbortSignal,
): AsyncGenerator<RawMessage, void, undefined> {
  let next = Math.max(1, range.fromSeq);
  let newestPerSubject = range.newestPerSubject;
  let failures = 0;
  let consumer: Consumer | undefined;
  const endOf = async (): Promise<number> =>
    range.follow ? Infinity : ((await abortable(newestOf(source, range.filter), signal))?.seq ?? 0);
  try {
    let end = await endOf();
    while (next <= end) {
      let received = 0;
      try {
        consumer ??= await abortable(openConsumer(source, range.filter, newestPerSubject ? undefined : next), signal);
        for await (const message of fetchPage(consumer, FETCH_EXPIRES_MS[range.follow ? 'follow' : 'end'], signal)) {
          received += 1;
          failures = 0;
          newestPerSubject = false;
          next = message.seq + 1;
          yield message;
          if (next > end) return;
        }
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        failures += 1;
        if (isStreamMissing(error) || (!range.follow && failures >= MAX_FAILURES)) throw error;
        consumer = undefined;
        await sleep(RETRY_MS, undefined, { signal });
      }
      // Nothing came although something was there: it was purged meanwhile.
      if (received === 0 && !range.follow) end = await endOf();
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw natsFailure(error, { op: 'read journal' });
  } finally {
    consumer?.delete().catch(() => undefined);
  }
}

function openConsumer({ js, stream }: JournalSource, filter: string, fromSeq: number | undefined): Promise<Consumer> {
  const start =
    fromSeq === undefined
      ? { deliver_policy: DeliverPolicy.LastPerSubject }
      : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: fromSeq };
  return js.consumers.get(stream, { filter_subjects: [filter], ...start });
}

async function* fetchPage(
  consumer: Consumer,
  expires: number,
  signal: AbortSignal,
): AsyncGenerator<RawMessage, void, undefined> {
  const page: ConsumerMessages = await abortable(consumer.fetch({ max_messages: PAGE, expires }), signal);
  const stop = (): void => page.stop();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    for await (const message of page) yield { subject: message.subject, seq: message.seq, data: message.data };
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', stop);
    page.stop();
  }
}
