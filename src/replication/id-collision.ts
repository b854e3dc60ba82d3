import { failed } from '../domain/failure.ts';
import { shardNamedBy, type VersionScheme } from '../domain/version.ts';
import { decodeText } from '../domain/wire/bulk-answer.ts';
import type { SearchPage, WireHit } from '../domain/wire/search-page.ts';
import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { LeaderCluster } from '../ports/leader-cluster.ts';
import type { ListedDocument } from '../ports/search-cluster.ts';

export interface CollisionTarget {
  readonly leader: LeaderCluster;
  readonly follower: FollowerCluster;
  readonly leaderIndex: string;
  readonly followerIndex: string;
  readonly shard: number;
  /** Versions by shard: of two documents that meet on the follower, that of the higher shard wins, whatever the order. */
  readonly scheme: VersionScheme;
  /** The leader's `index.max_result_window`. */
  readonly resultWindow: number;
}

/** Ids of one request; a list of them takes milliseconds, as each is one look into the terms of each segment. */
const IDS_AT_ONCE = 2000;
/** A search of more than 128 shards skips some that cannot match, which looks like a partial answer. */
const SHARDS_AT_ONCE = 100;

/**
 * To be called when these hits are on the follower, before their page counts as applied. One id may live on several leader shards under several
 * routings, and where shards do not align two such documents may meet in one place of the follower. What a lower shard writes there later is
 * refused (409); but a higher shard replaces what is there without a sign, and this finds it: whatever was replaced was read from the leader before, so
 * it shows in a search there now, unless it was deleted meanwhile and nothing is lost.
 *
 * Throws `id_collision` if the leader still has a document that one of these replaced.
 */
export async function refuseCollisions(
  target: CollisionTarget,
  page: SearchPage,
  hits: readonly WireHit[],
  signal: AbortSignal,
): Promise<void> {
  const others = replaceable(target);
  let met = 0;
  for (let first = 0; first < others.length; first += SHARDS_AT_ONCE) {
    const shards = others.slice(first, first + SHARDS_AT_ONCE);
    for (let at = 0; at < hits.length; at += IDS_AT_ONCE) {
      const twins = await twinsOf(target, { shards, page, hits: hits.slice(at, at + IDS_AT_ONCE) }, signal);
      met += await countMet(target, twins, signal);
    }
  }
  if (met === 0) return;
  throw failed('id_collision', {
    op: 'bulk',
    cluster: target.follower.name,
    reason: `${met} documents of other leader shards have the ids of documents of leader shard ${target.shard}, and share their places on the follower`,
  });
}

/** The leader shards whose documents this one may replace: the lower ones; any, once its epoch is above that of others. */
function replaceable({ shard, scheme }: CollisionTarget): readonly number[] {
  const all = Array.from({ length: scheme.leaderShards }, (_, other) => other);
  return all.filter((other) => (scheme.epoch === 1 ? other < shard : other !== shard));
}

/** The leader's documents on these shards that have the id of one of the hits. */
async function twinsOf(
  target: CollisionTarget,
  searched: { readonly shards: readonly number[]; readonly page: SearchPage; readonly hits: readonly WireHit[] },
  signal: AbortSignal,
): Promise<readonly ListedDocument[]> {
  const { shards, page, hits } = searched;
  const ids = (some: readonly WireHit[]): readonly string[] =>
    some.map(({ idStart, idEnd }) => decodeText(page.body, idStart, idEnd));
  const size = Math.min(target.resultWindow, 10_000);
  const found = await target.leader.listIds(
    {
      index: target.leaderIndex,
      shards,
      unrouted: ids(hits.filter(({ routingStart }) => routingStart < 0)),
      routed: ids(hits.filter(({ routingStart }) => routingStart >= 0)),
      size,
    },
    signal,
  );
  if (found.length < size || hits.length === 1) return found;
  const half = Math.ceil(hits.length / 2);
  // One after the other: when one fails, nothing goes on reading a page that is given back then.
  const first = await twinsOf(target, { ...searched, hits: hits.slice(0, half) }, signal);
  return [...first, ...(await twinsOf(target, { ...searched, hits: hits.slice(half) }, signal))];
}

/** How many of them have their place on the follower where a document of this shard lives: there, too, the routing decides. */
async function countMet(
  { follower, followerIndex, scheme, shard }: CollisionTarget,
  twins: readonly ListedDocument[],
  signal: AbortSignal,
): Promise<number> {
  const places = await follower.multiGet(followerIndex, twins, signal);
  return places.filter(({ version }) => version !== undefined && shardNamedBy(scheme, version) === shard).length;
}
