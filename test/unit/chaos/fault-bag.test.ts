import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultBag } from '../../chaos/fault-bag.ts';
import { FAULT_KINDS, type FaultKind } from '../../chaos/fault-kinds.ts';
import { faultTable, tableText } from '../../chaos/fault-table.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const anything = (): boolean => true;
const ALL = FAULT_KINDS.reduce((sum, { weight }) => sum + weight, 0);

function draws(seed: number, count: number): readonly string[] {
  const bag = faultBag(seededRandom(seed));
  return Array.from({ length: count }, () => bag.take(anything)?.name ?? 'none');
}

test('every fault comes as often as its weight says before any comes once more', () => {
  const drawn = draws(1, 2 * ALL);
  for (const { name, weight } of FAULT_KINDS)
    for (const half of [drawn.slice(0, ALL), drawn.slice(ALL)])
      assert.equal(half.filter((each) => each === name).length, weight, name);
});

test('the order is that of the seed', () => {
  assert.deepEqual(draws(1, ALL), draws(1, ALL));
  assert.notDeepEqual(draws(1, ALL), draws(2, ALL));
});

test('a fault that does not fit now stays for later', () => {
  const bag = faultBag(seededRandom(3));
  const own = ({ target }: FaultKind): boolean => target === 'supervisor';
  const others = Array.from({ length: 200 }, () => bag.take((kind) => !own(kind)));
  assert.ok(others.every((kind) => kind !== undefined));
  assert.equal(bag.take(own)?.target, 'supervisor');
  assert.equal(
    bag.take(() => false),
    undefined,
  );
});

test('the table has a row for every fault, with the times of those that were tried', () => {
  const [{ name }] = FAULT_KINDS as readonly [FaultKind, ...FaultKind[]];
  const record = { fault: name, round: 1, atMs: 0, durationMs: 1_000 };
  const faults = [300, null, 5_000, 1_200].map((recoveredMs) => ({ ...record, recoveredMs }));
  const rows = faultTable({ faults, indices: [] });
  assert.equal(rows.length, FAULT_KINDS.length);
  assert.deepEqual(rows[0], { fault: name, tried: 4, lost: null, notRecovered: 1, medianMs: 1_200, worstMs: 5_000 });
  const text = tableText(rows);
  assert.match(text, /\| 4 \| \? \| 1\.2 \| 5\.0 \|/);
  assert.equal(text.match(/not run/g)?.length, FAULT_KINDS.length - 1);
});
