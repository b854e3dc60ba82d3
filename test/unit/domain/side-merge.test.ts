import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  bucketWidth,
  cutRanges,
  epochEnd,
  type FollowerEntry,
  type LeaderEntry,
  mergeSides,
  joinRanges,
  packRanges,
  unequalBuckets,
  versionBuckets,
} from '../../../src/domain/side-merge.ts';
import { EPOCH_SPAN, versionOf, type VersionScheme } from '../../../src/domain/version.ts';

async function* listing<T>(entries: readonly T[]): AsyncGenerator<T> {
  yield* entries;
}

async function merged(leader: readonly LeaderEntry[], follower: readonly FollowerEntry[]) {
  const found: { extra: string[]; missing: number[] } = { extra: [], missing: [] };
  for await (const difference of mergeSides(listing(leader), listing(follower))) {
    if (difference.kind === 'extra') found.extra.push(`${difference.document.id}@${difference.document.seqNo}`);
    else found.missing.push(difference.seqNo);
  }
  return found;
}

const ids = fc.constantFrom('a', 'b', 'c', 'd');
/** One document for each number. */
const leaderSide = fc
  .uniqueArray(fc.record({ id: ids, seqNo: fc.nat(12) }), { selector: ({ seqNo }) => seqNo, maxLength: 13 })
  .map((entries) => entries.toSorted((a, b) => a.seqNo - b.seqNo));
/** Numbers may repeat, and so may, in the worst case, a number with its id. */
const followerSide = fc
  .array(fc.record({ id: ids, seqNo: fc.nat(12) }), { maxLength: 20 })
  .map((entries) => entries.toSorted((a, b) => a.seqNo - b.seqNo));

test('a merge finds exactly what a comparison of the two sets finds', async () => {
  await fc.assert(
    fc.asyncProperty(leaderSide, followerSide, async (leader, follower) => {
      const unmatched = new Set(leader.map(({ id, seqNo }) => `${id}@${seqNo}`));
      const extra = follower.map(({ id, seqNo }) => `${id}@${seqNo}`).filter((key) => !unmatched.delete(key));
      const missing = leader.filter(({ id, seqNo }) => unmatched.has(`${id}@${seqNo}`)).map(({ seqNo }) => seqNo);
      const found = await merged(leader, follower);
      assert.deepEqual(found.extra.toSorted(), extra.toSorted());
      assert.deepEqual(found.missing, missing);
    }),
    { numRuns: 1000 },
  );
});

test('one number under two ids is a missing and an extra document', async () => {
  const found = await merged([{ id: 'a', seqNo: 5 }], [{ id: 'b', seqNo: 5 }]);
  assert.deepEqual(found, { extra: ['b@5'], missing: [5] });
});

test('a document that shares its number with a foreign one is still found', async () => {
  for (const follower of [
    [
      { id: 'b', seqNo: 5 },
      { id: 'a', seqNo: 5 },
    ],
    [
      { id: 'a', seqNo: 5 },
      { id: 'b', seqNo: 5 },
    ],
  ])
    assert.deepEqual(await merged([{ id: 'a', seqNo: 5 }], follower), { extra: ['b@5'], missing: [] });
});

test('two empty sides do not differ', async () => {
  assert.deepEqual(await merged([], []), { extra: [], missing: [] });
});

test('buckets are as few as allowed and no wider than needed', () => {
  fc.assert(
    fc.property(fc.nat(1e9), fc.integer({ min: 1, max: 60_000 }), (upTo, buckets) => {
      const width = bucketWidth(0, upTo, buckets);
      assert.ok((upTo + 1) / width <= buckets);
      assert.ok(width === 1 || (upTo + 1) / (width / 2) > buckets);
      assert.ok(Number.isInteger(Math.log2(width)));
    }),
  );
});

