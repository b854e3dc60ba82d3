/** Both sides as streams of documents in one order: the version that each leader document has to carry on the follower. */
import { versionOf, type VersionScheme } from '../../domain/version.ts';
import type { FollowerCluster } from '../../ports/follower-cluster.ts';
import type { LeaderCluster } from '../../ports/leader-cluster.ts';
import type { View } from '../../ports/search-cluster.ts';

/** One document on one side. */
export interface Copy {
  readonly id: string;
  readonly routing: string | undefined;
  /** Leader: the version its copy has to carry. Follower: the version it carries. */
  readonly version: number;
  /** Shard and sequence number in the copy's own index. */
  readonly shard: number;
  readonly seqNo: number;
}

interface LeaderListing {
  readonly leader: LeaderCluster;
  readonly view: View;
  readonly scheme: VersionScheme;
  readonly pageSize: number;
}

export async function* leaderCopies(
  { leader, view, scheme, pageSize }: LeaderListing,
  signal: AbortSignal,
): AsyncGenerator<Copy> {
  const { index, shard } = view;
  let from = 0;
  for (;;) {
    const page = await leader.listBySeqNo(
      { index, shard, from, to: Number.MAX_SAFE_INTEGER, size: pageSize, view },
      signal,
    );
    for (const { id, routing, seqNo } of page)
      yield { id, routing, seqNo, shard, version: versionOf(scheme, seqNo, shard) };
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return;
    from = last.seqNo + 1;
  }
}

interface FollowerListing {
  readonly follower: FollowerCluster;
  readonly index: string;
  readonly shard: number;
  readonly pageSize: number;
}

/** Documents that do not change meanwhile are seen exactly once, also where several carry one version (written by somebody else). */
export async function* followerCopies(
  { follower, index, shard, pageSize }: FollowerListing,
  signal: AbortSignal,
): AsyncGenerator<Copy> {
  let after = Number.MIN_SAFE_INTEGER;
  let afterSeqNo: number | undefined;
  for (;;) {
    const page = await follower.listByVersion({ index, shard, after, afterSeqNo, size: pageSize }, signal);
    for (const { id, routing, version, seqNo } of page) yield { id, routing, version, seqNo, shard };
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return;
    after = last.version;
    afterSeqNo = last.seqNo;
  }
}

/** Merges streams that are each in order of version. */
export async function* inOrderOfVersion(streams: readonly AsyncGenerator<Copy>[]): AsyncGenerator<Copy> {
  const heads: { copy: Copy; rest: AsyncGenerator<Copy> }[] = [];
  for (const rest of streams) {
    const { value, done } = await rest.next();
    if (done !== true) heads.push({ copy: value, rest });
  }
  while (heads.length > 0) {
    let least = 0;
    for (let at = 1; at < heads.length; at += 1)
      if ((heads[at]?.copy.version ?? 0) < (heads[least]?.copy.version ?? 0)) least = at;
    const head = heads[least];
    if (head === undefined) return;
    yield head.copy;
    const { value, done } = await head.rest.next();
    if (done === true) heads.splice(least, 1);
    else head.copy = value;
  }
}
