/**
 * The control plane, all of it as in production, over a journal and clusters in memory and clocks that jump. `npm run sim:control` runs more
 * seeds, or one with its steps.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { drawControlOptions } from './control/control-options.ts';
import { simulateControl } from './control/control-simulation.ts';
import { PLANTED_IN_CONTROL } from './control/planted-control-bugs.ts';

/** `npm test` runs many more, on all cores. */
const SEEDS = 200;
const SEEDS_OF_A_TEST = 100;
/** A planted defect that this many seeds do not find is not found. */
const HUNT_SEEDS = 100;

describe('whatever goes wrong with processes, the journal, commands and clocks', () => {
  const came = new Map<string, number>();
  // Several tests, so that a busy machine hits no limit of time for one.
  for (let first = 1; first <= SEEDS; first += SEEDS_OF_A_TEST) {
    const last = Math.min(SEEDS, first + SEEDS_OF_A_TEST - 1);
    test(`every pair has one legal history, and lives as it says; no decision is lost or taken twice (seeds ${first} to ${last})`, async () => {
      const failures: string[] = [];
      for (let seed = first; seed <= last; seed += 1) {
        const report = await simulateControl(drawControlOptions(seed));
        if (report.violation !== undefined) failures.push(`npm run sim:control -- --seed ${seed}: ${report.violation}`);
        for (const [name, times] of [...report.faults, ...report.transitions, ...Object.entries(report.checks)])
          came.set(name, (came.get(name) ?? 0) + times);
      }
      assert.deepEqual(failures, []);
    });
  }

  test('what was not drawn has not been tested: nearly all faults and transitions came', () => {
    assert.ok(came.size > 120, `only ${[...came.keys()].join(', ')}`);
    for (const name of ['histories', 'folds', 'answers', 'ends']) assert.ok((came.get(name) ?? 0) > SEEDS, name);
  });

  test('the same seed is the same story to the last step, and another seed is another', async () => {
    const stories: string[] = [];
    for (const seed of [7, 7, 8]) {
      const lines: string[] = [];
      await simulateControl(drawControlOptions(seed), { tell: (line) => lines.push(line) });
      stories.push(lines.join('\n'));
    }
    assert.equal(stories[0], stories[1]);
    assert.notEqual(stories[0], stories[2]);
  });
});

describe('the simulation of the control plane finds', () => {
  for (const { name, wrap, caughtAs, options } of PLANTED_IN_CONTROL) {
    test(name, async () => {
      for (let seed = 1; seed <= HUNT_SEEDS; seed += 1) {
        const drawn = drawControlOptions(seed);
        const { violation } = await simulateControl(options?.(drawn) ?? drawn, { wrap });
        if (violation === undefined) continue;
        assert.match(violation, caughtAs);
        return;
      }
      assert.fail(`${HUNT_SEEDS} seeds saw nothing`);
    });
  }
});
