import { cutRanges, epochEnd, mergeSides, packRanges, type SeqNoRange } from '../domain/side-merge.ts';
import { epochBase, ownerOfForeign, shardNamedBy, shardVersions } from '../domain/version.ts';
import { listFollower } from './follower-listing.ts';
import type { ListedDocument, ValueRange, View } from '../ports/search-cluster.ts';
import { lastVersion, placeOf, type Sides, versionRange } from './sides.ts';
import type { Stopwatch } from './stopwatch.ts';
import { type Compared, unequalRanges } from './unequal-ranges.ts';

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

/** What is listed at one go: each request costs the follower a pass over its shard, and each document some 350 bytes of an answer. */
const LISTED = { ranges: 1000, documents: 20_000 };
/** Documents of both sides in a range that is listed; the follower lists at most 100 of a range. */
const RANGE_DOCUMENTS = 96;
const RANGE_DOCUMENTS_MAX = 100;
const LISTING_PAGE = 2000;

/**
 * What the two sides do not share, comparing a fixed leader view that holds operations up to `upTo` with a view of the follower from when all
 * of that was written and searchable, or with its present state (nothing of this pair may be written meanwhile but deletes of what was found). Where versions can be aggregated, and
 * those of the pair are all of a shard or a range of their own, only what two histograms show as unequal is listed; otherwise everything is.
 */
export async function* compareSides(
  sides: Sides,
  compared: Compared & {
    /** Also what carries versions above the epoch, which only somebody else can have given. */
    readonly outlandish?: boolean;
    /** Document by document: buckets of histograms may be equal although documents in them are not. */
    readonly exact?: boolean;
    /** Runs while differences are searched for, and not while those that are known by their numbers are listed. */
    readonly searching: Stopwatch;
  },
  signal: AbortSignal,
): AsyncGenerator<Difference> {
  const { view, upTo, searching } = compared;
  yield* searching.waitingFor(staleDocuments(sides, signal));
  if (compared.outlandish === true) yield* searching.waitingFor(outlandishDocuments(sides, signal));
  if (canBucket(sides) && compared.exact !== true) {
    for await (const unequal of searching.waitingFor(unequalRanges(sides, compared, signal))) {
      for (const chunk of packRanges(cutRanges(unequal, RANGE_DOCUMENTS), LISTED))
        yield* mergeSides(rangesOfLeader(sides, view, chunk, upTo, signal), rangesOfFollower(sides, chunk, signal));
    }
    return;
  }
  const whole = { from: 0, to: upTo };
  const all = mergeSides(
    leaderListing(sides, view, whole, signal),
    followerListing(sides, epochBase(sides.scheme.epoch) - 1, lastVersion(sides), signal),
  );
  yield* searching.waitingFor(all);
}

function canBucket({ aligned, follower, scheme }: Sides): boolean {
  return follower.versionAggregates && (aligned || scheme.layout === 'by-shard');
}

/** Documents below the epoch: left over from before a resync, or written from outside. */
async function* staleDocuments(sides: Sides, signal: AbortSignal): AsyncGenerator<Difference> {
  const { scheme, shard } = sides;
  const last = epochBase(scheme.epoch) - 1;
  const byShard = (): ValueRange[] =>
    Array.from({ length: scheme.epoch }, (_, epoch) => shardVersions(scheme, shard, epoch));
  const below = scheme.layout === 'by-shard' ? byShard() : [{ from: 0, to: last }];
  const found = canBucket(sides) ? copiesInRanges(sides, below, signal) : followerListing(sides, -1, last, signal);
  for await (const document of found) yield { kind: 'extra', document };
}

/** Each falls to one pair, whatever its version would name. */
async function* outlandishDocuments(sides: Sides, signal: AbortSignal): AsyncGenerator<Difference> {
  const { follower, followerIndex: index, followerView: view, shard, scheme, aligned } = sides;
  const target = { follower, index, shard: placeOf(sides), view };
  for await (const document of listFollower(target, epochEnd(scheme.epoch), signal))
    if (aligned || ownerOfForeign(scheme, document.version) === shard)
      yield { kind: 'extra', document: copyOf(sides, document) };
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
  const { follower, followerIndex: index, followerView: view } = sides;
  const found = await follower.listVersionRanges(
    { index, shard: placeOf(sides), ranges, sizeEach: RANGE_DOCUMENTS_MAX, view },
    signal,
  );
  for (const [at, { from, to }] of ranges.entries()) {
    const documents = found[at];
    // More than fit into one answer: page by page.
    if (documents === undefined) yield* followerListing(sides, from - 1, to, signal);
    else for (const document of documents) yield copyOf(sides, document);
  }
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
  const { follower, followerIndex: index, followerView: view, shard, scheme, aligned } = sides;
  for await (const document of listFollower({ follower, index, shard: placeOf(sides), view }, after, signal)) {
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
  // A version that names another shard comes from outside: half a step moves it off the documents that it lies between.
  const foreign = Math.sign(shardNamedBy(scheme, version) - shard) / 2;
  return { id, routing, version, seqNo: Math.floor(offset / scheme.leaderShards) + foreign };
}
