/** A cluster of several nodes, for tests that kill and stop single ones of them; from the same installation as the local stack. */
import { randomInt } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { openTo, unprivilegedAccount } from './account.ts';
import { cacheFolder } from './cache.ts';
import { type ElasticsearchOptions, elasticsearchRecipe } from './elasticsearch.ts';
import { startGuard } from './guard.ts';
import { prepareTools } from './parts.ts';
import { portPicker } from './ports.ts';
import { type RunningServer, startServer } from './server-process.ts';

export type NodeOptions = {
  readonly name: string;
  readonly heapMb: number;
  /** As Elasticsearch lists them, e.g. `master,data`. */
  readonly roles: string;
};

export type ClusterOptions = {
  readonly nodes: readonly NodeOptions[];
  /** More lines for every node's elasticsearch.yml. */
  readonly settings?: NonNullable<ElasticsearchOptions['settings']>;
  /** Stays when the cluster stops. */
  readonly folder: string;
  readonly log: (line: string) => void;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** When it fires everything is killed at once. */
  readonly signal?: AbortSignal;
};

export type Cluster = {
  /** In the order asked for. */
  readonly nodes: readonly RunningServer[];
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Two nodes with data and a small one without: what is needed to lose any of them and go on. */
export const THREE_NODES: readonly NodeOptions[] = [
  { name: 'first', heapMb: 512, roles: 'master,data' },
  { name: 'second', heapMb: 512, roles: 'master,data' },
  { name: 'small', heapMb: 256, roles: 'master' },
];

/** Below the ports that systems give to outgoing connections: one of those must not take a node's port while it is down. */
const PORTS = { from: 20_000, to: 32_000 };

/** Starts all nodes at once, without security, and resolves when each of them serves. Throws StackError, leaving nothing behind. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { log, environment = process.env, signal } = options;
  const guard = startGuard();
  const interrupt = (): void => void guard.sweep();
  signal?.addEventListener('abort', interrupt);
  const running: RunningServer[] = [];
  const stop = async (): Promise<void> => {
    signal?.removeEventListener('abort', interrupt);
    await Promise.allSettled(running.map((server) => server.stop()));
    await guard.sweep();
  };
  try {
    signal?.throwIfAborted();
    const folder = resolve(options.folder);
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o755);
    const account = await unprivilegedAccount(guard);
    const cache = resolve(cacheFolder(environment));
    await mkdir(cache, { recursive: true });
    await openTo(account, { folder, setting: 'TMPDIR' });
    await openTo(account, { folder: cache, setting: 'SLIPSTREAM_CACHE' });
    const { elasticsearch } = await prepareTools({
      parts: ['leader'],
      environment,
      account,
      download: { folder: cache, guard, log },
    });
    if (elasticsearch === undefined) throw new Error('no tools were prepared');
    const picker = portPicker(log);
    const port = (): Promise<number> => picker(randomInt(PORTS.from, PORTS.to));
    const placed: (NodeOptions & { httpPort: number; transportPort: number })[] = [];
    for (const node of options.nodes) placed.push({ ...node, httpPort: await port(), transportPort: await port() });
    const seeds = placed.map(({ transportPort }) => `127.0.0.1:${transportPort}`).join(',');
    const starts = placed.map(async ({ name, heapMb, roles, httpPort, transportPort }) => {
      const settings = {
        'cluster.name': 'slipstream-cluster',
        'discovery.type': 'multi-node',
        'discovery.seed_hosts': seeds,
        'cluster.initial_master_nodes': placed.map((node) => node.name).join(','),
        'node.roles': roles,
        'path.repo': join(folder, 'snapshots'),
        ...options.settings,
      };
      const place = { name, folder: join(folder, name), httpPort, transportPort, account, guard };
      const recipe = await elasticsearchRecipe({ ...place, ...elasticsearch, options: { heapMb, settings } });
      const server = await startServer({ recipe, guard });
      log(`${name}: ${server.url} (process ${server.pid})`);
      return server;
    });
    running.push(...(await Promise.all(starts)));
    return { nodes: running, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await guard.sweep();
    throw error;
  }
}
