import type { VersionScheme } from './version.ts';
import { epochBase, EPOCH_SPAN, versionOf } from './version.ts';

/** A leader document of a listing in order of `_seq_no`. */
export interface LeaderEntry {
  readonly id: string;
  readonly seqNo: number;
}

/** A follower document of a listing in order of `_version`, with the leader operation that its version names. */
export interface FollowerEntry {
  readonly id: string;
  readonly seqNo: number;
}

export type SideDifference<F extends FollowerEntry> =
  | { readonly kind: 'extra'; readonly document: F }
  | { readonly kind: 'missing'; readonly seqNo: number };

/**
 * Merges both sides, each ascending by `seqNo`. What only one side has is a difference; one number under two ids is both a missing and an
 * extra document, since a write from outside moves a document's identity by one.
 */
export async function* mergeSides<F extends FollowerEntry>(
  leader: AsyncIterator<LeaderEntry>,
  follower: AsyncIterator<F>,
): AsyncGenerator<SideDifference<F>> {
  // Each side's first page is on its way while the other's is.
  let [ours, theirs] = await Promise.all([leader.next(), follower.next()]);
  while (ours.done !== true || theirs.done !== true) {
    const seqNo = ours.done === true ? Number.POSITIVE_INFINITY : ours.value.seqNo;
    const copied = theirs.done === true ? Number.POSITIVE_INFINITY : theirs.value.seqNo;
    if (seqNo === copied && ours.done !== true && theirs.done !== true) {
      if (ours.value.id !== theirs.value.id) {
        // The other id may come next under the same number.
        yield { kind: 'extra', document: theirs.value };
        theirs = await follower.next();
        if (theirs.done === true || theirs.value.seqNo !== seqNo) {
          yield { kind: 'missing', seqNo };
          ours = await leader.next();
        }
      } else {
        ours = await leader.next();
        theirs = await follower.next();
        while (theirs.done !== true && theirs.value.seqNo === seqNo) {
          yield { kind: 'extra', document: theirs.value };
          theirs = await follower.next();
        }
      }
    } else if (seqNo < copied && ours.done !== true) {
      yield { kind: 'missing', seqNo };
      ours = await leader.next();
    } else if (theirs.done !== true) {
      yield { kind: 'extra', document: theirs.value };
      theirs = await follower.next();
    }
  }
}

/** Leader sequence numbers [from, to]. */
export interface SeqNoRange {
  readonly from: number;
  readonly to: number;
  /** Documents of both sides in it. */
  readonly documents: number;
}

/** Bucket width in sequence numbers: a power of two that divides [0, upTo] into at most `buckets`. */
export function bucketWidth(from: number, upTo: number, buckets: number): number {
  let width = 1;
  while ((upTo - from + 1) / width > buckets) width *= 2;
  return width;
}

/** The `_version` histogram whose buckets hold the same leader operations as those of `_seq_no` at multiples of `width`. */
export function versionBuckets(
  scheme: VersionScheme,
  shard: number,
  width: number,
): BucketKeys & { readonly interval: number; readonly offset: number } {
  const interval = scheme.layout === 'by-shard' ? width : scheme.leaderShards * width;
  const origin = versionOf(scheme, 0, shard);
  return {
    width,
    interval,
    offset: origin % interval,
    keyOf: (bucket) => origin + bucket * interval,
    bucketOf: (key) => Math.round((key - origin) / interval),
  };
}

/** Greatest version of an epoch. */
export function epochEnd(epoch: number): number {
  return epochBase(epoch) + EPOCH_SPAN - 1;
}

/** How the buckets of `_version` lie to those of `_seq_no`. */
export interface BucketKeys {
  /** Of the leader's, whose keys are multiples of it. */
  readonly width: number;
  readonly keyOf: (bucket: number) => number;
  readonly bucketOf: (key: number) => number;
}

/**
 * The buckets in which the two histograms differ, ascending, each a range of sequence numbers. Looked up where they stand: each may hold 60,000, and
 * copies under common keys showed in the peak memory of the process.
 */
export function unequalBuckets(
  leader: ReadonlyMap<number, number>,
  follower: ReadonlyMap<number, number>,
  { width, keyOf, bucketOf }: BucketKeys,
): readonly SeqNoRange[] {
  const ranges: SeqNoRange[] = [];
  const unequal = (bucket: number, documents: number): void => {
    ranges.push({ from: bucket * width, to: (bucket + 1) * width - 1, documents });
  };
  for (const [key, ours] of leader) {
    const bucket = Math.round(key / width);
    const theirs = follower.get(keyOf(bucket)) ?? 0;
    if (ours !== theirs) unequal(bucket, ours + theirs);
  }
  for (const [key, theirs] of follower) {
    const bucket = bucketOf(key);
    if (!leader.has(bucket * width)) unequal(bucket, theirs);
  }
  return ranges.sort((a, b) => a.from - b.from);
}

/** Which of these ranges, ascending, holds the value; -1: none. */
export function rangeOf(ranges: readonly { readonly from: number; readonly to: number }[], value: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.to ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return value >= (ranges[low]?.from ?? Number.POSITIVE_INFINITY) ? low : -1;
}

/** The same documents in fewer ranges, neighbours being one. */
export function joinRanges(ranges: readonly SeqNoRange[]): readonly SeqNoRange[] {
  const joined: SeqNoRange[] = [];
  for (const { from, to, documents } of ranges) {
    const last = joined.at(-1);
    if (last !== undefined && last.to === from - 1)
      joined[joined.length - 1] = { from: last.from, to, documents: last.documents + documents };
    else joined.push({ from, to, documents });
  }
  return joined;
}

/** Each cut into so many of one width, or into its numbers. */
export function splitBuckets(ranges: readonly SeqNoRange[], width: number): readonly Pick<SeqNoRange, 'from' | 'to'>[] {
  return ranges.flatMap(({ from, to }) =>
    Array.from({ length: Math.ceil((to - from + 1) / width) }, (_, at) => ({
      from: from + at * width,
      to: Math.min(from + (at + 1) * width - 1, to),
    })),
  );
}

/** In order, as many together as have at most these many documents and are at most so many; one with more documents is alone. */
export function packRanges<R extends Pick<SeqNoRange, 'documents'>>(
  ranges: readonly R[],
  most: { readonly documents: number; readonly ranges: number },
): readonly (readonly R[])[] {
  const packs: R[][] = [];
  let documents = Number.POSITIVE_INFINITY;
  for (const range of ranges) {
    const last = packs.at(-1);
    documents += range.documents;
    if (last !== undefined && documents <= most.documents && last.length < most.ranges) last.push(range);
    else {
      packs.push([range]);
      documents = range.documents;
    }
  }
  return packs;
}

/** Cuts ranges into narrower ones of about `documents` each, as if those of both sides lay evenly. */
export function cutRanges(ranges: readonly SeqNoRange[], documents: number): readonly SeqNoRange[] {
  return ranges.flatMap((range) => {
    const width = range.to - range.from + 1;
    const parts = Math.min(width, Math.ceil(range.documents / documents));
    return Array.from({ length: parts }, (_, part) => ({
      from: range.from + Math.floor((width * part) / parts),
      to: range.from + Math.floor((width * (part + 1)) / parts) - 1,
      documents: Math.ceil(range.documents / parts),
    }));
  });
}
