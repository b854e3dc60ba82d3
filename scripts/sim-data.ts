/**
 * `npm run sim:data -- --seeds 1000`, or `--seed 42` for one with its story. Runs the simulation of the data path (test/sim) and says what
 * did not hold, how many steps it took and which faults it drew.
 */
import { parseArgs } from 'node:util';
import { type SimReport, simulate } from '../test/sim/data-simulation.ts';
import { drawOptions } from '../test/sim/sim-options.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
  },
});

if (values.seed === undefined) await runMany(Number(values.from), Number(values.seeds));
else await runOne(Number(values.seed));

async function runOne(seed: number): Promise<void> {
  const options = drawOptions(seed);
  console.log(JSON.stringify(options, null, 2));
  const report = await simulate(options);
  for (const line of report.story) console.log(line);
  console.log({ ...report, story: undefined, journal: undefined });
  process.exitCode = report.violation === undefined ? 0 : 1;
}

async function runMany(from: number, count: number): Promise<void> {
  const started = performance.now();
  const failures: SimReport[] = [];
  const faults = new Map<string, number>();
  const checks = new Map<string, number>();
  let [steps, virtualMs, lives] = [0, 0, 0];
  for (let seed = from; seed < from + count; seed += 1) {
    const report = await simulate(drawOptions(seed));
    steps += report.steps;
    virtualMs += report.virtualMs;
    lives += report.lives;
    for (const [name, times] of report.faults) faults.set(name, (faults.get(name) ?? 0) + times);
    for (const [name, times] of Object.entries(report.checks)) checks.set(name, (checks.get(name) ?? 0) + times);
    if (report.violation !== undefined) {
      failures.push(report);
      console.log(`seed ${seed}: ${report.violation.slice(0, 600)}`);
    }
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `${count} seeds, ${steps} steps in ${seconds.toFixed(1)} s (${Math.round(steps / seconds)} a second), ` +
      `${(virtualMs / 3_600_000).toFixed(1)} hours of their time, ${lives} processes`,
  );
  console.log(`faults: ${listed(faults)}`);
  console.log(`checks: ${listed(checks)}`);
  console.log(
    `${failures.length} failed${failures.length === 0 ? '' : `: ${failures.map(({ seed }) => seed).join(' ')}`}`,
  );
  process.exitCode = failures.length === 0 ? 0 : 1;
}

function listed(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, times]) => `${name} ${times}`)
    .join(', ');
}
