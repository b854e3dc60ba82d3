import { assert, present } from '../../domain/assert.ts';
import { identityOf } from '../../domain/version.ts';
import type { FoundDocument } from '../../ports/search-cluster.ts';
import { compareContents, type Pair, type Side } from './contents.ts';
import type { Copy } from './copies.ts';
import {
  type Doubt,
  endingOf,
  findingOf,
  isAheadOfLeader,
  judge,
  needsLeaderAfter,
  newDoubt,
  recordDifference,
} from './doubts.ts';
import { type Fence, statsOf } from './fence.ts';
import type { Tally } from './report.ts';
import type { VerifyLimits, VerifyRequest } from './request.ts';

export interface Settling {
  readonly open: number;
  /** Remembers a document; looks at the new ones once they fill a batch, and waits while too many are open. */
  doubt(
    copy: Copy,
    options: { side: 'leader' | 'follower'; fence: Fence; sharesVersion?: boolean },
    signal: AbortSignal,
  ): Promise<void>;
  /** Looks again until at most `openMax` are left. */
  settle(openMax: number, signal: AbortSignal): Promise<void>;
}

const ROUND_GROWTH = 1.5;
const ROUND_GROWTH_MAX = 10;
/** Pause in multiples of the last round's own time, so that many doubtful documents do not load the clusters. */
const PAUSE_SHARE = 2;

type Seen = { readonly doubt: Doubt; readonly leader: FoundDocument; readonly follower: FoundDocument };

