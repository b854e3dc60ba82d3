/** The local stack, on servers of its own: the ones that the environment names are left alone. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '@elastic/elasticsearch';
import { ELASTIC_USER } from '../../stack/elasticsearch.ts';
import { groupAlive } from '../../stack/guard.ts';
import { type Stack, type StackOptions, startStack, withoutAddresses } from '../../stack/local-stack.ts';
import { httpStatus } from '../../stack/probe.ts';
import { StackError } from '../../stack/stack-error.ts';

const STACK_MODULE = new URL('../../stack/local-stack.ts', import.meta.url).href;

/** Our environment without the addresses of the servers that run already. */
const environment = withoutAddresses(process.env);

function startOwn(options: Omit<StackOptions, 'log' | 'environment'>): Promise<Stack> {
  return startStack({ ...options, log: (line) => console.log(line), environment });
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `${what}: not within 20 s`);
    await delay(20);
  }
}

test('starts NATS in a temporary folder and leaves neither a process nor the folder', async () => {
  const stack = await startOwn({ parts: ['nats'] });
  const { pid, url } = stack.server('nats');
  assert.deepEqual(stack.env, { SLIPSTREAM_NATS_URL: url });
  assert.ok(groupAlive(pid));
  await stack.stop();
  assert.equal(groupAlive(pid), false);
  assert.equal(existsSync(stack.folder), false);
});

test('uses a server that the environment names, and does not stop it', async () => {
  await using own = await startOwn({ parts: ['nats'] });
  const given = { ...environment, SLIPSTREAM_NATS_URL: own.server('nats').url };
  const stack = await startStack({ parts: ['nats'], log: () => undefined, environment: given });
  assert.deepEqual(stack.env, own.env);
  assert.throws(() => stack.server('nats'), /not_started_here/);
  await stack.stop();
  assert.ok(groupAlive(own.server('nats').pid));
});

test('refuses an address in the environment where nothing answers', async () => {
  const stack = await startOwn({ parts: ['nats'] });
  const given = { ...environment, SLIPSTREAM_NATS_URL: stack.server('nats').url };
  await stack.stop();
  const start = startStack({ parts: ['nats'], log: () => undefined, environment: given });
  await assert.rejects(start, /address_not_answering: SLIPSTREAM_NATS_URL is set to/);
});

test('keeps a folder that was given, and finds its data in it again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-stack-test-'));
  try {
    await (await startOwn({ parts: ['nats'], folder })).stop();
    assert.ok(existsSync(join(folder, 'nats', 'jetstream')));
    await (await startOwn({ parts: ['nats'], folder })).stop();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('an abort while the servers start ends those that are up and those that are not', async () => {
  const abort = new AbortController();
  const pids: number[] = [];
  const log = (line: string): void => {
    const pid = /^nats: .*process (\d+)/.exec(line)?.[1];
    if (pid === undefined) return;
    pids.push(Number(pid));
    abort.abort();
  };
  const start = startStack({ parts: ['nats', 'zipkin'], log, environment, signal: abort.signal });
  await assert.rejects(start, (error: unknown) => error instanceof StackError && error.code === 'interrupted');
  assert.deepEqual(pids.map(groupAlive), [false]);
});

for (const signal of ['SIGKILL', 'SIGINT'] as const) {
  test(`when the process that started it ends by ${signal}, the servers and the folder are gone`, async () => {
    const program = `
      import { startStack } from ${JSON.stringify(STACK_MODULE)};
      const stack = await startStack({ parts: ['nats'], log: () => undefined });
      console.log(JSON.stringify({ pid: stack.server('nats').pid, folder: stack.folder }));
      setInterval(() => undefined, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(parent.stdout, 'data');
    const { pid, folder } = JSON.parse(String(line)) as { pid: number; folder: string };
    assert.ok(groupAlive(pid));
    assert.ok(existsSync(folder));
    parent.kill(signal);
    await once(parent, 'exit');
    await until('the server ends', () => !groupAlive(pid));
    await until('the folder is removed', () => !existsSync(folder));
  });
}

test('a secured Elasticsearch node keeps its data when it is killed and started again, and leaves no process', async () => {
  const password = 'a-password-for-this-test';
  const stack = await startOwn({ parts: ['follower'], follower: { heapMb: 512, security: { password, tls: true } } });
  try {
    const node = stack.server('follower');
    assert.ok(node.caFile !== undefined && node.url.startsWith('https:'));
    const ca = await readFile(node.caFile, 'utf8');
    assert.equal(await httpStatus({ url: node.url, ca }), 401);
    assert.equal(await httpStatus({ url: node.url }), undefined);
    const client = new Client({ node: node.url, auth: { username: ELASTIC_USER, password }, tls: { ca } });
    await client.index({ index: 'kept', id: '1', document: { kept: true }, refresh: true });
    const first = node.pid;
    await node.kill('SIGKILL');
    assert.equal(groupAlive(first), false);
    assert.equal(await httpStatus({ url: node.url, ca }), undefined);
    await node.restart();
    assert.notEqual(node.pid, first);
    assert.deepEqual((await client.get({ index: 'kept', id: '1' }))._source, { kept: true });
    await client.close();
  } finally {
    await stack.stop();
  }
  assert.equal(groupAlive(stack.server('follower').pid), false);
  assert.equal(existsSync(stack.folder), false);
});
