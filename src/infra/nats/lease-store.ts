import { headers, type NatsConnection } from '@nats-io/nats-core';
import { jetstream, JetStreamApiError, jetstreamManager, type StoredMsg } from '@nats-io/jetstream';
import { failed } from '../../domain/failure.ts';
import type { LeaseEntry, LeaseStore } from '../../ports/lease-store.ts';
import { createLeases, MARKER_TTL_S } from './lease-stream.ts';
import { isMarker, OPERATION, watchLeases } from './lease-watch.ts';
import { abortable, natsFailure } from './nats-failure.ts';

export interface LeaseStoreOptions {
  /** That of the journal; the leases stand in a stream of their own beside it. */
  readonly stream: string;
  /** Of the subjects: `<prefix>.<key>`. */
  readonly prefix: string;
  readonly replicas?: number | undefined;
  /** Short, since a supervisor may miss few renewals before its window ends. */
  readonly requestTimeoutMs?: number | undefined;
  /** Wall clock: revisions begin there, so that a store that was lost and made anew gives none a second time. */
  readonly nowMs: () => number;
}

const WRONG_LAST_SEQUENCE = 10071;

export function leasesStream(journalStream: string): string {
  return `${journalStream}_LEASES`;
}

/**
 * Opens the store, creating its stream when it is missing. Throws `journal_unreachable`, or `invalid_config` for a stream that is not
 * ours or a server that cannot end single messages.
 */
export async function openLeaseStore(nc: NatsConnection, options: LeaseStoreOptions): Promise<LeaseStore> {
  const { prefix } = options;
  const timeout = options.requestTimeoutMs ?? 2_000;
  const stream = leasesStream(options.stream);
  const jsm = await jetstreamManager(nc, { timeout }).catch((thrown: unknown) => {
    throw natsFailure(thrown, { op: 'open leases' });
  });
  const js = jetstream(nc, { timeout });
  const create = (): Promise<void> =>
    createLeases(jsm, { stream, prefix, replicas: options.replicas ?? 1, firstSeq: options.nowMs() });
  await create();
  const disturbed = disturbances(nc);

  const publish = async (
    key: string,
    payload: string,
    { signal, ...write }: { expectedRevision: number; ttlS?: number; deletes?: true; signal: AbortSignal },
  ): Promise<number> => {
    const marker = headers();
    marker.set(OPERATION, 'DEL');
    try {
      const ack = js.publish(`${prefix}.${key}`, payload, {
        expect: { lastSubjectSequence: write.expectedRevision },
        ...(write.ttlS === undefined ? {} : { ttl: `${write.ttlS}s` }),
        ...(write.deletes === undefined ? {} : { headers: marker }),
      });
      return (await abortable(ack, signal)).seq;
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      throw refusal(thrown, `write lease ${key}`);
    }
  };

  const get = async (key: string, signal: AbortSignal): Promise<LeaseEntry | undefined> => {
    try {
      // Asked of the stream's leader, so that everything acknowledged is seen.
      const message = await abortable(jsm.streams.getMessage(stream, { last_by_subj: `${prefix}.${key}` }), signal);
      return message === null ? undefined : entryOf(message, key);
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      throw natsFailure(thrown, { op: `read lease ${key}` });
    }
  };

  return {
    put: (key, value, { expectedRevision, ttlMs }, signal) =>
      publish(key, value, {
        expectedRevision,
        signal,
        ...(ttlMs === undefined ? {} : { ttlS: Math.ceil(ttlMs / 1000) }),
      }),
    async delete(key, expectedRevision, signal) {
      await publish(key, '', { expectedRevision, ttlS: MARKER_TTL_S, deletes: true, signal });
    },
    get,
    watch: (signal) => watchLeases({ disturbed, js, stream, prefix, create, get }, signal),
  };
}

/** Callbacks for a connection that was lost; the client gives its state to whoever reads it until the end. */
function disturbances(nc: NatsConnection): Set<() => void> {
  const callbacks = new Set<() => void>();
  void (async () => {
    for await (const { type } of nc.status())
      if (type === 'disconnect' || type === 'close') for (const call of callbacks) call();
  })();
  return callbacks;
}

function entryOf(message: StoredMsg, key: string): LeaseEntry | undefined {
  return isMarker(message.header) ? undefined : { key, revision: message.seq, value: message.string() };
}

function refusal(thrown: unknown, op: string): Error {
  if (!(thrown instanceof JetStreamApiError)) return natsFailure(thrown, { op, ambiguous: true });
  if (thrown.code !== WRONG_LAST_SEQUENCE) return natsFailure(thrown, { op });
  return failed('journal_conflict', { op, reason: `somebody else has written it: ${thrown.message}` }, thrown);
}
