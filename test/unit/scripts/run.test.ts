/** The launcher, in a project of its own with an `npm` that only pretends to install. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

const SCRIPTS = join(import.meta.dirname, '..', '..', '..', 'scripts');
const NPM = `#!/bin/sh
echo "$@" >> npm-calls
rm -rf node_modules && mkdir -p node_modules/node/bin && ln -s ${process.execPath} node_modules/node/bin/node
exit \${NPM_STATUS:-0}
`;

type Project = {
  readonly folder: string;
  start(script: string, options?: { env?: Record<string, string> }): Run;
  npmCalls(): Promise<readonly string[]>;
};
type Run = {
  readonly child: ReturnType<typeof spawn>;
  readonly ended: Promise<{ code: number | null; output: string }>;
  output(): string;
};

async function withProject(use: (project: Project) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-run-test-'));
  try {
    for (const name of ['scripts', 'bin']) await mkdir(join(folder, name));
    for (const name of ['run.mjs', 'tether.mjs']) await copyFile(join(SCRIPTS, name), join(folder, 'scripts', name));
    await writeFile(join(folder, 'bin', 'npm'), NPM, { mode: 0o755 });
    await writeFile(join(folder, 'package-lock.json'), '{"one":1}');
    const start = (script: string, { env = {} }: { env?: Record<string, string> } = {}): Run => {
      const child = spawn(process.execPath, ['scripts/run.mjs', script, 'an argument'], {
        cwd: folder,
        env: { ...process.env, ...env, PATH: `${join(folder, 'bin')}:${process.env['PATH']}` },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
      return { child, output: () => output, ended: once(child, 'close').then(([code]) => ({ code, output })) };
    };
    const npmCalls = async (): Promise<readonly string[]> =>
      (await readFile(join(folder, 'npm-calls'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
    await use({ folder, start, npmCalls });
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'the condition was not met within 10 s');
    await delay(20);
  }
}

test('installs the dependencies once, and again when the lock file changed', () =>
  withProject(async ({ folder, start, npmCalls }) => {
    await writeFile(
      join(folder, 'hello.ts'),
      'const text: string = process.argv[2] ?? ""; console.log(`got ${text}`);',
    );
    assert.match((await start('hello.ts').ended).output, /npm ci.*got an argument/s);
    assert.equal((await start('hello.ts').ended).output, 'got an argument\n');
    assert.deepEqual(await npmCalls(), ['ci --loglevel=error']);
    await writeFile(join(folder, 'package-lock.json'), '{"one":2}');
    assert.equal((await start('hello.ts').ended).code, 0);
    assert.equal((await npmCalls()).length, 2);
  }));

test('an installation that failed is told, ends with 1, and is done again the next time', () =>
  withProject(async ({ folder, start, npmCalls }) => {
    await writeFile(join(folder, 'hello.ts'), 'console.log("hello");');
    const failed = await start('hello.ts', { env: { NPM_STATUS: '7' } }).ended;
    assert.equal(failed.code, 1);
    assert.match(failed.output, /npm ci failed.*What to do: /s);
    assert.equal((await start('hello.ts').ended).code, 0);
    assert.equal((await npmCalls()).length, 2);
  }));

test('ends with the exit code of the script', () =>
  withProject(async ({ folder, start }) => {
    await writeFile(join(folder, 'seven.ts'), 'process.exitCode = 7;');
    assert.equal((await start('seven.ts').ended).code, 7);
  }));

test('hands signals on to the script, and waits for what it does then', () =>
  withProject(async ({ folder, start }) => {
    const script =
      'process.once("SIGINT", () => { console.log("stopping"); clearInterval(timer); process.exitCode = 3; });';
    await writeFile(
      join(folder, 'wait.ts'),
      `${script} const timer = setInterval(() => undefined, 1000); console.log("up");`,
    );
    const run = start('wait.ts');
    await until(() => run.output().endsWith('up\n'));
    run.child.kill('SIGINT');
    assert.deepEqual(await run.ended.then(({ code, output }) => [code, output.includes('stopping')]), [3, true]);
  }));

test('when the launcher is killed, the script is asked to stop', () =>
  withProject(async ({ folder, start }) => {
    const script = 'process.once("SIGTERM", () => { console.log("stopping"); clearInterval(timer); });';
    await writeFile(
      join(folder, 'wait.ts'),
      `${script} const timer = setInterval(() => undefined, 1000); console.log("up");`,
    );
    const run = start('wait.ts');
    await until(() => run.output().endsWith('up\n'));
    run.child.kill('SIGKILL');
    // The output ends when the last process that holds it does.
    assert.match((await run.ended).output, /stopping/);
  }));
