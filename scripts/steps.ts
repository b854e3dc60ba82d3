/** The steps that `npm run check` and `npm test` are made of: each a program with an outcome, a duration and, for tests, counts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Guard, signalGroup } from '../stack/guard.ts';
import type { FailedTest } from './count-reporter.ts';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

export type Step = {
  readonly name: string;
  readonly args: readonly string[];
  /** Set for a step that runs tests: the files, as globs from the root. */
  readonly tests?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

export type Outcome = {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly passed: number;
  readonly failed: number;
  readonly failures?: readonly FailedTest[];
};

export type Runner = { readonly guard: Guard; readonly signal: AbortSignal };

const STOPPED_WITHIN_MS = 10_000;

/** What needs no servers. Every step runs, whatever the earlier ones said. */
export function checkSteps(): readonly Step[] {
  const program = (name: string): string => join(ROOT, 'node_modules', '.bin', name);
  return [
    { name: 'format', args: [program('oxfmt'), '--check', '.'] },
    { name: 'lint', args: [program('oxlint'), '--type-aware', '--deny-warnings'] },
    { name: 'types', args: [program('tsc'), '-p', ROOT] },
    testStep({
      name: 'unit tests',
      // A bound for what hangs, not for what is slow on a busy machine.
      flags: ['--test-isolation=none', '--test-timeout=300000'],
      tests: ['test/unit/**/*.test.ts', 'test/sim/**/*.test.ts', 'test/replay/**/*.test.ts'],
    }),
  ];
}

export function testStep({
  name,
  flags,
  tests,
  env,
}: {
  name: string;
  flags: readonly string[];
  tests: readonly string[];
  env?: Record<string, string>;
}): Step {
  return { name, args: [process.execPath, '--test', ...flags], tests, ...(env && { env }) };
}

/** Runs one step with its output shown; an abort ends it and all its children. */
export async function runStep({ step, runner }: { step: Step; runner: Runner }): Promise<Outcome> {
  const started = Date.now();
  console.log(`\n── ${step.name}`);
  const outcome = step.tests
    ? await runTests({ step, tests: step.tests, runner })
    : await runPlain({ args: step.args, step, runner });
  const seconds = (Date.now() - started) / 1000;
  console.log(`── ${step.name}: ${outcome.ok ? 'ok' : 'FAILED'} (${seconds.toFixed(1)} s)`);
  return { ...outcome, name: step.name, seconds };
}

type Result = Omit<Outcome, 'name' | 'seconds'>;

async function runTests({
  step,
  tests,
  runner,
}: {
  step: Step;
  tests: readonly string[];
  runner: Runner;
}): Promise<Result> {
  const files = globSync([...tests], { cwd: ROOT }).sort();
  if (files.length === 0) {
    console.log(`no file matches ${tests.join(', ')}`);
    return { ok: false, passed: 0, failed: 0 };
  }
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-tests-'));
  try {
    const report = join(folder, 'counts.json');
    const reporters = [
      ['spec', 'stdout'],
      [join(ROOT, 'scripts', 'count-reporter.ts'), report],
    ].flatMap(([reporter, destination]) => [
      `--test-reporter=${reporter}`,
      `--test-reporter-destination=${destination}`,
    ]);
    // The same sources are loaded by every test file and every process that it starts.
    const env = { ...step.env, NODE_COMPILE_CACHE: join(folder, 'compiled') };
    const args = [...step.args, ...reporters, ...files];
    const { ok } = await runPlain({ args, step: { ...step, env }, runner });
    const counts = readReport(await readFile(report, 'utf8').catch(() => ''));
    return { ok: ok && counts.failed === 0 && counts.passed > 0, ...counts };
  } finally {
    await rm(folder, { recursive: true, maxRetries: 3 });
  }
}

/** A test that was skipped or marked as to do proves nothing, and one that was cut off even less: all of them count as failed. */
export function readReport(report: string): Pick<Outcome, 'passed' | 'failed' | 'failures'> {
  if (report === '') return { passed: 0, failed: 1 };
  const { tests, passed, failures }: { tests: number; passed: number; failures: FailedTest[] } = JSON.parse(report);
  return { passed, failed: tests - passed, failures };
}

async function runPlain({
  args: [file = '', ...args],
  step,
  runner,
}: {
  args: readonly string[];
  step: Step;
  runner: Runner;
}): Promise<Result> {
  if (runner.signal.aborted) return { ok: false, passed: 0, failed: 0 };
  const child = spawn(file, args, {
    cwd: ROOT,
    // Some of the programs colour their output whoever reads it.
    env: { ...process.env, ...(process.stdout.isTTY ? {} : { NO_COLOR: '1' }), ...step.env },
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const { pid } = child;
  if (pid === undefined) {
    child.on('error', (error) => console.log(error.message));
    await once(child, 'error').catch(() => undefined);
    return { ok: false, passed: 0, failed: 0 };
  }
  runner.guard.adopt(pid);
  const end = (): void => void endGroup(pid);
  runner.signal.addEventListener('abort', end);
  const [code] = await once(child, 'exit');
  runner.signal.removeEventListener('abort', end);
  // Nothing of a step may outlive it.
  signalGroup(pid, 'SIGKILL');
  runner.guard.release(pid);
  return { ok: code === 0, passed: 0, failed: 0 };
}

async function endGroup(pid: number): Promise<void> {
  signalGroup(pid, 'SIGTERM');
  await delay(STOPPED_WITHIN_MS, undefined, { ref: false });
  signalGroup(pid, 'SIGKILL');
}

/** Prints what failed and why, how long everything took, and last, alone on its line, the sum of all tests. Returns the exit code. */
export function summarize({
  outcomes,
  seconds,
  signal,
}: {
  outcomes: readonly Outcome[];
  seconds: number;
  signal: AbortSignal;
}): number {
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
  for (const { name, where, reason } of outcomes.flatMap(({ failures = [] }) => failures))
    console.log(`\n✖ ${name}\n  ${where}\n  ${reason.replaceAll('\n', '\n  ')}`);
  console.log('');
  for (const { name, ok, seconds: took } of outcomes)
    console.log(`${ok ? 'ok    ' : 'FAILED'}  ${took.toFixed(1).padStart(6)} s  ${name}`);
  console.log(`total   ${seconds.toFixed(1).padStart(6)} s`);
  if (signal.aborted) console.log('interrupted');
  console.log(`${passed} passed, ${failed} failed`);
  if (signal.aborted) return 130;
  return outcomes.every(({ ok }) => ok) ? 0 : 1;
}

/** Fires at the first signal that asks this process to end; later ones change nothing. */
export function endSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => controller.abort(signal));
  return controller.signal;
}
