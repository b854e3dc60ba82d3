import { errors } from '@nats-io/nats-core';
import { JetStreamApiError } from '@nats-io/jetstream';
import { Failed, failed } from '../../domain/failure.ts';

const NO_ROOM =
  /maximum (bytes|messages|messages per subject) exceeded|insufficient (storage|resources|memory)|resource limits exceeded|no space/i;
/** Codes of the JetStream API. */
const NOT_ENABLED = 10076;
const NOT_ENABLED_FOR_ACCOUNT = 10039;
const JETSTREAM_HINT =
  'Start nats-server with --jetstream (or a jetstream section in its configuration), and enable it for this account. If it is, wait: the cluster has no leader at the moment.';

export interface NatsFailureContext {
  readonly op: string;
  /** The effect of the request is unknown: the server may have run it, or may still. */
  readonly ambiguous?: boolean;
}

/** Whatever the client threw, as `journal_full` or `journal_unreachable` in the server's words. A `Failed` passes as it is. */
export function natsFailure(thrown: unknown, context: NatsFailureContext): Failed {
  if (thrown instanceof Failed) return thrown;
  const reason = natsReason(thrown);
  const details = { ...context, reason, ...(isWithoutJetStream(thrown) ? { hint: JETSTREAM_HINT } : {}) };
  return failed(NO_ROOM.test(reason) ? 'journal_full' : 'journal_unreachable', details, thrown);
}

/** NATS itself answers; a wrong address would be the wrong trail. */
function isWithoutJetStream(thrown: unknown): boolean {
  if (thrown instanceof JetStreamApiError) return [NOT_ENABLED, NOT_ENABLED_FOR_ACCOUNT].includes(thrown.code);
  // Its class is not exported.
  if (thrown instanceof Error && thrown.name === 'JetStreamNotEnabled') return true;
  return isNoResponders(thrown) || (thrown instanceof Error && isNoResponders(thrown.cause));
}

export function natsReason(thrown: unknown): string {
  if (thrown instanceof JetStreamApiError) return `${thrown.message} (JetStream error ${thrown.code})`;
  if (isNoResponders(thrown) || (thrown instanceof Error && isNoResponders(thrown.cause))) {
    return 'JetStream does not answer: it is not enabled for this account, has no leader at the moment, or the stream is gone';
  }
  if (thrown instanceof errors.TimeoutError) return 'the NATS server did not answer in time';
  if (!(thrown instanceof Error)) return String(thrown);
  const text = thrown.message || thrown.name;
  return thrown.cause instanceof Error && thrown.cause.message !== '' && thrown.cause.message !== text
    ? `${text}: ${thrown.cause.message}`
    : text;
}

export function isNoResponders(thrown: unknown): boolean {
  return (
    thrown instanceof errors.NoRespondersError || (thrown instanceof errors.RequestError && thrown.isNoResponders())
  );
}

export function isStreamMissing(thrown: unknown): boolean {
  return (
    thrown instanceof Error &&
    (thrown.message === 'stream not found' || (thrown instanceof JetStreamApiError && thrown.code === 10059))
  );
}

/** Gives up waiting when the signal is aborted, with its reason; the work itself may go on. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => reject(signal.reason);
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([promise, work]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
