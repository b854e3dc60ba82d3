import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, noiseOf, rotated, spread } from '../../../bench/statistics.ts';

test('the median is the value in the middle, or the mean of the two', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([9, 1, 5, 7]), 6);
  assert.equal(median([3]), 3);
  assert.throws(() => median([]), RangeError);
});

test('the median does not follow an outlier, nor change the order of what it is given', () => {
  const values = [10, 11, 900];
  assert.equal(median(values), 11);
  assert.deepEqual(values, [10, 11, 900]);
});

test('the spread is the distance of the extremes in medians', () => {
  assert.equal(spread([8, 10, 12]), 0.4);
  assert.equal(spread([10]), 0);
});

test('a floor that varies by more than a quarter is noisy, by a quarter it is not', () => {
  assert.deepEqual(noiseOf([9, 10, 11.5]), { noisy: false, spread: 0.25 });
  assert.deepEqual(noiseOf([9, 10, 12]), { noisy: true, spread: 0.3 });
});

test('one round tells nothing about noise', () => {
  assert.deepEqual(noiseOf([10]), { noisy: null, spread: null });
  assert.deepEqual(noiseOf([]), { noisy: null, spread: null });
});

test('every round begins with another one, and none is left out', () => {
  assert.deepEqual(rotated(['a', 'b', 'c'], 0), ['a', 'b', 'c']);
  assert.deepEqual(rotated(['a', 'b', 'c'], 1), ['b', 'c', 'a']);
  assert.deepEqual(rotated(['a', 'b', 'c'], 5), ['c', 'a', 'b']);
  assert.deepEqual(rotated([], 3), []);
});
