import type { NatsConnection } from '@nats-io/nats-core';
import { jetstreamManager } from '@nats-io/jetstream';
import { z } from 'zod';
import { natsFailure } from './nats-failure.ts';

const streamInfo = z.object({
  config: z.object({ num_replicas: z.number() }).optional(),
  state: z.object({ messages: z.number(), bytes: z.number() }).optional(),
  /** Of the server's clock, when it answered. */
  ts: z.string().optional(),
});

export interface JournalStorage {
  readonly replicas: number;
  readonly messages: number;
  readonly sizeBytes: number;
  /** How far the server's clock is ahead of ours, and how far that may be off. */
  readonly skewMs?: number;
  readonly skewErrorMs?: number;
}

export interface JetStreamAccount {
  readonly storedBytes: number;
  /** -1: none. */
  readonly storageLimitBytes: number;
  readonly streams: number;
  /** -1: none. */
  readonly streamLimit: number;
}

/** What the stream of the journal is kept on; undefined when there is none yet. Throws `journal_unreachable`. */
export async function inspectJournal(
  nc: NatsConnection,
  stream: string,
  nowMs: () => number,
): Promise<JournalStorage | undefined> {
  try {
    const askedMs = nowMs();
    const answer = await nc.request(`$JS.API.STREAM.INFO.${stream}`, '', { timeout: 5_000 });
    const answeredMs = nowMs();
    const { config, state, ts } = streamInfo.parse(answer.json());
    if (config === undefined || state === undefined) return undefined;
    const theirsMs = ts === undefined ? Number.NaN : Date.parse(ts);
    const clock = Number.isNaN(theirsMs)
      ? {}
      : { skewMs: theirsMs - (askedMs + answeredMs) / 2, skewErrorMs: (answeredMs - askedMs) / 2 };
    return { replicas: config.num_replicas, messages: state.messages, sizeBytes: state.bytes, ...clock };
  } catch (error) {
    throw natsFailure(error, { op: 'inspect journal' });
  }
}

/** Throws `journal_unreachable`, also where JetStream is not enabled for the account. */
export async function inspectAccount(nc: NatsConnection): Promise<JetStreamAccount> {
  try {
    const { storage, streams, limits } = await (await jetstreamManager(nc, { timeout: 5_000 })).getAccountInfo();
    return {
      storedBytes: storage,
      storageLimitBytes: limits.max_storage,
      streams,
      streamLimit: limits.max_streams,
    };
  } catch (error) {
    throw natsFailure(error, { op: 'inspect JetStream' });
  }
}
