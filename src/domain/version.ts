import { assert } from './assert.ts';

/**
 * How versions of one epoch are shared out among the leader's shards.
 *
 * - interleaved  `seqNo * S + shard`: where shards align
 * - by-shard     `shard * floor(2^44 / S) + seqNo`: where they do not. Each leader shard has a range of its own, which histograms, counts and
 *                listings of the whole follower index can be bounded to; and a delete under a version of one shard's range passes no document
 *                that a shard of a higher range wrote, and a write of a lower range never replaces one (docs/adr/0010)
 */
export type VersionLayout = 'interleaved' | 'by-shard';

/**
 * The external version a document carries on the follower:
 *
 *     version = epoch * 2^44 + seqNo * S + shard        (S = the leader's number of primary shards; see `VersionLayout`)
 *
 * It grows with every change of a document, is unique in the follower index, and names the leader operation and the leader shard
 * whatever the follower's own routing. It stays below 2^53, so that doubles (aggregations, JavaScript) hold it exactly; that
 * bounds epochs to 511 and sequence numbers to 2^44 / S in each epoch.
 */
export interface VersionScheme {
  readonly layout: VersionLayout;
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
  const base = epochBase(epochOf(scheme, shard));
  if (scheme.layout === 'by-shard') {
    const span = shardSpan(scheme);
    assert(seqNo < span, `seq_no ${seqNo} of ${scheme.leaderShards} shards fits one epoch`);
    return base + shard * span + seqNo;
  }
  const offset = seqNo * scheme.leaderShards + shard;
  assert(offset < EPOCH_SPAN, `seq_no ${seqNo} of ${scheme.leaderShards} shards fits one epoch`);
  return base + offset;
}

/** Versions of one leader shard in one epoch, by shard. */
function shardSpan({ leaderShards }: VersionScheme): number {
  return Math.floor(EPOCH_SPAN / leaderShards);
}

/**
 * The versions of one leader shard in one epoch, where they are a range of their own (`by-shard`).
 *
 * @param epoch 0: what somebody else wrote, as far as it falls to this shard to find it.
 */
export function shardVersions(scheme: VersionScheme, shard: number, epoch: number): { from: number; to: number } {
  assert(scheme.layout === 'by-shard', 'each shard has a range of versions of its own');
  const span = shardSpan(scheme);
  const from = epoch * EPOCH_SPAN + shard * span;
  return { from, to: from + span - 1 };
}

/** The leader shard that a version names, in whatever epoch; no shard's number where it lies in none's range. */
export function shardNamedBy(scheme: VersionScheme, version: number): number {
  const offset = version % EPOCH_SPAN;
  return scheme.layout === 'by-shard' ? Math.floor(offset / shardSpan(scheme)) : offset % scheme.leaderShards;
}

/** The leader shard whose pair looks after a document that somebody else wrote; a version of no shard's range falls to the last. */
export function ownerOfForeign(scheme: VersionScheme, version: number): number {
  return Math.min(shardNamedBy(scheme, version), scheme.leaderShards - 1);
}

/** What a follower document's version says, or `foreign` when it does not lie in the current epoch. */
export type Identity =
  | { readonly kind: 'leader-op'; readonly seqNo: number; readonly shard: number }
  | { readonly kind: 'foreign' };

export function identityOf(scheme: VersionScheme, version: number): Identity {
  if (version < 0 || !Number.isSafeInteger(version)) return { kind: 'foreign' };
  const offset = version % EPOCH_SPAN;
  const shard = shardNamedBy(scheme, version);
  if (shard >= scheme.leaderShards || (version - offset) / EPOCH_SPAN !== epochOf(scheme, shard))
    return { kind: 'foreign' };
  const seqNo =
    scheme.layout === 'by-shard' ? offset - shard * shardSpan(scheme) : (offset - shard) / scheme.leaderShards;
  return { kind: 'leader-op', seqNo, shard };
}

function epochOf({ epoch, epochs }: VersionScheme, shard: number): number {
  return epochs?.[shard] ?? epoch;
}

/** The epoch after a full resync: above everything the follower holds, so that its old documents can be told from new ones. */
export function nextEpoch(greatestVersionOnFollower: number, greatestEpochKnown: number): number {
  return Math.max(Math.floor(Math.max(greatestVersionOnFollower, 0) / EPOCH_SPAN), greatestEpochKnown) + 1;
}
