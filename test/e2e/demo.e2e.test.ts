import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Figures } from '../../demo/scenes.ts';
import { testBrowser } from '../support/browser.ts';
import { descendants, stillRunning } from '../support/process-tree.ts';
import { tracePage } from '../support/trace-page.ts';
import { until } from '../support/until.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const DOCUMENTS = 20_000;
const SPOKEN_WITHIN_MS = 120_000;

const SERVERS = ['SLIPSTREAM_LEADER_URL', 'SLIPSTREAM_FOLLOWER_URL', 'SLIPSTREAM_NATS_URL', 'SLIPSTREAM_ZIPKIN_URL'];

interface DemoRun extends Disposable {
  readonly pid: number;
  /** Everything printed so far. */
  said(): string;
  /** Resolves when it has printed this. */
  hasSaid(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  readonly exitCode: Promise<number | null>;
}

/** As `npm run demo` starts it, on the servers of the environment. */
function startDemo(env: Readonly<Record<string, string>> = {}): DemoRun {
  for (const name of SERVERS) assert.ok(process.env[name], `${name} names a server of this test`);
  const args = [join(ROOT, 'scripts', 'run.mjs'), 'demo/main.ts', '--json', '--documents', String(DOCUMENTS)];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  return {
    pid: child.pid ?? assert.fail('the demo could not be started'),
    said: () => output,
    hasSaid: async (text) =>
      void (await until(
        `the demo to say ${text}`,
        SPOKEN_WITHIN_MS,
        async () => {
          assert.equal(child.exitCode, null, `the demo ended before it said ${text}:\n${output}`);
          return output.includes(text) ? true : undefined;
        },
        () => output,
      )),
    kill: (signal) => child.kill(signal),
    exitCode: once(child, 'close').then(([code]) => code as number | null),
    [Symbol.dispose]: () => child.kill('SIGTERM'),
  };
}

function lastLine(text: string): unknown {
  return JSON.parse(text.trimEnd().split('\n').at(-1) ?? '');
}

/** What the demo made is gone from the servers that go on, and from this machine. */
async function assertNothingLeft(said: string): Promise<void> {
  const index = /\/(cities-\w+)/.exec(said)?.[1] ?? assert.fail(`no index is named:\n${said}`);
  for (const name of ['SLIPSTREAM_LEADER_URL', 'SLIPSTREAM_FOLLOWER_URL']) {
    const response = await fetch(`${process.env[name]}/${index}`, { method: 'HEAD' });
    assert.equal(response.status, 404, `${index} is still in the cluster of ${name}`);
  }
  const nats = await connect({ servers: process.env['SLIPSTREAM_NATS_URL'] ?? '' });
  const streams: string[] = [];
  for await (const name of (await jetstreamManager(nats)).streams.names()) streams.push(name);
  await nats.close();
  assert.deepEqual(
    streams.filter((name) => name.endsWith(index.slice('cities-'.length))),
    [],
  );
  const folder = /--config (\S+)\/slipstream\.yml/.exec(said)?.[1] ?? assert.fail(`no folder is named:\n${said}`);
  assert.ok(!existsSync(folder), `${folder} is still there`);
}

describe('the demo', () => {
  it('copies, follows, pauses, resumes and proves both sides equal; the page of the trace it prints shows every transition', async () => {
    using demo = startDemo();
    assert.equal(await demo.exitCode, 0, demo.said());
    const figures = lastLine(demo.said()) as Figures;

    assert.equal(figures.equal, true);
    assert.equal(figures.verify.contentHash, true);
    assert.equal(figures.firstCopy.documents, DOCUMENTS);
    for (const kind of ['create', 'update', 'delete', 'recreate'] as const)
      assert.ok(figures.load.byKind[kind] > 0 && figures.loadWhilePaused.byKind[kind] > 0, `no ${kind} in the load`);
    assert.equal(figures.load.visibility.unseen, 0);
    assert.ok(figures.load.visibility.deletes.samples > 0 && figures.load.visibility.writes.samples > 0);
    assert.ok(figures.pause.behind > 0 && figures.pause.appliedByOthers > 0);
    const ofShard = (wanted: number): string[] =>
      figures.transitions
        .filter(({ shard }) => shard === wanted)
        .map(({ from, to, event }) => `${from} -> ${to} ${event}`);
    const copied = ['none -> bootstrapping STARTED', 'bootstrapping -> following BOOTSTRAPPED'];
    assert.deepEqual(ofShard(0), copied);
    assert.deepEqual(ofShard(1), [
      ...copied,
      'following -> following PAUSE',
      'following -> paused PAUSED',
      'paused -> following RESUME',
    ]);
    await assertNothingLeft(demo.said());

    const [firstRun, secondRun] = figures.traces[1] ?? [];
    assert.ok(firstRun !== undefined && secondRun !== undefined);
    for (const url of [firstRun, secondRun]) assert.ok(demo.said().includes(`   ${url}\n`), `${url} is not printed`);
    await using chromium = await testBrowser();
    const first = await (await tracePage(chromium.browser, firstRun)).spanNames();
    const second = await (await tracePage(chromium.browser, secondRun)).spanNames();
    const transitions = [...first, ...second].filter((name) => name.includes(' -> '));
    assert.deepEqual(transitions, [
      'none -> bootstrapping',
      'bootstrapping -> following',
      'following -> following (pause)',
      'following -> paused',
      'paused -> following',
    ]);
  });

  it('leaves nothing behind when Ctrl-C comes in the middle of it', async () => {
    using demo = startDemo();
    await demo.hasSaid('applied up to');
    const processes = descendants(demo.pid);
    assert.ok(
      processes.some(({ command }) => command.includes('main.ts start')),
      'the supervisor is a process of its own',
    );
    demo.kill('SIGINT');

    assert.equal(await demo.exitCode, 130);
    assert.deepEqual(stillRunning(processes), []);
    await assertNothingLeft(demo.said());
    assert.match(demo.said(), /Stopped by SIGINT\. Nothing is left behind\.\n/);
  });

  it('ends with a clear text, exit code 1 and nothing left behind when the supervisor dies', async () => {
    using demo = startDemo();
    await demo.hasSaid('Now it is followed live');
    const processes = descendants(demo.pid);
    const supervisor =
      processes.find(({ command }) => command.includes('main.ts start')) ?? assert.fail('no supervisor');
    process.kill(supervisor.pid, 'SIGKILL');

    assert.equal(await demo.exitCode, 1);
    assert.deepEqual(stillRunning(processes), []);
    await assertNothingLeft(demo.said());
    assert.match(
      demo.said(),
      /the supervisor ended by itself \(SIGKILL\)\n[^]*slipstream status:\n[^]*supervisor's log:\n[^]*BOOTSTRAPPED/,
    );
    assert.deepEqual(Object.keys(lastLine(demo.said()) as object), ['ok', 'failure']);
  });

  it('says which server does not answer, and what to do', async () => {
    using demo = startDemo({ SLIPSTREAM_LEADER_URL: 'http://127.0.0.1:1' });
    assert.equal(await demo.exitCode, 1);
    assert.match(
      demo.said(),
      /SLIPSTREAM_LEADER_URL is set to http:\/\/127\.0\.0\.1:1, but nothing answers there\n.*unset/,
    );
  });
});
