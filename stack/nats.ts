import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { httpStatus } from './probe.ts';
import type { ServerRecipe } from './server-process.ts';

export type NatsNode = {
  readonly folder: string;
  readonly program: string;
  readonly clientPort: number;
  readonly monitorPort: number;
};

const READY_WITHIN_MS = 30_000;

/** How to start a NATS server with JetStream, on loopback only. */
export async function natsRecipe({ folder, program, clientPort, monitorPort }: NatsNode): Promise<ServerRecipe> {
  const store = join(folder, 'jetstream');
  await mkdir(store, { recursive: true });
  return {
    name: 'nats',
    url: `nats://127.0.0.1:${clientPort}`,
    file: program,
    args: [
      '--addr',
      '127.0.0.1',
      '--port',
      String(clientPort),
      '--http_port',
      String(monitorPort),
      '--jetstream',
      '--store_dir',
      store,
    ],
    env: {},
    cwd: folder,
    logFile: join(folder, 'out.log'),
    readyWithinMs: READY_WITHIN_MS,
    ready: async () => (await httpStatus({ url: `http://127.0.0.1:${monitorPort}/healthz` })) === 200,
  };
}
