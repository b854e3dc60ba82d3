import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nameFromToken, subjectToken } from '../../../src/domain/names.ts';
import { indexSubject, pairSubject } from '../../../src/domain/subjects.ts';
import { backoffMs } from '../../../src/domain/backoff.ts';

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }).filter((text) => text.isWellFormed());

test('a name becomes one token of a subject, and comes back', () => {
  fc.assert(
    fc.property(name, (given) => {
      const token = subjectToken(given);
      assert.match(token, /^[A-Za-z0-9_=-]+$/);
      assert.equal(nameFromToken(token), given);
    }),
  );
});

test('two names never share a token', () => {
  fc.assert(
    fc.property(name, name, (one, other) => {
      assert.equal(subjectToken(one) === subjectToken(other), one === other);
    }),
  );
  assert.notEqual(subjectToken('a.b'), subjectToken('a=2Eb'));
});

test('dots and other characters of an index name do not make more tokens', () => {
  const follower = { cluster: 'replica', index: '.ds-logs.2026-é' };
  assert.equal(indexSubject(follower), 'index.replica.=2Eds-logs=2E2026-=C3=A9');
  assert.equal(pairSubject({ follower, shard: 11 }), 'pair.replica.=2Eds-logs=2E2026-=C3=A9.11');
});

test('a delay doubles up to its cap and is anything from zero to that', () => {
  for (const [attempt, ceiling] of [
    [1, 50],
    [2, 100],
    [5, 800],
    [12, 60_000],
    [5000, 60_000],
  ] as const) {
    assert.equal(backoffMs(attempt, 60_000, 0), 0);
    assert.equal(backoffMs(attempt, 60_000, 1 - Number.EPSILON), ceiling);
  }
});