export function createSettling(
  request: VerifyRequest,
  limits: VerifyLimits,
  tally: Tally,
  onRound: (open: number) => void,
): Settling {
  const { leader, follower, leaderIndex, followerIndex, scheme, aligned, contents, clock } = request;
  const open = new Map<string, Doubt>();
  let fresh: Doubt[] = [];

  async function lookAt(doubts: readonly Doubt[], signal: AbortSignal): Promise<void> {
    const leaderFound = await leader.multiGet(
      leaderIndex,
      doubts.map((doubt) => doubt.key),
      signal,
    );
    const followerFound = await follower.multiGet(
      followerIndex,
      doubts.map((doubt) => doubt.key),
      signal,
    );
    const seen = doubts.map((doubt, at): Seen => ({
      doubt,
      leader: answer(leaderFound, at),
      follower: answer(followerFound, at),
    }));
    const again = seen.filter((one) => needsLeaderAfter(one.doubt, scheme, one));
    const foundAgain =
      again.length === 0
        ? []
        : await leader.multiGet(
            leaderIndex,
            again.map((one) => one.doubt.key),
            signal,
          );
    const leaderAfter = new Map(again.map((one, at) => [one.doubt, answer(foundAgain, at)]));
    const equal: Seen[] = [];
    for (const one of seen) {
      const verdict = judge(one.doubt, scheme, {
        leader: one.leader,
        follower: one.follower,
        leaderAfter: leaderAfter.get(one.doubt),
      });
      if (verdict === 'doubtful') continue;
      if (verdict === 'overtaken') tally.overtaken += 1;
      else if (contents !== undefined && one.follower.found) equal.push(one);
      if (verdict === 'overtaken' || contents === undefined || !one.follower.found) close(one.doubt);
    }
    if (equal.length > 0) await compareEqual(equal, signal);
  }

  /** The same operation on both sides: now its content. What changed in between stays open. */
  async function compareEqual(equal: readonly Seen[], signal: AbortSignal): Promise<void> {
    const reading = present(contents, 'contents are compared');
    await leader.refresh(leaderIndex, signal);
    await follower.refresh(followerIndex, signal);
    const leaderStats = await statsOf(leader, leaderIndex, signal);
    const followerStats = await statsOf(follower, followerIndex, signal);
    const side = (reader: Side['reader'], index: string, stats: typeof leaderStats): Side => ({
      reader,
      index,
      nodeOf: (shard) => stats.get(shard)?.nodeId ?? '',
      views: new Map(),
      pageDocuments: limits.pageDocuments,
    });
    const sides = {
      leader: side(leader, leaderIndex, leaderStats),
      follower: side(reading.followerReader, followerIndex, followerStats),
      digest: reading.digest,
    };
    const doubtOf = new Map<Pair, Doubt>();
    // Where the follower's shard is not known, every shard is asked; a shard that does not hold the document says nothing.
    for (const one of equal)
      for (const shard of one.doubt.followerShard === undefined ? followerStats.keys() : [one.doubt.followerShard])
        doubtOf.set(pairOf(one, shard), one.doubt);
    const pairs = [...doubtOf.keys()];
    const { different, unread } = await compareContents(pairs, sides, signal);
    const said = new Set([...different, ...unread]);
    for (const pair of different) {
      const doubt = present(doubtOf.get(pair), 'every pair has its doubt');
      tally.differing.add({ ...findingOf(doubt), cause: 'content' });
      open.delete(keyOf(doubt.key));
    }
    for (const pair of pairs) if (!said.has(pair)) close(present(doubtOf.get(pair), 'every pair has its doubt'));
  }

  function pairOf({ doubt, leader: onLeader, follower: onFollower }: Seen, followerShard: number): Pair {
    const version = present(onFollower.version, 'found on the follower');
    const identity = identityOf(scheme, version);
    assert(identity.kind === 'leader-op', 'the follower holds the operation of the leader');
    const leaderShard = doubt.leaderShard ?? identity.shard;
    const copy = (shard: number, seqNo: number | undefined): Copy => ({
      ...doubt.key,
      version,
      shard,
      seqNo: present(seqNo, 'found on both sides'),
    });
    return { leader: copy(leaderShard, onLeader.seqNo), follower: copy(followerShard, onFollower.seqNo) };
  }

  function close(doubt: Doubt): void {
    if (open.delete(keyOf(doubt.key))) tally.compared += 1;
  }

  async function lookAtFresh(signal: AbortSignal): Promise<void> {
    const doubts = fresh;
    fresh = [];
    if (doubts.length > 0) await lookAt(doubts, signal);
  }

  async function endThoseOverdue(signal: AbortSignal): Promise<void> {
    const nowMs = clock.monotonic();
    const overdue: Doubt[] = [];
    for (const [key, doubt] of open) {
      const ending = endingOf(doubt, scheme, { nowMs, patienceMs: limits.patienceMs });
      if (ending === 'later') continue;
      open.delete(key);
      if (ending === 'different') recordDifference(doubt, scheme, tally);
      else overdue.push(doubt);
    }
    if (overdue.length === 0) return;
    const stats = await statsOf(leader, leaderIndex, signal);
    for (const doubt of overdue) {
      if (isAheadOfLeader(doubt, scheme, stats)) recordDifference(doubt, scheme, tally);
      else tally.undecided.add(findingOf(doubt));
    }
  }

  const settling: Settling = {
    get open() {
      return open.size;
    },
    async doubt(copy, { side, fence, sharesVersion = false }, signal) {
      const known = open.get(keyOf(copy));
      if (known !== undefined && known.fence === fence) {
        if (side === 'leader') known.leaderShard = copy.shard;
        else known.followerShard = copy.shard;
        known.sharesVersion ||= sharesVersion;
        return;
      }
      const doubt = newDoubt({ copy, side, aligned, fence, sharesVersion, nowMs: clock.monotonic() });
      open.set(keyOf(copy), doubt);
      fresh.push(doubt);
      if (fresh.length >= limits.batchDocuments) await lookAtFresh(signal);
      if (open.size >= limits.doubtsMax) await settling.settle(Math.floor(limits.doubtsMax / 2), signal);
    },
    async settle(openMax, signal) {
      await lookAtFresh(signal);
      await endThoseOverdue(signal);
      let pauseMs = limits.roundMs;
      let roundTookMs = 0;
      while (open.size > openMax) {
        onRound(open.size);
        await clock.sleep(Math.max(pauseMs, roundTookMs * PAUSE_SHARE), signal);
        pauseMs = Math.min(pauseMs * ROUND_GROWTH, limits.roundMs * ROUND_GROWTH_MAX);
        const startedMs = clock.monotonic();
        const doubts = [...open.values()];
        for (let at = 0; at < doubts.length; at += limits.batchDocuments)
          await lookAt(doubts.slice(at, at + limits.batchDocuments), signal);
        roundTookMs = clock.monotonic() - startedMs;
        await endThoseOverdue(signal);
      }
    },
  };
  return settling;
}

function answer(found: readonly FoundDocument[], at: number): FoundDocument {
  return present(found[at], 'a multi-get answers every key');
}

function keyOf({ id, routing }: { id: string; routing: string | undefined }): string {
  return routing === undefined ? id : JSON.stringify([id, routing]);
}
