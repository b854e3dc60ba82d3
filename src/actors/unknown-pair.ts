import { failed, type Failed } from '../domain/failure.ts';
import { shownIndex, type FollowerIndexRef } from '../domain/names.ts';
import type { Followed } from './index-status.ts';

/** Whoever names the leader is told what follows it. */
export function notFollowed(op: string, ref: FollowerIndexRef, all: readonly Followed[]): Failed {
  const copies = all.flatMap(({ index: { snapshot } }) =>
    shownIndex(snapshot.leader) === shownIndex(ref) ? [shownIndex(snapshot.follower)] : [],
  );
  const [copy] = copies;
  const reason = `${shownIndex(ref)} is not followed here`;
  return copy === undefined
    ? failed('unknown_pair', { op, reason })
    : failed('unknown_pair', {
        op,
        reason: `${reason}; it is the leader of ${copies.join(', ')}`,
        hint: `Name the follower: ${copy}`,
      });
}

export function noSuchShard(op: string, ref: FollowerIndexRef, shard: number, named: readonly Followed[]): Failed {
  const last = Math.max(...named.map(({ pairs }) => pairs.length)) - 1;
  const shards = last === 0 ? 'shard 0 alone' : `shards 0 to ${last}`;
  return failed('unknown_pair', { op, reason: `${shownIndex(ref)} has ${shards}, not ${shard}` });
}
