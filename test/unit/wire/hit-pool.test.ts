import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HitPool } from '../../../src/domain/wire/hit-pool.ts';
import { scanSearchPage } from '../../../src/domain/wire/search-page.ts';

const encode = (hits: readonly object[]): Uint8Array =>
  new TextEncoder().encode(
    JSON.stringify({ timed_out: false, _shards: { total: 1, successful: 1, skipped: 0, failed: 0 }, hits: { hits } }),
  );
const full = { _id: 'a', _version: 3, _seq_no: 7, _primary_term: 2, _routing: 'r', _source: { a: 1 }, sort: [7] };
const bare = { _id: 'bc', _seq_no: 9, _source: {} };

test('a hit that is used again keeps nothing of its life before', () => {
  const pool = new HitPool(8);
  const first = scanSearchPage(encode([full, full]), { pool });
  const before = new Set(first.hits);
  pool.give(first.hits);
  const second = scanSearchPage(encode([bare, full, bare]), { pool });
  assert.deepEqual(second.hits, scanSearchPage(encode([bare, full, bare])).hits);
  assert.deepEqual(
    second.hits.map((hit) => before.has(hit)),
    [true, true, false],
  );
  assert.equal(new Set(second.hits).size, 3);
});

test('no more hits are kept than the pool may hold', () => {
  const pool = new HitPool(1);
  pool.give(scanSearchPage(encode([full, full])).hits);
  assert.notEqual(pool.take(), undefined);
  assert.equal(pool.take(), undefined);
});
