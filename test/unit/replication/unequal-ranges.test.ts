import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { versionOf, type VersionScheme } from '../../../src/domain/version.ts';
import { type HistogramRequest, type RangeCountRequest, type ValueRange } from '../../../src/ports/search-cluster.ts';
import type { Sides } from '../../../src/replication/sides.ts';
import { unequalRanges } from '../../../src/replication/unequal-ranges.ts';
import { MemoryCluster } from '../../support/memory-search/memory-cluster.ts';
import { memoryFollower } from '../../support/memory-search/memory-follower.ts';
import { memoryLeader } from '../../support/memory-search/memory-leader.ts';

const { signal } = new AbortController();
const view = { index: 'orders', shard: 0, id: 'x' };

interface Given {
  readonly scheme: VersionScheme;
  readonly shard: number;
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
}

/** A cluster counts `search.max_buckets` non-empty buckets at most, and so does this one. */
function histogramOf(values: readonly number[], request: Omit<HistogramRequest, 'shard'>): Map<number, number> {
  const { interval, offset, min, max } = request;
  const buckets = new Map<number, number>();
  for (const value of values) {
    if (value < min || value > max) continue;
    const key = Math.floor((value - offset) / interval) * interval + offset;
    buckets.set(key, (buckets.get(key) ?? 0) + 1);
  }
  assert.ok(buckets.size <= 65_536);
  return buckets;
}

function countsOf(values: readonly number[], { ranges }: RangeCountRequest): readonly number[] {
  assert.ok(ranges.length <= 48_000);
  const counts = ranges.map(() => 0);
  let at = 0;
  for (const value of values) {
    while (value > (ranges[at]?.to ?? Number.POSITIVE_INFINITY)) at += 1;
    if (value >= (ranges[at]?.from ?? Number.POSITIVE_INFINITY)) counts[at] = (counts[at] ?? 0) + 1;
  }
  for (const [n, { from, to }] of ranges.entries())
    assert.ok(from <= to && (n === 0 || from > (ranges[n - 1]?.to ?? 0)));
  return counts;
}

function sidesOf({ scheme, shard, ours, theirs }: Given): Sides {
  const versions = theirs.map((seqNo) => versionOf(scheme, seqNo, shard));
  return {
    leader: {
      ...memoryLeader(new MemoryCluster({ name: 'main' })),
      histogram: (request) => Promise.resolve(histogramOf(ours, request)),
      countRanges: (request) => Promise.resolve(countsOf(ours, request)),
    },
    leaderIndex: 'orders',
    follower: {
      ...memoryFollower(new MemoryCluster({ name: 'replica' }), { versionAggregates: true }),
      histogram: (request) => Promise.resolve(histogramOf(versions, request)),
      countRanges: (request) => Promise.resolve(countsOf(versions, request)),
    },
    followerIndex: 'copy',
    shard,
    scheme,
    aligned: true,
  };
}

async function rangesOf(given: Given): Promise<readonly ValueRange[]> {
  const upTo = Math.max(-1, ...given.ours.slice(-1));
  const compared = { view, upTo, documents: given.theirs.length };
  const found: ValueRange[] = [];
  for await (const ranges of unequalRanges(sidesOf(given), compared, signal)) found.push(...ranges);
  return found;
}

function oneSided({ ours, theirs }: Given): readonly number[] {
  const [left, right] = [new Set(ours), new Set(theirs)];
  return [...ours.filter((seqNo) => !right.has(seqNo)), ...theirs.filter((seqNo) => !left.has(seqNo))].sort(
    (a, b) => a - b,
  );
}

/** Both ascending. */
function documentsIn(documents: readonly number[], ranges: readonly ValueRange[]): readonly number[] {
  let at = 0;
  return documents.filter((seqNo) => {
    while (seqNo > (ranges[at]?.to ?? Number.POSITIVE_INFINITY)) at += 1;
    return seqNo >= (ranges[at]?.from ?? Number.POSITIVE_INFINITY);
  });
}

const scheme = fc
  .record({
    epoch: fc.integer({ min: 1, max: 511 }),
    leaderShards: fc.integer({ min: 1, max: 5 }),
    layout: fc.constantFrom('interleaved' as const, 'by-shard' as const),
    shard: fc.nat(4),
  })
  .map(({ shard, ...rest }) => ({ scheme: rest, shard: shard % rest.leaderShards }));

test('of what was only deleted on the leader, exactly those numbers are told, in order', async () => {
  const deleted = fc.record({
    from: scheme,
    numbers: fc.uniqueArray(fc.nat(1e9), { minLength: 1, maxLength: 3000, size: 'max' }),
    each: fc.nat(99),
  });
  await fc.assert(
    fc.asyncProperty(deleted, async ({ from, numbers, each }) => {
      const theirs = numbers.toSorted((a, b) => a - b);
      const ours = theirs.filter((_, at) => at % 100 !== each || at === theirs.length - 1);
      const given = { ...from, ours, theirs };
      const gone = oneSided(given);
      const ranges = await rangesOf(given);
      assert.deepEqual(documentsIn(gone, ranges), gone);
      for (const [at, range] of ranges.entries()) assert.ok(at === 0 || range.from > (ranges[at - 1]?.to ?? 0));
      const told = documentsIn(theirs, ranges);
      assert.ok(told.length <= Math.max(gone.length, 2000));
    }),
    { numRuns: 50 },
  );
});

test('a dense part of a long history does not ask for more buckets than a cluster gives', async () => {
  const [dense, far] = [200_000, 1_000_000_000];
  const theirs = [...Array.from({ length: dense }, (_, n) => 5_000_000 + n), far];
  for (const every of [3, 1000, dense]) {
    const ours = theirs.filter((_, at) => at % every !== 1);
    const given: Given = { scheme: { epoch: 1, leaderShards: 2, layout: 'interleaved' }, shard: 1, ours, theirs };
    const ranges = await rangesOf(given);
    const told = documentsIn(theirs, ranges);
    const gone = oneSided(given);
    assert.ok(gone.length > 2000 ? told.length === gone.length : told.length <= 2000);
    assert.deepEqual(documentsIn(gone, ranges), gone);
  }
});

test('what lies beyond the view on the follower alone is told too', async () => {
  const theirs = Array.from({ length: 1000 }, (_, n) => n * 2);
  const given: Given = {
    scheme: { epoch: 3, leaderShards: 1, layout: 'interleaved' },
    shard: 0,
    ours: theirs.slice(0, 900),
    theirs,
  };
  const ranges = await rangesOf(given);
  assert.ok(theirs.slice(900).every((seqNo) => ranges.some(({ from, to }) => seqNo >= from && seqNo <= to)));
});
