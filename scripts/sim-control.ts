/**
 * `npm run sim:control -- --seeds 10000`, or `--seed 42` for one with its steps. Runs the simulation of the control plane (test/sim/control) on
 * all cores and says what did not hold, how many steps it took, and how often each fault and each transition came; with enough seeds, one that
 * never came is a failure, too.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type ControlReport, simulateControl } from '../test/sim/control/control-simulation.ts';
import { missing, SEEDS_FOR_EVERYTHING } from '../test/sim/control/control-coverage.ts';
import { drawControlOptions } from '../test/sim/control/control-options.ts';

interface Share {
  readonly from: number;
  readonly to: number;
  readonly every: number;
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
  },
});

if (!isMainThread) await work(workerData as Share);
else if (values.seed === undefined) await runMany(Number(values.from), Number(values.seeds));
else await runOne(Number(values.seed));

async function runOne(seed: number): Promise<void> {
  const options = drawControlOptions(seed);
  console.log(JSON.stringify(options, null, 2));
  const report = await simulateControl(options, { tell: (line) => console.log(line) });
  console.log(report);
  process.exitCode = report.violation === undefined ? 0 : 1;
}

async function work({ from, to, every }: Share): Promise<void> {
  for (let seed = from; seed < to; seed += every)
    parentPort?.postMessage(await simulateControl(drawControlOptions(seed)));
}

async function runMany(from: number, count: number): Promise<void> {
  const started = performance.now();
  const every = availableParallelism();
  const failed: number[] = [];
  const sums = {
    faults: new Map<string, number>(),
    transitions: new Map<string, number>(),
    checks: new Map<string, number>(),
  };
  let [done, steps, virtualMs, lives, events] = [0, 0, 0, 0, 0];
  const heard = (report: ControlReport): void => {
    done += 1;
    if (done % Math.ceil(count / 10) === 0 && done < count) console.log(`${done} of ${count} seeds`);
    steps += report.steps;
    virtualMs += report.virtualMs;
    lives += report.lives;
    events += report.events;
    add(sums.faults, report.faults);
    add(sums.transitions, report.transitions);
    add(sums.checks, new Map(Object.entries(report.checks)));
    if (report.violation === undefined) return;
    failed.push(report.seed);
    console.log(`seed ${report.seed}: ${report.violation.slice(0, 600)}`);
    console.log(`  npm run sim:control -- --seed ${report.seed}`);
  };
  await Promise.all(
    Array.from({ length: every }, (_, at) => share({ from: from + at, to: from + count, every }, heard)),
  );
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `${count} seeds, ${steps} steps in ${seconds.toFixed(1)} s (${Math.round(count / seconds)} seeds a second on ${every} cores), ` +
      `${(virtualMs / 3_600_000).toFixed(1)} hours of their time, ${lives} processes, ${events} events`,
  );
  for (const [name, counts] of Object.entries(sums)) console.log(`${name}: ${listed(counts)}`);
  const never = count < SEEDS_FOR_EVERYTHING ? [] : missing(sums);
  if (never.length > 0) console.log(`never came: ${never.join(', ')}`);
  console.log(`${failed.length} failed${failed.length === 0 ? '' : `: ${failed.join(' ')}`}`);
  process.exitCode = failed.length === 0 && never.length === 0 ? 0 : 1;
}

function share(own: Share, heard: (report: ControlReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: own, argv: [] });
    worker.on('message', heard);
    worker.on('error', reject);
    worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
  });
}

function add(sums: Map<string, number>, counts: ReadonlyMap<string, number>): void {
  for (const [name, times] of counts) sums.set(name, (sums.get(name) ?? 0) + times);
}

function listed(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, times]) => `${name} ${times}`)
    .join(', ');
}
