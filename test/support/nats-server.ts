import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface OwnNatsServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Of JetStream: to be copied, wiped or put back while the server is killed. */
  readonly dataFolder: string;
  /** Kill -9. */
  kill(): Promise<void>;
  /** On the same port and data; with other additions to its configuration, where given. */
  start(config?: string): Promise<void>;
}

/** A server of the test's own, to be killed or configured; `config` is added to its configuration file. */
export async function ownNatsServer(config = ''): Promise<OwnNatsServer> {
  const program = process.env['SLIPSTREAM_NATS_SERVER_BIN'];
  if (program === undefined)
    throw new Error('SLIPSTREAM_NATS_SERVER_BIN is not set: these tests start a nats-server of their own');
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-nats-'));
  const [port, monitorPort] = [await freePort(), await freePort()];
  const file = join(folder, 'nats.conf');
  let child: ChildProcess | undefined;
  const kill = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  const start = async (added = config): Promise<void> => {
    await writeFile(
      file,
      `listen: "127.0.0.1:${port}"\nhttp: "127.0.0.1:${monitorPort}"\njetstream { store_dir: "${join(folder, 'data')}" }\n${added}\n`,
    );
    child = spawn(program, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr?.on('data', (chunk) => (log += String(chunk)));
    const deadlineMs = performance.now() + 20_000;
    while (!(await healthy(monitorPort))) {
      if (child.exitCode !== null || performance.now() > deadlineMs)
        throw new Error(`nats-server does not serve:\n${log}`);
      await sleep(20);
    }
  };
  const dispose = async (): Promise<void> => {
    await kill();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    dataFolder: join(folder, 'data'),
    kill,
    start,
    [Symbol.asyncDispose]: dispose,
  };
}

async function healthy(monitorPort: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${monitorPort}/healthz`)).ok;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}
