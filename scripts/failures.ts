/** `npm run test:failures`: the conditions of docs/failures.md, row by row, on real servers. Servers named in the environment are used for what changes none of them, all others started. */
import { startGuard } from '../stack/guard.ts';
import { startStack } from '../stack/local-stack.ts';
import { StackError } from '../stack/stack-error.ts';
import { endSignal, runStep, summarize, testStep } from './steps.ts';

const started = Date.now();
const runner = { guard: startGuard(), signal: endSignal() };
const log = (line: string): void => console.log(line);

process.exitCode = await run().catch((error: unknown) => {
  if (!(error instanceof StackError)) throw error;
  console.error(error.message);
  return 1;
});
await runner.guard.sweep();

async function run(): Promise<number> {
  await using stack = await startStack({ parts: ['leader', 'follower', 'nats'], log, signal: runner.signal });
  const step = testStep({
    name: 'failures',
    flags: ['--test-concurrency=1', '--test-timeout=900000'],
    tests: [
      'failures/*',
      'search/leader',
      'replication/leader-lost',
      'replication/own-nodes',
      'replication/bad-input',
    ].map((file) => `test/integration/${file}.int.test.ts`),
    env: { ...stack.env, SLIPSTREAM_TEST_SIZE: 'full' },
  });
  const outcomes = [await runStep({ step, runner })];
  return summarize({ outcomes, seconds: (Date.now() - started) / 1000, signal: runner.signal });
}
