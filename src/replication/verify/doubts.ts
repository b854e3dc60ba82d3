/**
 * Documents that were not equal at first sight. Each is looked at again on both sides, in realtime, until both agree or its time is over.
 *
 * In step: the follower holds exactly what the leader showed just before. For a document that the leader keeps changing it is enough that the
 * follower was behind a state read from the leader and has passed it since, without being ahead of the leader.
 *
 * Different: the leader's document has not changed since the checkpoint, and the follower still does not hold it although the patience is over.
 * Undecided: the leader's document changed after the checkpoint, so its state there is not known any more. Never so when the follower claims an
 * operation that the leader has not run yet.
 */
import type { IndexShardStats } from '../../domain/shard-stats.ts';
import type { VersionScheme } from '../../domain/version.ts';
import { identityOf, shardNamedBy, versionOf } from '../../domain/version.ts';
import type { DocumentKey, FoundDocument } from '../../ports/search-cluster.ts';
import type { Copy } from './copies.ts';
import type { Fence } from './fence.ts';
import type { Finding, Tally } from './report.ts';

export interface Doubt {
  readonly key: DocumentKey;
  readonly fence: Fence;
  readonly firstSeenMs: number;
  /** Known when it was seen in a listing, or by alignment. */
  leaderShard: number | undefined;
  followerShard: number | undefined;
  sharesVersion: boolean;
  /** Version of a leader state that the follower was once seen behind. */
  passing: number | undefined;
  /** What was seen last. */
  leaderSeqNo: number | undefined;
  followerVersion: number | undefined;
  /** Whether the last two looks saw the same on the leader. */
  leaderSteady: boolean;
  looks: number;
}

/** What one look at one document saw, in this order. */
export interface Look {
  readonly leader: FoundDocument;
  readonly follower: FoundDocument;
  /** Read after the follower; undefined when it was not necessary. */
  readonly leaderAfter: FoundDocument | undefined;
}

export type Verdict = 'equal' | 'overtaken' | 'doubtful';

export function newDoubt(options: {
  copy: Copy;
  side: 'leader' | 'follower';
  aligned: boolean;
  fence: Fence;
  sharesVersion: boolean;
  nowMs: number;
}): Doubt {
  const { copy, side, aligned, fence, sharesVersion, nowMs } = options;
  return {
    key: { id: copy.id, routing: copy.routing },
    fence,
    firstSeenMs: nowMs,
    leaderShard: aligned || side === 'leader' ? copy.shard : undefined,
    followerShard: aligned || side === 'follower' ? copy.shard : undefined,
    sharesVersion,
    passing: undefined,
    leaderSeqNo: undefined,
    followerVersion: undefined,
    leaderSteady: false,
    looks: 0,
  };
}

/** The version that the leader's state has to carry on the follower; undefined when its shard is not known. */
function versionWanted(
  doubt: Doubt,
  scheme: VersionScheme,
  leaderSeqNo: number,
  followerVersion: number | undefined,
): number | undefined {
  const claimed = followerVersion === undefined ? undefined : identityOf(scheme, followerVersion);
  const shard = doubt.leaderShard ?? (claimed?.kind === 'leader-op' ? claimed.shard : undefined);
  return shard === undefined ? undefined : versionOf(scheme, leaderSeqNo, shard);
}

/** Whether the leader has to be asked once more after the follower: only then can a follower that is ahead of the first answer be judged. */
export function needsLeaderAfter(
  doubt: Doubt,
  scheme: VersionScheme,
  { leader, follower }: Pick<Look, 'leader' | 'follower'>,
): boolean {
  if (doubt.passing === undefined || follower.version === undefined) return false;
  return (
    leader.seqNo === undefined || follower.version > (versionWanted(doubt, scheme, leader.seqNo, follower.version) ?? 0)
  );
}

