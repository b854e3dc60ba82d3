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
import { openJournalReader } from '../../../src/infra/nats/event-log.ts';
import { serversWith } from '../../../src/infra/nats/leftover-servers.ts';
import { natsProgram } from '../../support/own-server.ts';
import { endOfLog, startSupervisorProcess, type SupervisorProcess } from '../../support/supervisor-process.ts';
import { until } from '../../support/until.ts';

const PROGRAM = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const WITHIN_MS = 60_000;

interface Machine extends AsyncDisposable {
  readonly config: string;
  readonly log: string;
  start(): Promise<SupervisorProcess>;
  servers(): Promise<readonly number[]>;
  /** Proves that commands arrive, and gives the journal's id. */
  journalId(): Promise<string>;
}

/** A configuration without a NATS address; its cluster does not answer, which a start does not mind. */
async function machine(): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-machine-'));
  const [config, log] = [join(folder, 'slipstream.yml'), join(folder, 'supervisor.log')];
  const serverConfig = join(folder, 'data', 'nats-server.conf');
  await writeFile(
    config,
    `clusters: { paris: { url: "http://127.0.0.1:1" } }\nnats: { dataFolder: data, serverBinary: "${natsProgram()}" }\ntelemetry: { traces: { exporter: none } }\n`,
  );
  const started: SupervisorProcess[] = [];
  const list = () => promisify(execFile)(process.execPath, [PROGRAM, 'list', '--json', '--config', config]);
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
    async journalId() {
      const nc = await connectConfigured((await loadConfig(config, {})).nats, 'test');
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
