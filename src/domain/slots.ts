import { indexKey, type FollowerIndexRef } from './names.ts';

/** Fixed for ever: another number would give the same index two owners while supervisors of two versions run. */
export const SLOT_COUNT = 256;

/**
 * The slot of a follower index, and so of all its pairs: metadata go before documents, settings are restored after the last shard, and counts
 * of shards that do not align are added up, which all want one owner for each index. FNV-1a over code points, then mixed, since the low bits
 * of FNV alone are uneven for names that differ in their last characters.
 */
export function slotOf(follower: FollowerIndexRef): number {
  let hash = 0x811c9dc5;
  for (const character of indexKey(follower)) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % SLOT_COUNT;
}
