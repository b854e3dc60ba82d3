/** The servers of the benchmark, its own whatever the environment names, and what a stretch of time cost on them. */
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/nats-core';
import { type Guard, startGuard } from '../stack/guard.ts';
import { startStack, type Stack, withoutAddresses } from '../stack/local-stack.ts';
import { type Cluster, openCluster } from './cluster.ts';
import { groupsCpuSeconds, ownCpuSeconds, untilQuiet } from './process-cost.ts';

/** The same for leader and follower, and so for every contestant. */
export const HEAP_MIB = 2048;

export interface World extends AsyncDisposable {
  readonly stack: Stack;
  readonly leader: Cluster;
  readonly follower: Cluster;
  readonly natsUrl: string;
  readonly nats: NatsConnection;
  readonly guard: Guard;
  readonly signal: AbortSignal;
  /** Progress, a line at a time. */
  readonly log: (line: string) => void;
  quiet(): Promise<void>;
}

export async function openWorld(options: { signal: AbortSignal; log: (line: string) => void }): Promise<World> {
  const { signal, log } = options;
  const environment = withoutAddresses(process.env);
  const node = { heapMb: HEAP_MIB, fullCompiler: true };
  const guard = startGuard();
  const stack = await startStack({
    parts: ['leader', 'follower', 'nats'],
    log,
    signal,
    environment,
    leader: node,
    follower: { ...node, settings: { 'reindex.remote.whitelist': '127.0.0.1:*' } },
  });
  const stop = async (): Promise<void> => {
    await stack.stop();
    await guard.sweep();
  };
  try {
    const natsUrl = stack.server('nats').url;
    const nats = await connect({ servers: natsUrl, name: 'slipstream benchmark' });
    return {
      stack,
      leader: openCluster(stack.server('leader').url),
      follower: openCluster(stack.server('follower').url),
      natsUrl,
      nats,
      guard,
      signal,
      log,
      quiet: () => untilQuiet([stack.server('leader').pid, stack.server('follower').pid], signal),
      [Symbol.asyncDispose]: async () => {
        await nats.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

export interface CpuSeconds {
  readonly leader: number;
  readonly follower: number;
  readonly nats: number;
  /** 0 where none runs. */
  readonly supervisor: number;
  /** What asks: the benchmark itself, and the programs that it ran meanwhile. */
  readonly client: number;
}

export interface Cost {
  readonly seconds: number;
  readonly cpuSeconds: CpuSeconds;
}

/** Starts the clock; the function stops it. */
export function startMeter({ stack }: World, supervisorPid?: number): () => Cost {
  const groups = [stack.server('leader').pid, stack.server('follower').pid, stack.server('nats').pid];
  if (supervisorPid !== undefined) groups.push(supervisorPid);
  const read = (): CpuSeconds => {
    const [leader = 0, follower = 0, nats = 0, supervisor = 0] = groupsCpuSeconds(groups);
    return { leader, follower, nats, supervisor, client: ownCpuSeconds() };
  };
  const before = read();
  const startedMs = performance.now();
  return () => {
    const seconds = (performance.now() - startedMs) / 1000;
    const after = read();
    const spent = (name: keyof CpuSeconds): number => after[name] - before[name];
    const cpuSeconds = {
      leader: spent('leader'),
      follower: spent('follower'),
      nats: spent('nats'),
      supervisor: spent('supervisor'),
      client: spent('client'),
    };
    return { seconds, cpuSeconds };
  };
}
