import { subjectToken, type FollowerIndexRef, type PairRef } from './names.ts';

/**
 * Subjects of the journal, one for each entity, under the stream's prefix:
 *
 *     <prefix>.index.<cluster>.<index>          prefix default: slipstream.journal
 *     <prefix>.pair.<cluster>.<index>.<shard>
 *
 * Names are encoded by `subjectToken`.
 */
export function indexSubject(follower: FollowerIndexRef): string {
  return `index.${subjectToken(follower.cluster)}.${subjectToken(follower.index)}`;
}

export function pairSubject(pair: PairRef): string {
  return `pair.${subjectToken(pair.follower.cluster)}.${subjectToken(pair.follower.index)}.${pair.shard}`;
}
