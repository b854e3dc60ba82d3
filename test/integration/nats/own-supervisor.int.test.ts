import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connectConfigured } from '../../../src/app/nats.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { commandClient } from '../../../src/control/client.ts';
import { natsCommandTransport } from '../../../src/infra/nats/command-client.ts';
import { openJournalReader } from '../../../src/infra/nats/event-log.ts';
import { serversWith } from '../../../src/infra/nats/leftover-servers.ts';
import { systemClock } from '../../../src/infra/system/clock.ts';
import { systemRandom } from '../../../src/infra/system/random.ts';
import { natsProgram } from '../../support/own-server.ts';
import { call } from '../../support/read-index.ts';
import { endOfLog, startSupervisorProcess, type SupervisorProcess } from '../../support/supervisor-process.ts';
import { until } from '../../support/until.ts';

const PROGRAM = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const WITHIN_MS = 60_000;

interface Machine extends AsyncDisposable {
  readonly config: string;
  readonly log: string;
  start(): Promise<SupervisorProcess>;
  servers(): Promise<readonly number[]>;
  /** Runs one command line, with `--json`, and gives its result. */
  command(...args: readonly string[]): Promise<unknown>;
  /** Proves that commands arrive, and gives the journal's id. */
  journalId(): Promise<string>;
}

const NO_CLUSTER = { paris: { url: 'http://127.0.0.1:1' } };

