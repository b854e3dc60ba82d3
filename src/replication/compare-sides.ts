import {
  bucketWidth,
  epochEnd,
  mergeSides,
  unequalRanges,
  versionBuckets,
  type SeqNoRange,
} from '../domain/side-merge.ts';
import { epochBase, EPOCH_SPAN, versionOf, type VersionScheme } from '../domain/version.ts';
import type { FollowerCluster } from '../ports/follower-cluster.ts';
import { listFollower } from './follower-listing.ts';
import type { LeaderCluster } from '../ports/leader-cluster.ts';
import type { ListedDocument, View } from '../ports/search-cluster.ts';

export interface Sides {
  readonly leader: LeaderCluster;
  readonly leaderIndex: string;
  readonly follower: FollowerCluster;
  readonly followerIndex: string;
  readonly shard: number;
  readonly scheme: VersionScheme;
  /** Shard n of both indices holds the same documents: histograms of the two shards can be compared. */
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

const BUCKETS_MAX = 8192;
/** A range with more documents is divided once more before it is listed. */
const LISTED_RANGE_DOCUMENTS_MAX = 4096;
/** Each listing costs the follower a pass over its shard: beyond this many, one listing of everything is cheaper. */
const LISTED_RANGES_MAX = 32;
const LISTING_PAGE = 2000;

/**
 * What the two sides do not share, comparing a fixed leader view that holds operations up to `upTo` with the follower's searchable state
 * (refresh it first; nothing of this pair may be written meanwhile but deletes of what was found). Where both shards hold the same
 * documents and versions can be aggregated, only unequal buckets are listed; otherwise everything is.
 */
export async function* compareSides(
  sides: Sides,
  view: View,
  upTo: number,
  signal: AbortSignal,
): AsyncGenerator<Difference> {
  yield* staleDocuments(sides, signal);
  const ranges =
    sides.aligned && sides.follower.versionAggregates
      ? await rangesThatDiffer(sides, view, upTo, signal)
      : [{ from: 0, to: upTo, documents: 0 }];
  for (const range of ranges) yield* compareRange(sides, view, range, upTo, signal);
}

/** Documents below the epoch: left over from before a resync, or written from outside. */
async function* staleDocuments(sides: Sides, signal: AbortSignal): AsyncGenerator<Difference> {
  const base = epochBase(sides.scheme.epoch);
  for await (const document of followerListing(sides, -1, base - 1, signal)) yield { kind: 'extra', document };
}

async function rangesThatDiffer(
  sides: Sides,
  view: View,
  upTo: number,
  signal: AbortSignal,
): Promise<readonly SeqNoRange[]> {
  let open = await histogramDifference(sides, view, { from: 0, to: upTo, documents: 0 }, upTo, signal);
  const listed: SeqNoRange[] = [];
  // Each round makes ranges at least 64 times narrower, so there are few.
  while (open.length > 0) {
    const wide = open.filter((range) => range.documents > LISTED_RANGE_DOCUMENTS_MAX && range.to > range.from);
    listed.push(...open.filter((range) => !wide.includes(range)));
    if (listed.length + wide.length > LISTED_RANGES_MAX) {
      const all = [...listed, ...wide];
      return [
        {
          from: Math.min(...all.map((range) => range.from)),
          to: Math.max(...all.map((range) => range.to)),
          documents: 0,
        },
      ];
    }
    const narrower: SeqNoRange[] = [];
    for (const range of wide) {
      const parts = await histogramDifference(sides, view, range, upTo, signal);
      // A range that does not get narrower is listed as it is.
      if (parts.length === 1 && parts[0]?.documents === range.documents) listed.push(range);
      else narrower.push(...parts);
    }
    open = narrower;
  }
  return listed.sort((a, b) => a.from - b.from);
}

async function histogramDifference(
  sides: Sides,
  view: View,
  range: SeqNoRange,
  upTo: number,
  signal: AbortSignal,
): Promise<readonly SeqNoRange[]> {
  const { scheme, shard } = sides;
  const width = bucketWidth(range.from, Math.min(range.to, upTo), BUCKETS_MAX);
  const buckets = versionBuckets(scheme, shard, width);
  const whole = range.from === 0 && range.to >= upTo;
  const [leader, follower] = await Promise.all([
    sides.leader.histogram(
      {
        index: sides.leaderIndex,
        shard,
        field: '_seq_no',
        interval: width,
        offset: 0,
        min: range.from,
        max: Math.min(range.to, upTo),
        view,
      },
      signal,
    ),
    sides.follower.histogram(
      {
        index: sides.followerIndex,
        shard,
        field: '_version',
        interval: buckets.interval,
        offset: buckets.offset,
        min: versionOf(scheme, range.from, shard),
        // Of the whole, up to the epoch's end: a copy of an operation that the view does not hold is a difference too.
        max: whole ? epochEnd(scheme.epoch) : versionOf(scheme, range.to, shard),
      },
      signal,
    ),
  ]);
  const ours = new Map([...leader].map(([key, count]) => [Math.round(key / width), count]));
  const theirs = new Map([...follower].map(([key, count]) => [buckets.bucketOf(key), count]));
  return unequalRanges(ours, theirs, width);
}

async function* compareRange(
  sides: Sides,
  view: View,
  range: SeqNoRange,
  upTo: number,
  signal: AbortSignal,
): AsyncGenerator<Difference> {
  const { scheme } = sides;
  const offsetEnd = Math.min((range.to + 1) * scheme.leaderShards, EPOCH_SPAN) - 1;
  const last = range.to >= upTo ? epochEnd(scheme.epoch) : epochBase(scheme.epoch) + offsetEnd;
  const follower = followerListing(sides, versionOf(scheme, range.from, 0) - 1, last, signal);
  const leader = leaderListing(sides, view, range.from, Math.min(range.to, upTo), signal);
  yield* mergeSides(leader, follower);
}

async function* leaderListing(
  sides: Sides,
  view: View,
  from: number,
  to: number,
  signal: AbortSignal,
): AsyncGenerator<ListedDocument> {
  for (let next = from; next <= to;) {
    const page = await sides.leader.listBySeqNo(
      { index: sides.leaderIndex, shard: sides.shard, from: next, to, size: LISTING_PAGE, view },
      signal,
    );
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < LISTING_PAGE) return;
    next = last.seqNo + 1;
  }
}

/** Documents of this pair with versions in (after, last], ascending. */
async function* followerListing(
  sides: Sides,
  after: number,
  last: number,
  signal: AbortSignal,
): AsyncGenerator<FollowerCopy> {
  const { follower, followerIndex, shard, scheme, aligned } = sides;
  const target = { follower, index: followerIndex, shard: aligned ? shard : undefined };
  for await (const { id, routing, version } of listFollower(target, after, signal)) {
    if (version > last) return;
    const offset = Math.max(0, version - epochBase(scheme.epoch));
    const owner = (version % EPOCH_SPAN) % scheme.leaderShards;
    if (!aligned && owner !== shard) continue;
    // A version that names another shard comes from outside: half a step moves it off the document it would be taken for.
    const seqNo = Math.floor(offset / scheme.leaderShards) + (owner === shard ? 0 : 0.5);
    yield { id, routing, version, seqNo };
  }
}
