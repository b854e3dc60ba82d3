import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNats } from '../../src/infra/nats/connect.ts';
import { startChildServer, type ChildServer, type ChildServerOptions } from '../../src/infra/nats/child-server.ts';
import { readOwnConnection } from '../../src/infra/nats/data-folder.ts';
import { serversWith } from '../../src/infra/nats/leftover-servers.ts';

export function natsProgram(): string {
  const program = process.env['SLIPSTREAM_NATS_SERVER_BIN'];
  if (program === undefined)
    throw new Error('SLIPSTREAM_NATS_SERVER_BIN is not set: these tests start a nats-server of their own');
  return program;
}

export interface ServerPlace extends AsyncDisposable {
  readonly folder: string;
  /** What was told to the log. */
  readonly told: { readonly level: string; readonly message: string; readonly text: string }[];
  start(options?: Partial<ChildServerOptions>): Promise<ChildServer>;
  /** As any program on this machine connects. */
  connect(): ReturnType<typeof connectNats>;
  /** Of the servers that run on this folder. */
  pids(): Promise<readonly number[]>;
}

/** A data folder with a blank in its name, for servers of our own; whatever still runs there at the end is killed. */
export async function serverPlace(): Promise<ServerPlace> {
  const parent = await mkdtemp(join(tmpdir(), 'slipstream-own-'));
  const folder = join(parent, 'data folder');
  const told: ServerPlace['told'] = [];
  const configFile = join(folder, 'nats-server.conf');
  const started: ChildServer[] = [];
  return {
    folder,
    told,
    async start(options = {}) {
      const server = await startChildServer({
        dataFolder: folder,
        binary: { path: natsProgram(), version: '2.15.1' },
        supervisor: 'test',
        log: (level, message, fields) => told.push({ level, message, text: JSON.stringify(fields) }),
        ...options,
      });
      started.push(server);
      return server;
    },
    async connect() {
      const connection = await readOwnConnection(folder);
      if (connection === undefined) throw new Error(`no server has run in ${folder}`);
      const { url, seed, serverName } = connection;
      return connectNats({ servers: [url], name: 'test', auth: { kind: 'nkey', seed }, serverName });
    },
    pids: () => serversWith(configFile),
    async [Symbol.asyncDispose]() {
      for (const server of started) await server.stop();
      for (const pid of await serversWith(configFile)) process.kill(pid, 'SIGKILL');
      await rm(parent, { recursive: true, force: true });
    },
  };
}
