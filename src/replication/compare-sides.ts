import {
  bucketWidth,
  cutRanges,
  epochEnd,
  mergeSides,
  unequalRanges,
  versionBuckets,
  type SeqNoRange,
} from '../domain/side-merge.ts';
import {
  epochBase,
  EPOCH_SPAN,
  ownerOfForeign,
  shardNamedBy,
  shardVersions,
  versionOf,
  type VersionScheme,
} from '../domain/version.ts';
import type { FollowerCluster } from '../ports/follower-cluster.ts';
import { listFollower } from './follower-listing.ts';
import type { LeaderCluster } from '../ports/leader-cluster.ts';
import type { ListedDocument, ValueRange, View } from '../ports/search-cluster.ts';

export interface Sides {
  readonly leader: LeaderCluster;
  readonly leaderIndex: string;
  readonly follower: FollowerCluster;
  readonly followerIndex: string;
  readonly shard: number;
  readonly scheme: VersionScheme;
  /**
   * Shard n of both indices holds the same documents, so the pair's are those of one follower shard. Otherwise they lie anywhere in the follower
   * index, and only their versions tell them from those of other pairs.
   */
  readonly aligned: boolean;
}

/** A follower document; `seqNo` is the leader operation that its version names. */
export interface FollowerCopy {
  readonly id: string;
  readonly routing: string | undefined;
  readonly version: number;
  readonly seqNo: number;
}

export type Difference =
  | { readonly kind: 'extra'; readonly document: FollowerCopy }
  | { readonly kind: 'missing'; readonly seqNo: number };

/** Buckets of this many documents show a difference within few others, and stay below the clusters' limit of 65,536 up to 3 million. */
const BUCKET_DOCUMENTS = 48;
const BUCKETS_MIN = 64;
const BUCKETS_MAX = 60_000;
/** Documents of both sides in a range that is listed at one go; the follower lists at most 100 of a range. */
const RANGE_DOCUMENTS = 96;
const RANGE_DOCUMENTS_MAX = 100;
/** Ranges of one request: each request costs the follower a pass over its shard. */
const RANGES_AT_ONCE = 400;
const LISTING_PAGE = 2000;

/**
 * What the two sides do not share, comparing a fixed leader view that holds operations up to `upTo` with the follower's searchable state
 * (refresh it first; nothing of this pair may be written meanwhile but deletes of what was found). Where versions can be aggregated, and
 * those of the pair are all of a shard or a range of their own, only unequal buckets of two histograms are listed; otherwise everything is.
 * `documents`: about how many there are.
 */
export async function* compareSides(
  sides: Sides,
  compared: {
    readonly view: View;
    readonly upTo: number;
    readonly documents: number;
    /** Also what carries versions above the epoch, which only somebody else can have given. */
    readonly outlandish?: boolean;
    /** Document by document: buckets of histograms may be equal although documents in them are not. */
    readonly exact?: boolean;
  },
  signal: AbortSignal,
): AsyncGenerator<Difference> {
  const { view, upTo } = compared;
  yield* staleDocuments(sides, signal);
  if (compared.outlandish === true) yield* outlandishDocuments(sides, signal);
  if (canBucket(sides) && compared.exact !== true) {
    const ranges = cutRanges(await unequal(sides, compared, signal), RANGE_DOCUMENTS);
    for (let at = 0; at < ranges.length; at += RANGES_AT_ONCE) {
      const chunk = ranges.slice(at, at + RANGES_AT_ONCE);
      yield* mergeSides(rangesOfLeader(sides, view, chunk, upTo, signal), rangesOfFollower(sides, chunk, signal));
    }
    return;
  }
  const whole = { from: 0, to: upTo };
  yield* mergeSides(
    leaderListing(sides, view, whole, signal),
    followerListing(sides, epochBase(sides.scheme.epoch) - 1, lastVersion(sides), signal),
  );
}

function canBucket({ aligned, follower, scheme }: Sides): boolean {
  return follower.versionAggregates && (aligned || scheme.layout === 'by-shard');
}

/** Documents below the epoch: left over from before a resync, or written from outside. */
async function* staleDocuments(sides: Sides, signal: AbortSignal): AsyncGenerator<Difference> {
  const { scheme, shard } = sides;
  if (canBucket(sides) && scheme.layout === 'by-shard') {
    const below = Array.from({ length: scheme.epoch }, (_, epoch) => shardVersions(scheme, shard, epoch));
    for (let at = 0; at < below.length; at += RANGES_AT_ONCE) {
      const found = copiesInRanges(sides, below.slice(at, at + RANGES_AT_ONCE), signal);
      for await (const document of found) yield { kind: 'extra', document };
    }
    return;
  }
  const base = epochBase(sides.scheme.epoch);
  for await (const document of followerListing(sides, -1, base - 1, signal)) yield { kind: 'extra', document };
}

/** Each falls to one pair, whatever its version would name. */
async function* outlandishDocuments(sides: Sides, signal: AbortSignal): AsyncGenerator<Difference> {
  const { follower, followerIndex: index, shard, scheme, aligned } = sides;
  for await (const document of listFollower({ follower, index, shard: placeOf(sides) }, epochEnd(scheme.epoch), signal))
    if (aligned || ownerOfForeign(scheme, document.version) === shard)
      yield { kind: 'extra', document: copyOf(sides, document) };
}

