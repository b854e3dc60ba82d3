import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { IndexStatus } from '../../src/domain/commands.ts';
import { call } from '../support/read-index.ts';
import { bySize } from '../support/test-size.ts';
import { until } from '../support/until.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const TAG = randomBytes(3).toString('hex');
const INDEX = `cli.e2e-${TAG}`;
const [LEADER, FOLLOWER] = [`paris:${INDEX}`, `tokyo:${INDEX}`];
const STREAM = `CLI_E2E_${TAG}`;
const DOCUMENTS = 500;
const WITHIN_MS = 60_000;
/** The command's shebang finds the Node that runs the tests. */
const ENV = {
  PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
  HOME: process.env['HOME'] ?? '',
};

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let folder = '';

function address(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} names a server of this test`);
  return value;
}

function run(file: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { cwd: folder, env: ENV, timeout: 5 * WITHIN_MS }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') resolve({ code, stdout, stderr });
      else reject(error ?? new Error(file));
    });
  });
}

/** Everything the program prints when it does not end as it should. */
async function slipstream(args: readonly string[], expectedCode = 0): Promise<Ended> {
  const ended = await run(join(folder, 'node_modules', '.bin', 'slipstream'), args);
  assert.equal(ended.code, expectedCode, `slipstream ${args.join(' ')}\n${ended.stdout}${ended.stderr}`);
  return ended;
}

async function answer(
  args: readonly string[],
  expectedCode = 0,
): Promise<{ ok: boolean; result: unknown; failure: { code: string } }> {
  return JSON.parse((await slipstream([...args, '--json'], expectedCode)).stdout) as Awaited<ReturnType<typeof answer>>;
}

async function statesOf(target = FOLLOWER): Promise<readonly string[]> {
  const { result } = await answer(['status', target]);
  return (result as { indices: readonly IndexStatus[] }).indices

    .flatMap(({ pairs }) => pairs.map(({ shard, state }) => `${shard} ${state}`))
    .sort();
}

async function isFollowing(): Promise<true | undefined> {
  return (await statesOf()).join() === '0 following,1 following' ? true : undefined;
}

async function fillLeader(from: number, to: number): Promise<void> {
  const lines = Array.from(
    { length: to - from },
    (_, at) => `{"index":{"_id":"${from + at}"}}\n{"n":${from + at}}\n`,
  ).join('');
  await call({ url: address('SLIPSTREAM_LEADER_URL') }, 'POST', `/${INDEX}/_bulk`, new TextEncoder().encode(lines));
}

async function configure(file: string, text: string): Promise<void> {
  await writeFile(join(folder, file), text);
}

/** Paused, so that a document from outside is found before it is removed. */
async function findsStranger(): Promise<void> {
  await slipstream(['pause', FOLLOWER, '--wait']);
  const follower = { url: address('SLIPSTREAM_FOLLOWER_URL') };
  await call(follower, 'PUT', `/${INDEX}/_doc/stranger?refresh=true&pipeline=_none`, '{"n":-1}');
  assert.match((await slipstream(['verify', FOLLOWER], 1)).stdout, /DIFFERS FROM[^]*stranger/);
}

async function removeStream(): Promise<void> {
  const nats = await connect({ servers: address('SLIPSTREAM_NATS_URL') });
  try {
    const { streams } = await jetstreamManager(nats);
    // There is none when no supervisor ever ran.
    for await (const name of streams.names()) if (name.startsWith(STREAM)) await streams.delete(name);
  } finally {
    await nats.close();
  }
}

/** A running `slipstream start`. */
function startSupervisor(): { readonly ended: Promise<number | null>; stop(): void } {
  const child = spawn(join(folder, 'node_modules', '.bin', 'slipstream'), ['start'], {
    cwd: folder,
    env: ENV,
    stdio: 'ignore',
  });
  process.on('exit', () => child.kill('SIGKILL'));
  return { ended: once(child, 'exit').then(([code]) => code as number | null), stop: () => void child.kill('SIGTERM') };
}

describe('the installed package', () => {
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipstream-cli-'));
    const pack = await run('npm', ['pack', ROOT, '--pack-destination', folder, '--json', '--loglevel=error']);
    assert.equal(pack.code, 0, pack.stdout + pack.stderr);
    const tarball = /slipstream-ccr-[\w.-]+\.tgz/.exec(pack.stdout)?.[0] ?? assert.fail(pack.stdout);
    await configure('package.json', '{"private":true}');
    // A connection to the registry that stands still is given up after 20 s and asked for anew: npm itself waits for five minutes.
    const patience = ['--fetch-timeout=20000', '--fetch-retries=6', '--fetch-retry-mintimeout=1000'];
    const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', ...patience];
    const install = await run('npm', ['install', ...flags, '--prefix', folder, join(folder, tarball)]);
    assert.equal(install.code, 0, install.stderr);
    await configure(
      'slipstream.yml',
      `clusters:
  paris: { url: ${address('SLIPSTREAM_LEADER_URL')} }
  tokyo: { url: ${address('SLIPSTREAM_FOLLOWER_URL')} }
