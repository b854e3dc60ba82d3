import { nameFromToken, subjectToken, type FollowerIndexRef, type PairRef } from './names.ts';

/**
 * Subjects of the journal, one for each entity, under the stream's prefix:
 *
 *     <prefix>.index.<cluster>.<index>          prefix default: slipstream.journal
 *     <prefix>.pair.<cluster>.<index>.<shard>
 *     <prefix>.pattern.<name>, <prefix>.slot.<number>   reserved
 *
 * Names are encoded by `subjectToken`.
 */
export function indexSubject(follower: FollowerIndexRef): string {
  return `index.${subjectToken(follower.cluster)}.${subjectToken(follower.index)}`;
}

export function pairSubject(pair: PairRef): string {
  return `pair.${subjectToken(pair.follower.cluster)}.${subjectToken(pair.follower.index)}.${pair.shard}`;
}

/** What a subject of an index or a pair names; undefined for any other. */
export function subjectTarget(subject: string): { follower: FollowerIndexRef; shard?: number } | undefined {
  const [entity, cluster, index, shard, ...rest] = subject.split('.');
  if (cluster === undefined || index === undefined || rest.length > 0) return undefined;
  const follower = { cluster: nameFromToken(cluster), index: nameFromToken(index) };
  if (entity === 'index' && shard === undefined) return { follower };
  return entity === 'pair' && /^\d+$/.test(shard ?? '') ? { follower, shard: Number(shard) } : undefined;
}
