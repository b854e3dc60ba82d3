import {
  bucketWidth,
  joinRanges,
  type SeqNoRange,
  splitBuckets,
  unequalBuckets,
  versionBuckets,
} from '../domain/side-merge.ts';
import { versionOf } from '../domain/version.ts';
import { COUNTED_RANGES_MAX, type Histogram, type View } from '../ports/search-cluster.ts';
import { lastSeqNo, lastVersion, placeOf, type Sides, versionRange } from './sides.ts';

/** What is compared. */
export interface Compared {
  readonly view: View;
  /** Greatest `_seq_no` of the view. */
  readonly upTo: number;
  /** About how many there are on each side. */
  readonly documents: number;
}

/** Buckets of this many documents show a difference within few others, and stay below the clusters' limit of 65,536 up to 3 million. */
const BUCKET_DOCUMENTS = 48;
const BUCKETS_MIN = 64;
const BUCKETS_MAX = 60_000;
/** Each unequal range is cut into this many, or more where they are few: fewer passes. */
const CUTS_MIN = 8;
/** So few documents of both sides are listed faster than counted once more. */
const FEW_DOCUMENTS = 2000;

/**
 * Sequence numbers that not both sides have, in order: two histograms tell the unequal buckets, which are cut and counted again until the very
 * numbers are known, or few documents are left. Each time costs both sides a pass over their shard.
 */
export async function* unequalRanges(
  sides: Sides,
  compared: Compared,
  signal: AbortSignal,
): AsyncGenerator<readonly SeqNoRange[]> {
  const { documents, upTo } = compared;
  const wanted = Math.min(BUCKETS_MAX, Math.max(BUCKETS_MIN, Math.ceil(documents / BUCKET_DOCUMENTS)));
  const width = bucketWidth(0, Math.max(upTo, 0), wanted);
  const keys = versionBuckets(sides.scheme, sides.shard, width);
  const [ours, theirs] = await Promise.all([
    leaderHistogram(sides, compared, width, signal),
    followerHistogram(sides, keys, signal),
  ]);
  yield* narrowed(sides, compared, { unequal: unequalBuckets(ours, theirs, keys), width }, signal);
}

async function* narrowed(
  sides: Sides,
  compared: Compared,
  { unequal, width }: { unequal: readonly SeqNoRange[]; width: number },
  signal: AbortSignal,
): AsyncGenerator<readonly SeqNoRange[]> {
  if (width === 1 || unequal.reduce((sum, { documents }) => sum + documents, 0) <= FEW_DOCUMENTS) {
    if (unequal.length > 0) yield joinRanges(unequal);
    return;
  }
  const next = Math.ceil(width / Math.max(CUTS_MIN, Math.floor(COUNTED_RANGES_MAX / unequal.length)));
  const atOnce = Math.floor(COUNTED_RANGES_MAX / Math.ceil(width / next));
  const end = lastSeqNo(sides);
  for (let at = 0; at < unequal.length; at += atOnce) {
    const whole = unequal.slice(at, at + atOnce).map((range) => ({ ...range, to: Math.min(range.to, end) }));
    const parts = splitBuckets(whole, next);
    const [ours, theirs] = await Promise.all([
      leaderCounts(sides, compared, parts, signal),
      followerCounts(sides, parts, signal),
    ]);
    const counted = parts.map((range, n) => ({ ...range, ours: ours[n] ?? 0, theirs: theirs[n] ?? 0 }));
    const differing = counted
      .filter(({ ours: left, theirs: right }) => left !== right)
      .map(({ from, to, ours: left, theirs: right }) => ({ from, to, documents: left + right }));
    yield* narrowed(sides, compared, { unequal: differing, width: next }, signal);
  }
}

function leaderHistogram(
  { leader, leaderIndex: index, shard }: Sides,
  { view, upTo }: Compared,
  width: number,
  signal: AbortSignal,
): Promise<Histogram> {
  return leader.histogram(
    { index, shard, field: '_seq_no', interval: width, offset: 0, min: 0, max: upTo, view },
    signal,
  );
}

/** Up to the epoch's end: a copy of an operation that the view does not hold is a difference too. */
function followerHistogram(
  sides: Sides,
  { interval, offset }: { readonly interval: number; readonly offset: number },
  signal: AbortSignal,
): Promise<Histogram> {
  const { follower, followerIndex: index, followerView: view, scheme, shard } = sides;
  const [min, max] = [versionOf(scheme, 0, shard), lastVersion(sides)];
  return follower.histogram(
    { index, shard: placeOf(sides), field: '_version', interval, offset, min, max, view },
    signal,
  );
}

type Parts = readonly Pick<SeqNoRange, 'from' | 'to'>[];

/** Nothing beyond the view: what came since is not what the follower was given. */
async function leaderCounts(
  { leader, leaderIndex: index, shard }: Sides,
  { view, upTo }: Compared,
  parts: Parts,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const ranges = parts.filter(({ from }) => from <= upTo).map(({ from, to }) => ({ from, to: Math.min(to, upTo) }));
  return leader.countRanges({ index, shard, field: '_seq_no', ranges, view }, signal);
}

function followerCounts(sides: Sides, parts: Parts, signal: AbortSignal): Promise<readonly number[]> {
  const { follower, followerIndex: index, followerView: view } = sides;
  const ranges = parts.map((range) => versionRange(sides, range));
  return follower.countRanges({ index, shard: placeOf(sides), field: '_version', ranges, view }, signal);
}