/** A configuration without a NATS address; a cluster that does not answer is nothing that a start minds. */
async function machine(clusters: object = NO_CLUSTER): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-machine-'));
  const [config, log] = [join(folder, 'slipstream.yml'), join(folder, 'supervisor.log')];
  const serverConfig = join(folder, 'data', 'nats-server.conf');
  await writeFile(
    config,
    `clusters: ${JSON.stringify(clusters)}\nnats: { dataFolder: data, serverBinary: "${natsProgram()}" }\ntelemetry: { traces: { exporter: none } }\n`,
  );
  const started: SupervisorProcess[] = [];
  const connect = async () => connectConfigured((await loadConfig(config, {})).nats, 'test');
  const list = async (): Promise<true> => {
    const nc = await connect();
    try {
      await commandClient({
        transport: natsCommandTransport(nc),
        clock: systemClock,
        random: systemRandom,
      }).list();
      return true;
    } finally {
      await nc.close();
    }
  };
  return {
    config,
    log,
    async start() {
      const supervisor = startSupervisorProcess(config, log);
      started.push(supervisor);
      await until('an answer of the supervisor', WITHIN_MS, async () => {
        if (!supervisor.running) throw new Error(`the supervisor ended:\n${await endOfLog(log)}`);
        return list().catch(() => undefined);
      });
      return supervisor;
    },
    servers: () => serversWith(serverConfig),
    async command(...args) {
      const line = [PROGRAM, ...args, '--json', '--config', config];
      const { stdout } = await promisify(execFile)(process.execPath, line);
      return (JSON.parse(stdout) as { result: unknown }).result;
    },
    async journalId() {
      const nc = await connect();
      try {
        return (await openJournalReader(nc)).journalId;
      } finally {
        await nc.close();
      }
    },
    async [Symbol.asyncDispose]() {
      for (const supervisor of started) if (supervisor.running) await supervisor.kill();
      for (const pid of await serversWith(serverConfig)) process.kill(pid, 'SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

it('a supervisor without a NATS address serves commands over a server of its own, and takes it along when it is stopped', async () => {
  await using here = await machine();
  const supervisor = await here.start();
  assert.equal((await here.servers()).length, 1);
  assert.deepEqual(await here.command('list'), { indices: [] });
  assert.equal(await supervisor.stop(), 0);
  assert.deepEqual(await here.servers(), []);
  const told = await readFile(here.log, 'utf8');
  assert.match(told, /NATS nats:\/\/127\.0\.0\.1:\d+ \(run by this supervisor, data in .*data\)/);
  const seed = (await readFile(join(here.config, '..', 'data', 'nats.nk'), 'utf8')).trim();
  assert.ok(!told.includes(seed));
});

it('the server of a supervisor that was killed ends too, and the next one goes on with the same journal', async () => {
  await using here = await machine();
  const first = await here.start();
  const journalId = await here.journalId();
  await first.kill();
  await until('the server is gone', WITHIN_MS, async () => ((await here.servers()).length === 0 ? true : undefined));
  await here.start();
  assert.equal(await here.journalId(), journalId);
});

it('a server that nobody ended is ended by the next start, before another runs on its data', async () => {
  await using here = await machine();
  const first = await here.start();
  const journalId = await here.journalId();
  const [server = 0] = await here.servers();
  const shell = Number(/^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${server}/status`, 'utf8'))?.[1]);
  // So that neither sees the other go.
  process.kill(shell, 'SIGSTOP');
  await first.kill();
  process.kill(shell, 'SIGKILL');
  assert.deepEqual(await here.servers(), [server]);
  await here.start();
  const after = await here.servers();
  assert.equal(after.length, 1);
  assert.notEqual(after[0], server);
  assert.equal(await here.journalId(), journalId);
  assert.match(await readFile(here.log, 'utf8'), /a NATS server of an earlier run was still there and was ended/);
});

it('a second supervisor on the same data folder is refused by the name of the first', async () => {
  await using here = await machine();
  const first = await here.start();
  const failure: unknown = await promisify(execFile)(process.execPath, [
    PROGRAM,
    'start',
    '--json',
    '--config',
    here.config,
  ]).then(
    () => assert.fail('it started'),
    (error: unknown) => error,
  );
  assert.ok(failure instanceof Error && 'code' in failure && 'stdout' in failure);
  assert.equal(failure.code, 65);
  assert.match(
    String(failure.stdout),
    new RegExp(`supervisor slipstream \\(process ${first.pid}\\) works with it.*"code":"data_folder_in_use"`),
  );
  assert.ok(first.running);
});

it('a command says which data folder has no server, when none has run', async () => {
  await using here = await machine();
  const failure: unknown = await promisify(execFile)(process.execPath, [
    PROGRAM,
    'list',
    '--json',
    '--config',
    here.config,
  ]).then(
    () => assert.fail('it was answered'),
    (error: unknown) => error,
  );
  assert.ok(failure instanceof Error && 'code' in failure && 'stdout' in failure);
  assert.equal(failure.code, 69);
  assert.match(String(failure.stdout), /data folder .*data".*"code":"no_supervisor"/);
});

it('an index is followed over it, and what was written is copied, through kills of server and supervisor', async () => {
  const [leader, follower] = ['SLIPSTREAM_LEADER_URL', 'SLIPSTREAM_FOLLOWER_URL'].map((name) => {
    const url = process.env[name];
    if (url === undefined) throw new Error(`${name} is not set: this test needs both clusters`);
    return { url };
  }) as [{ url: string }, { url: string }];
  const index = `own-nats-${process.pid}`;
  await using here = await machine({ paris: leader, tokyo: follower });
  const put = (id: number) => call(leader, 'PUT', `/${index}/_doc/${id}?refresh=true`, JSON.stringify({ id }));
  const arrives = (id: number) =>
    until(`document ${id} arrives`, WITHIN_MS, async () =>
      call(follower, 'GET', `/${index}/_doc/${id}`).then(
        () => true,
        () => undefined,
      ),
    );
  try {
    await put(1);
    const first = await here.start();
    await here.command('follow', `paris:${index}`, `tokyo:${index}`, '--wait');
    await arrives(1);
    for (const pid of await here.servers()) process.kill(pid, 'SIGKILL');
    await put(2);
    await arrives(2);
    await first.kill();
    await put(3);
    await here.start();
    await arrives(3);
    assert.deepEqual(((await here.command('status')) as { warnings: unknown }).warnings, []);
    await here.command('unfollow', `tokyo:${index}`);
  } finally {
    for (const side of [leader, follower]) await call(side, 'DELETE', `/${index}`).catch(() => undefined);
  }
});
