import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RangeCursor } from '../../../src/domain/position.ts';
import { rangesDone, rangesProgress, shareRange, splitRange } from '../../../src/domain/ranges.ts';

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

const cursors = fc
  .array(fc.record({ width: fc.integer({ min: 1, max: 5000 }), share: fc.double({ min: 0, max: 1, noNaN: true }) }), {
    minLength: 1,
    maxLength: 9,
  })
  .map((parts) => {
    let from = 0;
    return parts.map(({ width, share }) => {
      const range = { from, to: from + width - 1, next: from + Math.round(width * share) };
      from += width;
      return range;
    });
  });
const outstanding = (ranges: readonly RangeCursor[]): readonly number[] =>
  ranges.flatMap(({ next, to }) => Array.from({ length: to - next + 1 }, (_, at) => next + at));

test('a range that is shared covers what it did, once, and keeps what is being read', () => {
  fc.assert(
    fc.property(cursors, fc.integer({ min: 1, max: 3000 }), (ranges, kept) => {
      const shared = shareRange(ranges, kept);
      const rest = (range: RangeCursor): number => range.to - range.next + 1;
      const longest = ranges.toSorted((a, b) => rest(b) - rest(a))[0];
      assert.ok(longest !== undefined);
      if (shared === undefined) return assert.ok(rest(longest) < 2 * kept);
      assert.deepEqual(outstanding(shared.ranges), outstanding(ranges));
      assert.equal(shared.ranges[0]?.from, ranges[0]?.from);
      for (const [at, range] of shared.ranges.entries())
        if (at > 0) assert.equal(range.from, (shared.ranges[at - 1]?.to ?? 0) + 1);
      const taken = shared.ranges.find(({ from }) => from === shared.from);
      const before = shared.ranges.find(({ to }) => to === shared.from - 1);
      assert.ok(taken !== undefined && before !== undefined);
      assert.equal(taken.next, taken.from);
      assert.ok(rest(before) >= kept && rest(taken) >= 1);
      const unfinished = shared.ranges.filter((range) => rest(range) > 0).length;
      assert.equal(unfinished, ranges.filter((range) => rest(range) > 0).length + 1);
      assert.ok(shared.ranges.length <= 2 * unfinished + 1);
      assert.equal(rangesProgress(shared.ranges), rangesProgress(ranges));
    }),
  );
});
