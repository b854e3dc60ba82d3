import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CopyRun, nearTheBest, resultsOf } from '../../../bench/first-copy.ts';
import type { Variant } from '../../../bench/options.ts';

const CPU = { leader: 1, follower: 2, nats: 0, supervisor: 0, client: 0 };

function run(variant: Variant, round: number, seconds: number): CopyRun {
  return { variant, round, seconds, cpuSeconds: CPU };
}

test('after the first round only the best variant of a group and those close behind go on', () => {
  const first = [
    run('slipstream', 1, 90),
    run('reindex-ranges-1', 1, 50),
    run('reindex-ranges-2', 1, 40),
    run('reindex-ranges-4', 1, 45),
    run('floor-2', 1, 30),
  ];
  const later = [...first, run('reindex-ranges-1', 2, 1)];
  assert.deepEqual(nearTheBest(later), ['slipstream', 'reindex-ranges-2', 'reindex-ranges-4', 'floor-2']);
});

test('the variant with the least median stands for its group', () => {
  const runs = [
    ...[30, 31, 80].map((seconds, at) => run('floor-2', at + 1, seconds)),
    ...[29, 35, 36].map((seconds, at) => run('floor-4', at + 1, seconds)),
  ];
  const [floor, ...none] = resultsOf(runs);
  assert.deepEqual(none, []);
  assert.equal(floor?.variant, 'floor-2');
  assert.equal(floor?.medianSeconds, 31);
  assert.deepEqual(floor?.others, [{ variant: 'floor-4', medianSeconds: 35, rounds: 3 }]);
});

test('one lucky run of a variant that was left out does not stand for its group', () => {
  const runs = [run('floor-2', 1, 10), run('floor-4', 1, 12), run('floor-4', 2, 30), run('floor-4', 3, 31)];
  const [floor] = resultsOf(runs);
  assert.equal(floor?.variant, 'floor-4');
  assert.equal(floor?.medianSeconds, 30);
});
