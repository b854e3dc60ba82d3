/** What status tells of it. */
export function alignmentOf(index: { shards: number; followerShards?: number; aligned?: boolean }): {
  followerShards: number | null;
  aligned: boolean | null;
  note?: string;
} {
  const { shards, followerShards = null, aligned = null } = index;
  const told = { followerShards, aligned };
  if (aligned !== false) return told;
  const note =
    `${shards} ${shards === 1 ? 'shard' : 'shards'} into ${followerShards ?? '?'}, which do not align: every pair counts and compares by passing over ` +
    'the whole follower index, and one id under several routings may stop a pair (docs/unaligned.md)';
  return { ...told, note };
}

/** Values whose shards are compared. Fixed, so that the same two indices always get the same answer. */
export function sampleRoutingValues(count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `slipstream-sample-${at}`);
}

/** Two formulas agree on a value by chance at most every second time, so on all of 48 practically never. */
export const SAMPLE_SIZE = 48;

/**
 * Whether shard n of both indices holds the same documents. Indices of different age or product route by different formulas even with equal
 * numbers of shards, so it is asked, never assumed.
 */
export function isAligned(
  leader: { shards: number; places: readonly number[] },
  follower: { shards: number; places: readonly number[] },
): boolean {
  if (leader.shards !== follower.shards) return false;
  if (leader.shards === 1) return true;
  const { places } = leader;
  return (
    places.length > 0 &&
    places.length === follower.places.length &&
    places.every((shard, at) => shard === follower.places[at])
  );
}