nats: { servers: ${address('SLIPSTREAM_NATS_URL')}, subjectPrefix: cli-e2e-${TAG}, stream: ${STREAM} }
telemetry: { traces: { exporter: none } }
`,
    );
    const settings = { number_of_shards: 2, number_of_replicas: 0 };
    await call({ url: address('SLIPSTREAM_LEADER_URL') }, 'PUT', `/${INDEX}`, JSON.stringify({ settings }));
    await fillLeader(0, DOCUMENTS);
  });

  after(async () => {
    for (const name of ['SLIPSTREAM_LEADER_URL', 'SLIPSTREAM_FOLLOWER_URL'])
      await call({ url: address(name) }, 'DELETE', `/${INDEX}?ignore_unavailable=true`);
    await removeStream();
    await rm(folder, { recursive: true });
  });

  it('tells its version and its commands', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    assert.match((await slipstream(['version'])).stdout, new RegExp(`\\b${version}\\b`));
    const help = (await slipstream(['help'])).stdout;
    for (const command of ['start', 'follow', 'status', 'pause', 'resume', 'verify', 'events'])
      assert.match(help, new RegExp(`^ +${command} `, 'm'));
    assert.match((await slipstream(['help', 'verify'])).stdout, /--content/);
  });

  it('brings the documents that hints name, and no leftovers of the build', async () => {
    const files = await readdir(join(folder, 'node_modules', 'slipstream-ccr'), { recursive: true });
    for (const file of ['docs/unaligned.md', 'docs/failures.md', 'slipstream.example.yml', 'dist/cli/main.js'])
      assert.ok(files.includes(file), file);
    assert.deepEqual(
      files.filter((file) => /\.(map|ts)$/.test(file)),
      [],
    );
  });

  it('exits with 64 for a command line that is wrong, and proposes what was meant', async () => {
    await slipstream([], 64);
    assert.match((await slipstream(['verfy'], 64)).stderr, /verify/);
    assert.match((await slipstream(['pause', 'no-colon'], 64)).stderr, /expected cluster:index/);
  });

  it('checks a configuration: 0 when every server answers, 78 with every fault of it, 69 for a server that does not answer', async () => {
    assert.match((await slipstream(['start', '--check'])).stdout, /cluster paris: ok.*\ncluster tokyo: ok.*\nnats: ok/);

    await configure('faults.yml', 'clusters:\n  paris: { url: "ftp://somewhere" }\nsupervisr: {}\n');
    const { stderr } = await slipstream(['start', '--config', 'faults.yml'], 78);
    assert.match(stderr, /clusters\.paris\.url/);
    assert.match(stderr, /supervisr.*supervisor/);

    await configure(
      'unreachable.yml',
      `clusters:\n  paris: { url: "http://127.0.0.1:1" }\nnats: { servers: "${address('SLIPSTREAM_NATS_URL')}" }\n`,
    );
    assert.match(
      (await slipstream(['start', '--check', '--config', 'unreachable.yml'], 69)).stdout,
      /cluster paris: cluster_unreachable/,
    );
  });

  it('exits with 69 when no supervisor runs', async () => {
    assert.equal((await answer(['status'], 69)).failure.code, 'no_supervisor');
  });

  it('follows an index from start to SIGTERM, with the exit codes that are documented', async () => {
    const supervisor = startSupervisor();
    try {
      await until('the supervisor to answer', WITHIN_MS, async () => {
        const { code } = await run(join(folder, 'node_modules', '.bin', 'slipstream'), ['list']);
        return code === 0 ? true : undefined;
      });
      await slipstream(['follow', LEADER, FOLLOWER, '--wait']);
      assert.equal((await answer(['follow', LEADER, FOLLOWER], 65)).failure.code, 'already_followed');
      await until('both shards to follow', WITHIN_MS, isFollowing);

      await slipstream(['pause', `${FOLLOWER}/1`, '--wait']);
      assert.deepEqual(await statesOf(), ['0 following', '1 paused']);
      assert.match((await slipstream(['status'])).stdout, /paused: by command\n.*slipstream resume tokyo:.*\/1/);
      await fillLeader(DOCUMENTS, 2 * DOCUMENTS);
      await slipstream(['resume', `${FOLLOWER}/1`, '--wait']);
      const again = ['resume', `${FOLLOWER}/1`, '--on-missing-history', 'rebootstrap'];
      assert.equal((await answer(again, 65)).failure.code, 'not_paused');

      const equal = await slipstream(['verify', FOLLOWER, '--content']);
      assert.match(equal.stdout, new RegExp(`equals ${LEADER} .*identity and content[^]*compared 1,000`));
      assert.equal((await answer(['verify', 'tokyo:nothing-here'], 2)).failure.code, 'unknown_pair');

      const events = (await slipstream(['events', `${FOLLOWER}/1`, '--json'])).stdout.trimEnd().split('\n');
      const facts = events.map((line) => (JSON.parse(line) as { event: { fact: { type: string } } }).event.fact.type);
      assert.deepEqual(facts, ['STARTED', 'BOOTSTRAPPED', 'PAUSE', 'PAUSED', 'RESUME']);

      // A difference is believed after a minute only.
      if (bySize({ short: false, full: true })) await findsStranger();

      await slipstream(['unfollow', FOLLOWER, '--wait']);
      assert.deepEqual((await answer(['list'])).result, { indices: [] });
    } finally {
      supervisor.stop();
    }
    assert.equal(await supervisor.ended, 0);
    await slipstream(['status'], 69);
  });
});
