import { failed, type Failed } from '../domain/failure.ts';
import { shownIndex, type FollowerIndexRef } from '../domain/names.ts';
import type { IndexSnapshot } from '../domain/journal.ts';

/** Whoever names the leader is told what follows it. */
export function notFollowed(op: string, ref: FollowerIndexRef, all: readonly IndexSnapshot[]): Failed {
  const copies = all.flatMap(({ leader, follower }) =>
    shownIndex(leader) === shownIndex(ref) ? [shownIndex(follower)] : [],
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

export function noSuchShard(op: string, ref: FollowerIndexRef, shard: number, named: readonly IndexSnapshot[]): Failed {
  const last = Math.max(...named.map(({ shards }) => shards)) - 1;
  const shards = last === 0 ? 'shard 0 alone' : `shards 0 to ${last}`;
  return failed('unknown_pair', { op, reason: `${shownIndex(ref)} has ${shards}, not ${shard}` });
}
