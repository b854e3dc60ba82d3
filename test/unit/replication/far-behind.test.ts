import assert from 'node:assert/strict';
import { test } from 'node:test';
import { farBehind, refreshApartMs } from '../../../src/replication/far-behind.ts';

test('whoever is near is refreshed for as often as was asked', () => {
  assert.equal(farBehind(20_000), false);
  assert.equal(refreshApartMs(20_000, 0), 0);
  assert.equal(refreshApartMs(-1, 700), 700);
});

test('whoever is far behind waits for more, and never less than was asked', () => {
  assert.equal(farBehind(20_001), true);
  assert.equal(refreshApartMs(20_001, 0), 5000);
  assert.equal(refreshApartMs(1e9, 60_000), 60_000);
});