test('an operation and its copy fall into the same bucket of both histograms', () => {
  const given = fc.record({
    leaderShards: fc.integer({ min: 1, max: 64 }),
    epoch: fc.integer({ min: 1, max: 511 }),
    seqNo: fc.nat(2 ** 31 - 1),
    shard: fc.nat(63),
    power: fc.nat(20),
  });
  fc.assert(
    fc.property(given, ({ leaderShards, epoch, seqNo, shard: any, power }) => {
      const scheme: VersionScheme = { epoch, leaderShards, layout: 'interleaved' };
      const [shard, width] = [any % leaderShards, 2 ** power];
      const { interval, offset, keyOf, bucketOf } = versionBuckets(scheme, shard, width);
      assert.ok(offset >= 0 && offset < interval);
      const version = versionOf(scheme, seqNo, shard);
      // As a cluster counts: the greatest `k * interval + offset` at or below the value.
      const key = Math.floor((version - offset) / interval) * interval + offset;
      const bucket = Math.floor(seqNo / width);
      assert.equal(bucketOf(key), bucket);
      assert.equal(keyOf(bucket), key);
      assert.ok(version <= epochEnd(epoch) && epochEnd(epoch) === (epoch + 1) * EPOCH_SPAN - 1);
    }),
  );
});

const histogram = fc
  .array(fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 9 })), { maxLength: 20 })
  .map((entries) => new Map(entries));

function keyed(histogram: ReadonlyMap<number, number>, keyOf: (bucket: number) => number): Map<number, number> {
  return new Map([...histogram].map(([bucket, count]) => [keyOf(bucket), count]));
}

test('ranges hold every bucket that differs and none that does not, apart from each other', () => {
  fc.assert(
    fc.property(histogram, histogram, fc.constantFrom(1, 2, 64), (leader, follower, width) => {
      const keys = versionBuckets({ epoch: 3, leaderShards: 5, layout: 'interleaved' }, 2, width);
      const [ours, theirs] = [keyed(leader, (bucket) => bucket * width), keyed(follower, keys.keyOf)];
      const ranges = joinRanges(unequalBuckets(ours, theirs, keys));
      for (let bucket = 0; bucket <= 30; bucket += 1) {
        const [ours, theirs] = [leader.get(bucket) ?? 0, follower.get(bucket) ?? 0];
        const within = ranges.filter(({ from, to }) => bucket * width >= from && (bucket + 1) * width - 1 <= to);
        assert.equal(within.length, ours === theirs ? 0 : 1);
      }
      for (const [at, range] of ranges.entries()) assert.ok(at === 0 || range.from > (ranges[at - 1]?.to ?? 0) + 1);
      const counted = ranges.reduce((sum, range) => sum + range.documents, 0);
      let differing = 0;
      for (let bucket = 0; bucket <= 30; bucket += 1) {
        const [ours, theirs] = [leader.get(bucket) ?? 0, follower.get(bucket) ?? 0];
        if (ours !== theirs) differing += ours + theirs;
      }
      assert.equal(counted, differing);
    }),
  );
});

test('packs hold every range in order, and no more than allowed but where one alone is more', () => {
  const ranges = fc
    .array(fc.integer({ min: 0, max: 30 }), { maxLength: 30 })
    .map((counts) => counts.map((documents, at) => ({ from: at * 10, to: at * 10 + 4, documents })));
  fc.assert(
    fc.property(ranges, fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 5 }), (given, documents, most) => {
      const packs = packRanges(given, { documents, ranges: most });
      assert.deepEqual(packs.flat(), given);
      const countOf = (pack: typeof given): number => pack.reduce((sum, range) => sum + range.documents, 0);
      for (const [at, pack] of packs.entries()) {
        assert.ok(pack.length > 0 && pack.length <= most);
        assert.ok(pack.length === 1 || countOf([...pack]) <= documents);
        const [next] = packs[at + 1] ?? [];
        assert.ok(next === undefined || pack.length === most || countOf([...pack, next]) > documents);
      }
    }),
  );
});

test('a cut range covers what the range covered', () => {
  const range = fc.record({
    from: fc.nat(1e6),
    width: fc.integer({ min: 1, max: 1e6 }),
    documents: fc.integer({ min: 1, max: 1e5 }),
  });
  fc.assert(
    fc.property(range, fc.integer({ min: 1, max: 100 }), ({ from, width, documents }, each) => {
      const to = from + width - 1;
      const parts = cutRanges([{ from, to, documents }], each);
      let next = from;
      for (const part of parts) {
        assert.equal(part.from, next);
        assert.ok(part.to >= part.from);
        next = part.to + 1;
      }
      assert.equal(next, to + 1);
    }),
  );
});
