import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCounts } from '../../../scripts/steps.ts';

test('counts what passed, and everything else as failed', () => {
  assert.deepEqual(readCounts('{"tests":9,"passed":5,"failed":1,"cancelled":1,"skipped":1,"todo":1}'), {
    passed: 5,
    failed: 4,
  });
});

test('a run of tests that ended without counts counts as one failure', () => {
  assert.deepEqual(readCounts(''), { passed: 0, failed: 1 });
});
