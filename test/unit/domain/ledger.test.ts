import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acknowledged, recounted, UNKNOWN_LEDGER, verdictOf } from '../../../src/domain/ledger.ts';

test('the ledger balances when the follower took one number for each acknowledged operation', () => {
  const ledger = acknowledged(acknowledged(recounted(41), 7), 2);
  assert.equal(verdictOf(ledger, 50), 'balanced');
});

test('more numbers than were acknowledged are somebody else’s, fewer were lost', () => {
  const ledger = acknowledged(recounted(-1), 3);
  assert.equal(verdictOf(ledger, 3), 'surplus');
  assert.equal(verdictOf(ledger, 1), 'deficit');
});

test('an unknown ledger stays unknown whatever is acknowledged, and accuses nobody', () => {
  assert.equal(verdictOf(acknowledged(UNKNOWN_LEDGER, 5), 4), 'unknown');
});
