/**
 * `npm run sim:data -- --seeds 1000`, or `--seed 42` for one with its story. Runs the simulation of the data path (test/sim) on all cores and says
 * what did not hold, how many steps it took and which faults it drew. What a seed failed with belongs into test/sim/kept-scenarios.ts.
 */
import { parseArgs } from 'node:util';
import { simulate } from '../test/sim/data-simulation.ts';
import { drawOptions } from '../test/sim/sim-options.ts';
import { manySeeds, type SeedReport } from './many-seeds.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
  },
});

if (values.seed === undefined)
  await manySeeds({
    command: 'sim:data',
    script: import.meta.url,
    from: Number(values.from),
    count: Number(values.seeds),
    simulate: simulateSeed,
  });
else await runOne(Number(values.seed));

async function simulateSeed(seed: number): Promise<SeedReport> {
  const { violation, steps, virtualMs, lives, faults, checks } = await simulate(drawOptions(seed));
  return { seed, violation, steps, virtualMs, lives, counts: { faults, checks: new Map(Object.entries(checks)) } };
}

async function runOne(seed: number): Promise<void> {
  const options = drawOptions(seed);
  console.log(JSON.stringify(options, null, 2));
  const report = await simulate(options);
  for (const line of report.story) console.log(line);
  console.log({ ...report, story: undefined, journal: undefined });
  process.exitCode = report.violation === undefined ? 0 : 1;
}
