/** `npm test`: the checks, many seeds of both simulations, then the tests that need servers, against one local stack. `--full` runs the full sizes of them. */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder } from '../stack/cache.ts';
import { findChromium } from '../stack/chromium.ts';
import { natsServer } from '../stack/downloads.ts';
import { startGuard } from '../stack/guard.ts';
import { startStack } from '../stack/local-stack.ts';
import { StackError } from '../stack/stack-error.ts';
import {
  checkSteps,
  endSignal,
  type Outcome,
  ROOT,
  type Runner,
  runStep,
  type Step,
  summarize,
  testStep,
} from './steps.ts';

const HOUR_MS = 3_600_000;
/** On all cores. */
const SEEDS = { data: { short: 3_000, full: 20_000 }, control: { short: 10_000, full: 10_000 } };

const { values } = parseArgs({ options: { full: { type: 'boolean', default: false } } });
const started = Date.now();
const runner: Runner = { guard: startGuard(), signal: endSignal() };
const outcomes: Outcome[] = [];
const simulations = [simulation('data', 'data path'), simulation('control', 'control plane')];
for (const step of [...checkSteps(), ...simulations]) outcomes.push(await runStep({ step, runner }));
if (!runner.signal.aborted) outcomes.push(...(await testsWithServers()));
await runner.guard.sweep();
process.exitCode = summarize({ outcomes, seconds: (Date.now() - started) / 1000, signal: runner.signal });

function simulation(name: keyof typeof SEEDS, what: string): Step {
  const seeds = SEEDS[name][values.full ? 'full' : 'short'];
  const args = [process.execPath, join(ROOT, 'scripts', `sim-${name}.ts`), '--seeds', `${seeds}`];
  return { name: `${what} in simulation`, args };
}

async function testsWithServers(): Promise<readonly Outcome[]> {
  const log = (line: string): void => console.log(`   ${line}`);
  const stackStarted = Date.now();
  const outcome = (ok: boolean): Outcome => ({
    name: 'local stack',
    ok,
    seconds: (Date.now() - stackStarted) / 1000,
    passed: 0,
    failed: 0,
  });
  console.log('\n── local stack');
  try {
    const chromium = await findChromium({ environment: process.env, guard: runner.guard, log });
    await using stack = await startStack({
      parts: ['leader', 'follower', 'nats', 'zipkin'],
      log,
      signal: runner.signal,
    });
    const up = outcome(true);
    const env = {
      ...stack.env,
      SLIPSTREAM_NATS_SERVER_BIN: await natsServer({ folder: cacheFolder(process.env), guard: runner.guard, log }),
      SLIPSTREAM_CHROMIUM: chromium,
      SLIPSTREAM_TEST_SIZE: values.full ? 'full' : 'short',
    };
    const flags = (files: number): readonly string[] => [
      `--test-concurrency=${files}`,
      `--test-timeout=${values.full ? 12 * HOUR_MS : HOUR_MS / 4}`,
    ];
    const all = globSync('test/integration/**/*.int.test.ts').toSorted();
    // These bring a cluster of their own, or say what happens while nothing happens: nothing else runs beside them.
    const isAlone = (file: string): boolean => /\/faults\/|\/idle\./.test(file);
    const tests = all.filter((file) => !isAlone(file));
    // The others mostly wait.
    const integration = testStep({ name: 'integration tests', flags: flags(2), tests, env });
    const alone = testStep({ name: 'integration tests, alone', flags: flags(1), tests: all.filter(isAlone), env });
    const endToEnd = testStep({ name: 'end-to-end tests', flags: flags(1), tests: ['test/e2e/**/*.e2e.test.ts'], env });
    const ended = [up];
    for (const step of [integration, alone, endToEnd]) ended.push(await runStep({ step, runner }));
    return ended;
  } catch (error) {
    if (!(error instanceof StackError)) throw error;
    console.log(error.message);
    return [outcome(false)];
  }
}
