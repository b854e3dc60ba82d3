import { assert } from './assert.ts';

/**
 * The external version a document carries on the follower:
 *
 *     version = epoch * 2^44 + seqNo * S + shard        (S = the leader's number of primary shards)
 *
 * It grows with every change of a document, is unique in the follower index, and names the leader operation and the leader shard
 * whatever the follower's own routing. It stays below 2^53, so that doubles (aggregations, JavaScript) hold it exactly; that
 * bounds epochs to 511 and `seqNo * S + shard` to 2^44 - 1 in each epoch.
 */
export interface VersionScheme {
  readonly epoch: number;
  /** By leader shard, where they differ: the history of one shard may end alone. */
  readonly epochs?: readonly number[];
  /** S: number of primary shards of the leader index. */
  readonly leaderShards: number;
}

export const EPOCH_SPAN = 2 ** 44;
export const EPOCH_MAX = 511;

export function epochBase(epoch: number): number {
  assert(Number.isInteger(epoch) && epoch >= 1 && epoch <= EPOCH_MAX, `epoch ${epoch} is in 1..${EPOCH_MAX}`);
  return epoch * EPOCH_SPAN;
}

/** @param seqNo leader sequence number, 0 or more. */
export function versionOf(scheme: VersionScheme, seqNo: number, shard: number): number {
  assert(Number.isInteger(seqNo) && seqNo >= 0, `seq_no ${seqNo} is a natural number`);
  assert(shard >= 0 && shard < scheme.leaderShards, `shard ${shard} is one of ${scheme.leaderShards}`);
  const offset = seqNo * scheme.leaderShards + shard;
  assert(offset < EPOCH_SPAN, `seq_no ${seqNo} of ${scheme.leaderShards} shards fits one epoch`);
  return epochBase(epochOf(scheme, shard)) + offset;
}

/** What a follower document's version says, or `foreign` when it does not lie in the current epoch. */
export type Identity =
  | { readonly kind: 'leader-op'; readonly seqNo: number; readonly shard: number }
  | { readonly kind: 'foreign' };

export function identityOf(scheme: VersionScheme, version: number): Identity {
  if (version < 0 || !Number.isSafeInteger(version)) return { kind: 'foreign' };
  const offset = version % EPOCH_SPAN;
  const shard = offset % scheme.leaderShards;
  if ((version - offset) / EPOCH_SPAN !== epochOf(scheme, shard)) return { kind: 'foreign' };
  return { kind: 'leader-op', seqNo: (offset - shard) / scheme.leaderShards, shard };
}

function epochOf({ epoch, epochs }: VersionScheme, shard: number): number {
  return epochs?.[shard] ?? epoch;
}

/** The epoch after a full resync: above everything the follower holds, so that its old documents can be told from new ones. */
export function nextEpoch(greatestVersionOnFollower: number, greatestEpochKnown: number): number {
  return Math.max(Math.floor(Math.max(greatestVersionOnFollower, 0) / EPOCH_SPAN), greatestEpochKnown) + 1;
}
