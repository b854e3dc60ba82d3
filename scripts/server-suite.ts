import { startGuard } from '../stack/guard.ts';
import { startStack } from '../stack/local-stack.ts';
import { StackError } from '../stack/stack-error.ts';
import { endSignal, runStep, summarize, testStep } from './steps.ts';

/** As long as `npm run test:full` gives a file: some wait for ten minutes, twice. */
const HOUR_MS = 3_600_000;

/** Runs one suite at full size. Servers named in the environment are used, the others started. Sets the exit code. */
export async function runServerSuite(suite: {
  readonly name: string;
  readonly tests: readonly string[];
  /** Of each Elasticsearch node. */
  readonly heapMb?: number;
}): Promise<void> {
  const started = Date.now();
  const runner = { guard: startGuard(), signal: endSignal() };
  const log = (line: string): void => console.log(line);
  try {
    const node = suite.heapMb === undefined ? {} : { heapMb: suite.heapMb };
    const parts = ['leader', 'follower', 'nats'] as const;
    await using stack = await startStack({ parts, leader: node, follower: node, log, signal: runner.signal });
    const flags = ['--test-concurrency=1', `--test-timeout=${12 * HOUR_MS}`];
    const step = testStep({
      name: suite.name,
      tests: suite.tests,
      flags,
      env: { ...stack.env, SLIPSTREAM_TEST_SIZE: 'full' },
    });
    const outcomes = [await runStep({ step, runner })];
    process.exitCode = summarize({ outcomes, seconds: (Date.now() - started) / 1000, signal: runner.signal });
  } catch (error) {
    if (!(error instanceof StackError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
  await runner.guard.sweep();
}
