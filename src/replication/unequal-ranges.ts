import {
  bucketWidth,
  joinRanges,
  packRanges,
  unequalBuckets,
  versionBuckets,
  type SeqNoRange,
} from '../domain/side-merge.ts';
import type { View } from '../ports/search-cluster.ts';
import { placeOf, seqNoEnd, type Sides, versionRange } from './sides.ts';

/** What histograms are asked for. */
export interface Histograms {
  readonly view: View;
  /** Greatest `_seq_no` of the view. */
  readonly upTo: number;
  /** About how many there are on each side. */
  readonly documents: number;
  /** About how many of them only one side has, if that is all that is looked for: the first buckets may be wide then. */
  readonly differences?: number | undefined;
}

/** Without anything to expect, buckets of this many documents: in narrow ones, differences make up for each other less often. */
const BUCKET_DOCUMENTS = 48;
const BUCKETS_MIN = 64;
/** Below the limit of 65,536 of the clusters, with room for the ranges. */
const BUCKETS_MAX = 50_000;
const NARROWED = { ranges: 2000, documents: BUCKETS_MAX };
/** So few documents are listed faster than histograms are asked for once more. */
const FEW_DOCUMENTS = 200;

/**
 * Sequence numbers that not both sides have, in order: two histograms tell the unequal buckets, two more each number in them. Of `n` documents
 * with `d` differences, the first have some `sqrt(n * d)` buckets and the next as many documents. Ranges of `FEW_DOCUMENTS` stay as they are.
 */
export async function* unequalRanges(
  sides: Sides,
  compared: Histograms,
  signal: AbortSignal,
): AsyncGenerator<readonly SeqNoRange[]> {
  const { documents, differences, upTo } = compared;
  const wanted = differences === undefined ? documents / BUCKET_DOCUMENTS : Math.sqrt(documents * differences);
  const buckets = Math.min(BUCKETS_MAX, Math.max(BUCKETS_MIN, Math.ceil(wanted)));
  const all = { from: 0, to: seqNoEnd(sides), documents: 2 * documents };
  yield* narrowed(sides, compared, { ranges: [all], width: bucketWidth(0, Math.max(upTo, 0), buckets) }, signal);
}

async function* narrowed(
  sides: Sides,
  compared: Histograms,
  { ranges, width }: { ranges: readonly SeqNoRange[]; width: number },
  signal: AbortSignal,
): AsyncGenerator<readonly SeqNoRange[]> {
  const [ours, theirs] = await Promise.all([
    leaderBuckets(sides, compared, { ranges, width }, signal),
    followerBuckets(sides, { ranges, width }, signal),
  ]);
  const unequal = unequalBuckets(ours, theirs, width);
  if (width === 1 || unequal.reduce((sum, { documents }) => sum + documents, 0) <= FEW_DOCUMENTS) {
    yield joinRanges(unequal);
    return;
  }
  for (const pack of packRanges(unequal, NARROWED)) {
    const [{ from, documents } = { from: 0, documents: 0 }] = pack;
    const next = documents > BUCKETS_MAX ? bucketWidth(from, from + width - 1, BUCKETS_MAX) : 1;
    yield* narrowed(sides, compared, { ranges: pack, width: next }, signal);
  }
}

async function leaderBuckets(
  { leader, leaderIndex: index, shard }: Sides,
  { view, upTo }: Histograms,
  { ranges, width }: { ranges: readonly SeqNoRange[]; width: number },
  signal: AbortSignal,
): Promise<ReadonlyMap<number, number>> {
  const within = ranges.filter(({ from }) => from <= upTo).map(({ from, to }) => ({ from, to: Math.min(to, upTo) }));
  const request = { index, shard, field: '_seq_no', interval: width, offset: 0, ranges: within, view } as const;
  const found = await leader.histogram(request, signal);
  return new Map([...found].map(([key, count]) => [Math.round(key / width), count]));
}

/** Up to the epoch's end: a copy of an operation that the view does not hold is a difference too. */
async function followerBuckets(
  sides: Sides,
  { ranges, width }: { ranges: readonly SeqNoRange[]; width: number },
  signal: AbortSignal,
): Promise<ReadonlyMap<number, number>> {
  const { follower, followerIndex: index, scheme, shard } = sides;
  const { interval, offset, bucketOf } = versionBuckets(scheme, shard, width);
  const within = ranges.map((range) => versionRange(sides, range));
  const request = { index, shard: placeOf(sides), field: '_version', interval, offset, ranges: within } as const;
  const found = await follower.histogram(request, signal);
  return new Map([...found].map(([key, count]) => [bucketOf(key), count]));
}
