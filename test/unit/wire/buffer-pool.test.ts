import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BufferPool } from '../../../src/domain/wire/buffer-pool.ts';

const MB = 1024 * 1024;

describe('memory that is used again', () => {
  it('lends what was given back, if it is large enough', () => {
    const pool = new BufferPool(16 * MB);
    const first = pool.take(MB);
    pool.give(first.subarray(0, 10));
    assert.equal(pool.freeBytes, MB);
    assert.notEqual(pool.take(2 * MB).buffer, first.buffer);
    assert.equal(pool.take(MB).buffer, first.buffer);
    assert.equal(pool.freeBytes, 0);
  });

  it('never lends one buffer twice, also when it is given back twice', () => {
    const pool = new BufferPool(16 * MB);
    const first = pool.take(MB);
    pool.give(first);
    pool.give(first);
    assert.notEqual(pool.take(MB).buffer, pool.take(MB).buffer);
  });

  it('takes nothing that it did not lend', () => {
    const pool = new BufferPool(16 * MB);
    pool.give(new Uint8Array(MB));
    pool.give(Buffer.from('a piece of memory that others share'));
    assert.equal(pool.freeBytes, 0);
  });

  it('keeps no more than it was told, and no giant at the cost of the others', () => {
    const pool = new BufferPool(4 * MB);
    const lent = Array.from({ length: 6 }, () => pool.take(MB));
    const giant = pool.take(3 * MB);
    for (const buffer of lent) pool.give(buffer);
    pool.give(giant);
    assert.equal(pool.freeBytes, 4 * MB);
    assert.equal(pool.take(MB).buffer, lent[5]?.buffer);
  });
});
