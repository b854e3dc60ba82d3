import { setTimeout as sleep } from 'node:timers/promises';
import { DeliverPolicy, type ConsumerMessages, type JetStreamClient, type JsMsg } from '@nats-io/jetstream';
import type { MsgHdrs } from '@nats-io/nats-core';
import type { LeaseChange, LeaseStore } from '../../ports/lease-store.ts';
import { abortable } from './nats-failure.ts';

/** Set by us when we delete a key. */
export const OPERATION = 'KV-Operation';
/** Set by the server when the time of a key is over, or somebody has purged it. */
const MARKER = 'Nats-Marker-Reason';

const REOPEN_MS = 500;
/** What stood at the beginning arrives within this, or the watch begins again. */
const CURRENT_WITHIN_MS = 5_000;
/** A consumer that is lost without a word is noticed after two of these. */
const HEARTBEAT_MS = 5_000;
const PULL_EXPIRES_MS = 60_000;
const PULL_MESSAGES = 512;
/** What the client tells when changes may have been missed: it goes on behind them, but keys may have ended unseen. */
const BROKEN: ReadonlySet<string> = new Set([
  'heartbeats_missed',
  'consumer_not_found',
  'consumer_deleted',
  'stream_not_found',
  'ordered_consumer_recreated',
  'reset',
  'no_responders',
]);

export interface LeaseWatchSource {
  /** To be called when the connection was lost. */
  readonly disturbed: Set<() => void>;
  readonly js: JetStreamClient;
  readonly stream: string;
  readonly prefix: string;
  /** The stream, where somebody has removed it. */
  readonly create: () => Promise<void>;
  readonly get: LeaseStore['get'];
}

export function isMarker(headers: MsgHdrs | undefined): boolean {
  return headers !== undefined && (headers.has(MARKER) || headers.has(OPERATION));
}

/** Begins again after every disturbance with all that stands, and tells what has ended meanwhile. */
export async function* watchLeases(source: LeaseWatchSource, signal: AbortSignal): AsyncGenerator<LeaseChange> {
  const known = new Set<string>();
  for (;;) {
    signal.throwIfAborted();
    try {
      yield* watchOnce(source, known, signal);
    } catch {
      // Its cause is told by the connection; here it only means: begin again.
    }
    signal.throwIfAborted();
    await sleep(REOPEN_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    await abortable(source.create(), signal).catch(() => signal.throwIfAborted());
  }
}

async function* watchOnce(
  source: LeaseWatchSource,
  known: Set<string>,
  signal: AbortSignal,
): AsyncGenerator<LeaseChange> {
  const { js, stream, prefix } = source;
  const consumer = await abortable(
    js.consumers.get(stream, { filter_subjects: [`${prefix}.>`], deliver_policy: DeliverPolicy.LastPerSubject }),
    signal,
  );
  const seen = new Set<string>();
  let current = false;
  try {
    const { num_pending: pending } = await abortable(consumer.info(true), signal);
    const messages = await abortable(
      consumer.consume({ max_messages: PULL_MESSAGES, expires: PULL_EXPIRES_MS, idle_heartbeat: HEARTBEAT_MS }),
      signal,
    );
    using _guard = stopWhenBroken(source.disturbed, messages, () => current, signal);
    if (pending === 0) {
      yield* endedUnseen(source, known, seen, signal);
      current = true;
    }
    for await (const message of messages) {
      const change = changeOf(message, prefix);
      if (change.kind === 'stands') known.add(change.entry.key);
      else known.delete(change.key);
      if (!current) seen.add(change.kind === 'stands' ? change.entry.key : change.key);
      yield change;
      if (current || message.info.pending > 0) continue;
      yield* endedUnseen(source, known, seen, signal);
      current = true;
    }
  } finally {
    consumer.delete().catch(() => undefined);
  }
}

/**
 * Keys that stood before and were not told again. Each is asked for by itself, since one that was replaced while the beginning was
 * told comes later.
 */
async function* endedUnseen(
  { get }: LeaseWatchSource,
  known: Set<string>,
  seen: ReadonlySet<string>,
  signal: AbortSignal,
): AsyncGenerator<LeaseChange> {
  for (const key of [...known].filter((each) => !seen.has(each))) {
    const entry = await get(key, signal);
    if (entry === undefined) known.delete(key);
    yield entry === undefined ? { kind: 'gone', key } : { kind: 'stands', entry };
  }
  yield { kind: 'current' };
}

function changeOf(message: JsMsg, prefix: string): Exclude<LeaseChange, { kind: 'current' }> {
  const key = message.subject.slice(prefix.length + 1);
  if (isMarker(message.headers)) return { kind: 'gone', key };
  return { kind: 'stands', entry: { key, revision: message.seq, value: message.string() } };
}

/** Ends the messages when the connection or the consumer was disturbed, when they never become current, and when nobody wants them. */
function stopWhenBroken(
  disturbed: Set<() => void>,
  messages: ConsumerMessages,
  current: () => boolean,
  signal: AbortSignal,
): Disposable {
  const stop = (): void => messages.stop();
  const late = setTimeout(() => current() || stop(), CURRENT_WITHIN_MS);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  disturbed.add(stop);
  void (async () => {
    for await (const { type } of messages.status()) if (BROKEN.has(type)) stop();
  })();
  return {
    [Symbol.dispose]() {
      clearTimeout(late);
      signal.removeEventListener('abort', stop);
      disturbed.delete(stop);
      stop();
    },
  };
}
