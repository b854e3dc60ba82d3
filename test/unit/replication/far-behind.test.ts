import assert from 'node:assert/strict';
import { test } from 'node:test';
import { farBehind, refreshApartMs } from '../../../src/replication/far-behind.ts';

test('whoever is near is refreshed for as often as was asked', () => {
  assert.equal(farBehind(20_000), false);
  assert.equal(refreshApartMs({ operationsBehind: 20_000, refreshMs: 300, leastMs: 0 }), 0);
  assert.equal(refreshApartMs({ operationsBehind: -1, refreshMs: 300, leastMs: 700 }), 700);
});

test('whoever is far behind waits ten times as long as a refresh takes, 5 s at most, and never less than was asked', () => {
  assert.equal(farBehind(20_001), true);
  assert.equal(refreshApartMs({ operationsBehind: 20_001, refreshMs: 30, leastMs: 0 }), 300);
  assert.equal(refreshApartMs({ operationsBehind: 20_001, refreshMs: 30, leastMs: 500 }), 500);
  assert.equal(refreshApartMs({ operationsBehind: 1e9, refreshMs: 900, leastMs: 0 }), 5000);
  assert.equal(refreshApartMs({ operationsBehind: 1e9, refreshMs: 900, leastMs: 60_000 }), 60_000);
});
