import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { rangesDone, rangesProgress, splitRange } from '../../../src/domain/ranges.ts';

const bounds = fc.record({
  after: fc.integer({ min: -1, max: 1e9 }),
  width: fc.integer({ min: 1, max: 1e6 }),
  parts: fc.integer({ min: 1, max: 16 }),
});

test('ranges cover everything once, in order, in nearly equal parts', () => {
  fc.assert(
    fc.property(bounds, ({ after, width, parts }) => {
      const ranges = splitRange(after, after + width, parts);
      assert.equal(ranges.length, Math.min(parts, width));
      let next = after + 1;
      for (const range of ranges) {
        assert.equal(range.from, next);
        assert.equal(range.next, range.from);
        assert.ok(range.to >= range.from);
        next = range.to + 1;
      }
      assert.equal(next, after + width + 1);
      const widths = ranges.map(({ from, to }) => to - from + 1);
      assert.ok(Math.max(...widths) - Math.min(...widths) <= 1);
    }),
  );
});

test('nothing to go is no range', () => {
  assert.deepEqual(splitRange(5, 5, 3), []);
  assert.deepEqual(splitRange(5, 4, 3), []);
});

test('ranges are done when every cursor has passed its end', () => {
  const [first, second] = splitRange(-1, 9, 2);
  assert.ok(first !== undefined && second !== undefined);
  assert.equal(rangesProgress([first, second]), 0);
  const half = [{ ...first, next: 5 }, second];
  assert.deepEqual([rangesDone(half), rangesProgress(half)], [false, 0.5]);
  const all = [
    { ...first, next: 5 },
    { ...second, next: 10 },
  ];
  assert.deepEqual([rangesDone(all), rangesProgress(all)], [true, 1]);
  assert.deepEqual([rangesDone([]), rangesProgress([])], [true, 1]);
});
