import { epochEnd, type SeqNoRange } from '../domain/side-merge.ts';
import { shardVersions, versionOf, type VersionScheme } from '../domain/version.ts';
import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { LeaderCluster } from '../ports/leader-cluster.ts';
import type { ValueRange, View } from '../ports/search-cluster.ts';

/** The documents of one pair on both sides. */
export interface Sides {
  readonly leader: LeaderCluster;
  readonly leaderIndex: string;
  readonly follower: FollowerCluster;
  readonly followerIndex: string;
  /** The follower as it was when the leader's view was there; absent: as it is now, when nothing of the pair is written meanwhile. */
  readonly followerView?: View | undefined;
  readonly shard: number;
  readonly scheme: VersionScheme;
  /**
   * Shard n of both indices holds the same documents, so the pair's are those of one follower shard. Otherwise they lie anywhere in the follower
   * index, and only their versions tell them from those of other pairs.
   */
  readonly aligned: boolean;
}

/** All versions from that of the first operation to just before that of the operation after the last: those of neighbouring ranges lie side by side. */
export function versionRange({ scheme, shard }: Sides, { from, to }: Pick<SeqNoRange, 'from' | 'to'>): ValueRange {
  if (scheme.layout === 'by-shard') {
    const own = shardVersions(scheme, shard, scheme.epoch);
    return { from: own.from + from, to: Math.min(own.from + to, own.to) };
  }
  const first = versionOf(scheme, from, shard);
  return { from: first, to: Math.min(first + (to - from + 1) * scheme.leaderShards - 1, epochEnd(scheme.epoch)) };
}

/** Greatest version that the pair's documents may carry. */
export function lastVersion({ scheme, shard }: Pick<Sides, 'scheme' | 'shard'>): number {
  return scheme.layout === 'by-shard' ? shardVersions(scheme, shard, scheme.epoch).to : epochEnd(scheme.epoch);
}

/** Greatest `_seq_no` that such a version can name. */
export function lastSeqNo({ scheme, shard }: Pick<Sides, 'scheme' | 'shard'>): number {
  const first = versionOf(scheme, 0, shard);
  const each = scheme.layout === 'by-shard' ? 1 : scheme.leaderShards;
  return Math.floor((lastVersion({ scheme, shard }) - first) / each);
}

/** The follower shard that holds the pair's documents; undefined: all of them may. */
export function placeOf({ aligned, shard }: Sides): number | undefined {
  return aligned ? shard : undefined;
}