export function judge(doubt: Doubt, scheme: VersionScheme, look: Look): Verdict {
  const leaderSeqNo = look.leader.seqNo;
  const followerVersion = look.follower.version;
  doubt.leaderSteady = doubt.looks > 0 && doubt.leaderSeqNo === leaderSeqNo;
  doubt.leaderSeqNo = leaderSeqNo;
  doubt.followerVersion = followerVersion;
  doubt.looks += 1;
  if (leaderSeqNo === undefined) {
    if (followerVersion === undefined) return 'equal';
  } else {
    const wanted = versionWanted(doubt, scheme, leaderSeqNo, followerVersion);
    if (wanted !== undefined && wanted === followerVersion) return 'equal';
    if (doubt.passing === undefined && wanted !== undefined && (followerVersion ?? 0) < wanted) {
      doubt.passing = wanted;
      return 'doubtful';
    }
  }
  return hasPassed(doubt, scheme, look) ? 'overtaken' : 'doubtful';
}

function hasPassed({ passing, ...doubt }: Doubt, scheme: VersionScheme, look: Look): boolean {
  const held = look.follower.version;
  const bound = (look.leaderAfter ?? look.leader).seqNo;
  if (passing === undefined || held === undefined || bound === undefined || held < passing) return false;
  const wanted = versionWanted({ passing, ...doubt }, scheme, bound, held);
  return wanted !== undefined && held <= wanted && shardNamedBy(scheme, held) === shardNamedBy(scheme, wanted);
}

/** `later`: look again. */
export type Ending = 'different' | 'undecided' | 'later';

export function endingOf(doubt: Doubt, scheme: VersionScheme, options: { nowMs: number; patienceMs: number }): Ending {
  const { nowMs, patienceMs } = options;
  if (!isAsAtFence(doubt, scheme)) return nowMs >= doubt.firstSeenMs + patienceMs ? 'undecided' : 'later';
  return doubt.leaderSteady && nowMs >= doubt.fence.takenAtMs + patienceMs ? 'different' : 'later';
}

/** Whether what was seen last on the leader was already so at the checkpoint. */
function isAsAtFence({ leaderSeqNo, leaderShard, followerVersion, fence }: Doubt, scheme: VersionScheme): boolean {
  if (leaderSeqNo !== undefined)
    return leaderShard !== undefined && leaderSeqNo <= (fence.checkpoints.get(leaderShard) ?? -1);
  if (followerVersion === undefined) return true;
  // Not on the leader: it was deleted before the checkpoint, or after it; then the follower had to hold it or something older at the checkpoint, and
  // has had the same patience since. Only a copy of something newer proves nothing.
  const identity = identityOf(scheme, followerVersion);
  return identity.kind === 'foreign' || identity.seqNo <= (fence.checkpoints.get(identity.shard) ?? -1);
}

/** Whether the follower claims an operation that the leader had not run when its numbers were read, after the follower's document was. */
export function isAheadOfLeader({ followerVersion }: Doubt, scheme: VersionScheme, leader: IndexShardStats): boolean {
  const identity = followerVersion === undefined ? undefined : identityOf(scheme, followerVersion);
  if (identity?.kind !== 'leader-op') return false;
  const maxSeqNo = leader.get(identity.shard)?.maxSeqNo;
  return maxSeqNo !== undefined && identity.seqNo > maxSeqNo;
}

export function findingOf({ key, leaderShard, leaderSeqNo, followerVersion }: Doubt): Finding {
  return { id: key.id, routing: key.routing, shard: leaderShard, leaderSeqNo, followerVersion };
}

/** Counts a document that is different for good. */
export function recordDifference(doubt: Doubt, scheme: VersionScheme, tally: Tally): void {
  const finding = findingOf(doubt);
  const isForeign = doubt.followerVersion !== undefined && identityOf(scheme, doubt.followerVersion).kind === 'foreign';
  if (doubt.followerVersion === undefined) tally.missing.add(finding);
  else if (isForeign) tally.foreign.add(finding);
  else if (doubt.leaderSeqNo === undefined) tally.extra.add(finding);
  else tally.differing.add({ ...finding, cause: 'identity' });
  if (doubt.sharesVersion && !isForeign && doubt.followerVersion !== undefined) tally.duplicates.add(finding);
}