async function unequal(
  sides: Sides,
  { view, upTo, documents }: { view: View; upTo: number; documents: number },
  signal: AbortSignal,
): Promise<readonly SeqNoRange[]> {
  const { scheme, shard, leaderIndex, followerIndex } = sides;
  const wanted = Math.min(BUCKETS_MAX, Math.max(BUCKETS_MIN, Math.ceil(documents / BUCKET_DOCUMENTS)));
  const width = bucketWidth(0, Math.max(upTo, 0), wanted);
  const { interval, offset, bucketOf } = versionBuckets(scheme, shard, width);
  const [min, max] = [versionOf(scheme, 0, shard), lastVersion(sides)];
  const [leader, follower] = await Promise.all([
    sides.leader.histogram(
      { index: leaderIndex, shard, field: '_seq_no', interval: width, offset: 0, min: 0, max: upTo, view },
      signal,
    ),
    // Up to the epoch's end: a copy of an operation that the view does not hold is a difference too.
    sides.follower.histogram(
      { index: followerIndex, shard: placeOf(sides), field: '_version', interval, offset, min, max },
      signal,
    ),
  ]);
  const ours = new Map([...leader].map(([key, count]) => [Math.round(key / width), count]));
  const theirs = new Map([...follower].map(([key, count]) => [bucketOf(key), count]));
  return unequalRanges(ours, theirs, width);
}

async function* rangesOfLeader(
  sides: Sides,
  view: View,
  ranges: readonly SeqNoRange[],
  upTo: number,
  signal: AbortSignal,
): AsyncGenerator<ListedDocument> {
  const { leader, leaderIndex: index, shard } = sides;
  let left = ranges.filter(({ from }) => from <= upTo).map(({ from, to }) => ({ from, to: Math.min(to, upTo) }));
  while (left.length > 0) {
    const page = await leader.listSeqNoRanges({ index, shard, ranges: left, size: LISTING_PAGE, view }, signal);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < LISTING_PAGE) return;
    left = left
      .filter(({ to }) => to > last.seqNo)
      .map(({ from, to }) => ({ from: Math.max(from, last.seqNo + 1), to }));
  }
}

function rangesOfFollower(
  sides: Sides,
  ranges: readonly SeqNoRange[],
  signal: AbortSignal,
): AsyncGenerator<FollowerCopy> {
  return copiesInRanges(
    sides,
    ranges.map((range) => versionRange(sides, range)),
    signal,
  );
}

async function* copiesInRanges(
  sides: Sides,
  ranges: readonly ValueRange[],
  signal: AbortSignal,
): AsyncGenerator<FollowerCopy> {
  const { follower, followerIndex: index } = sides;
  const found = await follower.listVersionRanges(
    { index, shard: placeOf(sides), ranges, sizeEach: RANGE_DOCUMENTS_MAX },
    signal,
  );
  for (const [at, { from, to }] of ranges.entries()) {
    const documents = found[at];
    // More than fit into one answer: page by page.
    if (documents === undefined) yield* followerListing(sides, from - 1, to, signal);
    else for (const document of documents) yield copyOf(sides, document);
  }
}

/** All versions that name an operation of the range; where versions interleave, whatever shard they name. Neighbouring ranges do not overlap. */
function versionRange({ scheme, shard }: Sides, { from, to }: SeqNoRange): ValueRange {
  if (scheme.layout === 'by-shard') {
    const own = shardVersions(scheme, shard, scheme.epoch);
    return { from: own.from + from, to: Math.min(own.from + to, own.to) };
  }
  const end = Math.min((to + 1) * scheme.leaderShards, EPOCH_SPAN) - 1;
  return { from: versionOf(scheme, from, 0), to: epochBase(scheme.epoch) + end };
}

/** Greatest version that the pair's documents may carry. */
function lastVersion({ scheme, shard }: Sides): number {
  return scheme.layout === 'by-shard' ? shardVersions(scheme, shard, scheme.epoch).to : epochEnd(scheme.epoch);
}

/** The follower shard that holds the pair's documents; undefined: all of them may. */
function placeOf({ aligned, shard }: Sides): number | undefined {
  return aligned ? shard : undefined;
}

async function* leaderListing(
  sides: Sides,
  view: View,
  range: ValueRange,
  signal: AbortSignal,
): AsyncGenerator<ListedDocument> {
  const { leader, leaderIndex: index, shard } = sides;
  for (let from = range.from; from <= range.to;) {
    const page = await leader.listBySeqNo({ index, shard, from, to: range.to, size: LISTING_PAGE, view }, signal);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < LISTING_PAGE) return;
    from = last.seqNo + 1;
  }
}

/** Documents of this pair with versions in (after, last], ascending. */
async function* followerListing(
  sides: Sides,
  after: number,
  last: number,
  signal: AbortSignal,
): AsyncGenerator<FollowerCopy> {
  const { follower, followerIndex: index, shard, scheme, aligned } = sides;
  for await (const document of listFollower({ follower, index, shard: placeOf(sides) }, after, signal)) {
    if (document.version > last) return;
    if (aligned || shardNamedBy(scheme, document.version) === shard) yield copyOf(sides, document);
  }
}

function copyOf({ scheme, shard }: Sides, { id, routing, version }: ListedDocument): FollowerCopy {
  if (scheme.layout === 'by-shard') {
    const own = shardVersions(scheme, shard, scheme.epoch);
    return { id, routing, version, seqNo: Math.max(0, version - own.from) };
  }
  const offset = Math.max(0, version - epochBase(scheme.epoch));
  // A version that names another shard comes from outside: half a step moves it off the document it would be taken for.
  const foreign = shardNamedBy(scheme, version) === shard ? 0 : 0.5;
  return { id, routing, version, seqNo: Math.floor(offset / scheme.leaderShards) + foreign };
}
