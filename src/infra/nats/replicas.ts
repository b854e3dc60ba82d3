import { setTimeout as delay } from 'node:timers/promises';
import { JetStreamApiError, jetstreamManager, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { failed } from '../../domain/failure.ts';
import { natsFailure } from './nats-failure.ts';

/** What the streams of a cluster have unless told otherwise: one server may be lost. */
const CLUSTER_REPLICAS = 3;
/** "no suitable peers for placement", "replicas > 1 not supported in non-clustered mode", "insufficient resources", and their like. */
const NO_PEERS: ReadonlySet<number> = new Set([10005, 10023, 10074]);
const IN_STEP_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 100;

export interface Copies {
  readonly replicas: number;
  /** Why there are fewer than wanted, in the server's words. */
  readonly refusal?: string;
}

/**
 * Gives a stream its replicas: the configured number, else three on a cluster that has the servers for it. Never takes any away. Resolves
 * when the copies are in step, or after 20 s: they catch up by themselves. Throws `invalid_config` when the configured number cannot be
 * had.
 */
export async function ensureReplicas(
  nc: NatsConnection,
  { stream, configured }: { readonly stream: string; readonly configured?: number | undefined },
): Promise<Copies> {
  const op = `replicate stream ${stream}`;
  try {
    const jsm = await jetstreamManager(nc);
    const { config } = await jsm.streams.info(stream);
    const wanted = configured ?? (nc.info?.cluster === undefined ? 1 : CLUSTER_REPLICAS);
    if (config.num_replicas >= wanted) return { replicas: config.num_replicas };
    const refusal = await raise(jsm, stream, wanted);
    if (refusal === undefined) return { replicas: wanted };
    if (configured === undefined) return { replicas: config.num_replicas, refusal };
    throw failed('invalid_config', {
      op,
      reason: `nats.replicas: ${configured} cannot be had: ${refusal}`,
      hint: 'Give the NATS cluster that many servers with JetStream, or lower nats.replicas.',
    });
  } catch (error) {
    throw natsFailure(error, { op });
  }
}

/** The refusal, if there is one. */
async function raise(jsm: JetStreamManager, stream: string, replicas: number): Promise<string | undefined> {
  try {
    await jsm.streams.update(stream, { num_replicas: replicas });
  } catch (error) {
    if (error instanceof JetStreamApiError && NO_PEERS.has(error.code)) return error.message;
    throw error;
  }
  const deadlineMs = performance.now() + IN_STEP_WITHIN_MS;
  while (!inStep(await jsm.streams.info(stream), replicas) && performance.now() < deadlineMs)
    await delay(LOOK_EVERY_MS);
  return undefined;
}

function inStep({ cluster }: StreamInfo, replicas: number): boolean {
  const others = cluster?.replicas ?? [];
  return others.length === replicas - 1 && others.every(({ current, offline }) => current && offline !== true);
}
