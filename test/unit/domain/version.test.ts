import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AssertionFailed } from '../../../src/domain/assert.ts';
import {
  EPOCH_MAX,
  EPOCH_SPAN,
  epochBase,
  identityOf,
  nextEpoch,
  shardNamedBy,
  shardVersions,
  versionOf,
  type VersionScheme,
} from '../../../src/domain/version.ts';

const scheme: fc.Arbitrary<VersionScheme> = fc.record({
  epoch: fc.integer({ min: 1, max: EPOCH_MAX }),
  leaderShards: fc.integer({ min: 1, max: 1024 }),
  layout: fc.constantFrom('interleaved', 'by-shard'),
});

/** A scheme with an operation that fits its epoch. */
const operation = scheme.chain((one) =>
  fc.record({
    scheme: fc.constant(one),
    seqNo: fc.integer({ min: 0, max: Math.floor(EPOCH_SPAN / one.leaderShards) - 1 }),
    shard: fc.integer({ min: 0, max: one.leaderShards - 1 }),
  }),
);

test('a version names the operation and the shard that it was made of', () => {
  fc.assert(
    fc.property(operation, ({ scheme: one, seqNo, shard }) => {
      assert.deepEqual(identityOf(one, versionOf(one, seqNo, shard)), { kind: 'leader-op', seqNo, shard });
    }),
  );
});

test('a later operation of a shard has a higher version, and two operations never have the same', () => {
  fc.assert(
    fc.property(operation, operation, ({ scheme: one, ...a }, b) => {
      const seqNo = Math.min(b.seqNo, Math.floor(EPOCH_SPAN / one.leaderShards) - 1);
      const shard = b.shard % one.leaderShards;
      const [left, right] = [versionOf(one, a.seqNo, a.shard), versionOf(one, seqNo, shard)];
      assert.equal(left === right, a.seqNo === seqNo && a.shard === shard);
      const [mine, other] = one.layout === 'by-shard' && a.shard !== shard ? [a.shard, shard] : [a.seqNo, seqNo];
      if (mine !== other) assert.equal(left < right, mine < other);
    }),
  );
});

test('by shard, every version of a shard lies in its range of the epoch, and in no other', () => {
  fc.assert(
    fc.property(operation, fc.nat(1023), ({ scheme: { epoch, leaderShards }, seqNo, shard }, any) => {
      const one: VersionScheme = { epoch, leaderShards, layout: 'by-shard' };
      const other = any % leaderShards;
      const version = versionOf(one, seqNo, shard);
      const { from, to } = shardVersions(one, other, epoch);
      assert.equal(version >= from && version <= to, other === shard);
      assert.equal(shardNamedBy(one, version), shard);
    }),
  );
});

test('a version is exact as a double and greater than all of the epoch before', () => {
  fc.assert(
    fc.property(operation, ({ scheme: one, seqNo, shard }) => {
      const version = versionOf(one, seqNo, shard);
      assert.ok(Number.isSafeInteger(version));
      assert.ok(version >= epochBase(one.epoch) && version < epochBase(one.epoch) + EPOCH_SPAN);
    }),
  );
  assert.equal(
    versionOf({ epoch: EPOCH_MAX, leaderShards: 1, layout: 'interleaved' }, EPOCH_SPAN - 1, 0),
    2 ** 53 - 2 ** 44 + 2 ** 44 - 1,
  );
});

test('what does not fit an epoch is a defect, not a version', () => {
  const one: VersionScheme = { epoch: 1, leaderShards: 4, layout: 'interleaved' };
  for (const wrong of [
    () => versionOf(one, EPOCH_SPAN / 4, 0),
    () => versionOf(one, -1, 0),
    () => versionOf(one, 1.5, 0),
    () => versionOf(one, 1, 4),
    () => versionOf(one, 1, -1),
    () => epochBase(0),
    () => epochBase(EPOCH_MAX + 1),
  ])
    assert.throws(wrong, AssertionFailed);
});

test('versions outside the epoch are foreign', () => {
  const one: VersionScheme = { epoch: 2, leaderShards: 3, layout: 'interleaved' };
  for (const version of [1, EPOCH_SPAN, 2 * EPOCH_SPAN - 1, 3 * EPOCH_SPAN, 2 ** 62])
    assert.deepEqual(identityOf(one, version), { kind: 'foreign' });
});

test('the next epoch is above everything that the follower holds and that is known', () => {
  fc.assert(
    fc.property(operation, fc.integer({ min: 1, max: EPOCH_MAX }), ({ scheme: one, seqNo, shard }, known) => {
      const next = nextEpoch(versionOf(one, seqNo, shard), known);
      assert.ok(next > known && next * EPOCH_SPAN > versionOf(one, seqNo, shard));
    }),
  );
  assert.equal(nextEpoch(0, 1), 2);
  assert.equal(nextEpoch(-1, 0), 1);
});
