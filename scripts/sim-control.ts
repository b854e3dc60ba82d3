/**
 * `npm run sim:control -- --seeds 10000`, or `--seed 42` for one with its steps. Runs the simulation of the control plane (test/sim/control) on
 * all cores and says what did not hold, how many steps it took, and how often each fault and each transition came; with enough seeds, one that
 * never came is a failure, too.
 */
import { parseArgs } from 'node:util';
import { simulateControl } from '../test/sim/control/control-simulation.ts';
import { missing, SEEDS_FOR_EVERYTHING } from '../test/sim/control/control-coverage.ts';
import { drawControlOptions } from '../test/sim/control/control-options.ts';
import { manySeeds, type SeedReport } from './many-seeds.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
  },
});

if (values.seed === undefined) {
  const count = Number(values.seeds);
  await manySeeds({
    command: 'sim:control',
    script: import.meta.url,
    from: Number(values.from),
    count,
    simulate,
    missing: (counts) => (count < SEEDS_FOR_EVERYTHING ? [] : missing(counts)),
  });
} else await runOne(Number(values.seed));

async function simulate(seed: number): Promise<SeedReport> {
  const { violation, steps, virtualMs, lives, events, faults, transitions, checks } = await simulateControl(
    drawControlOptions(seed),
  );
  const counts = { faults, transitions, checks: new Map([['events', events], ...Object.entries(checks)]) };
  return { seed, violation, steps, virtualMs, lives, counts };
}

async function runOne(seed: number): Promise<void> {
  const options = drawControlOptions(seed);
  console.log(JSON.stringify(options, null, 2));
  const report = await simulateControl(options, { tell: (line) => console.log(line) });
  console.log(report);
  process.exitCode = report.violation === undefined ? 0 : 1;
}
