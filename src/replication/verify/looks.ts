import { assert, present } from '../../domain/assert.ts';
import { identityOf, type VersionScheme } from '../../domain/version.ts';
import type { FoundDocument } from '../../ports/search-cluster.ts';
import { compareContents, type Pair, type Side } from './contents.ts';
import { type Doubt, judge, needsLeaderAfter } from './doubts.ts';
import { statsOf } from './fence.ts';
import type { ContentComparison, VerifyRequest } from './request.ts';

/** Where a document stood when both sides agreed. */
interface Agreement {
  readonly doubt: Doubt;
  readonly leader: FoundDocument;
  readonly follower: FoundDocument;
}

export interface LookResult {
  readonly equal: readonly Agreement[];
  readonly overtaken: readonly Doubt[];
}

/** One realtime look at each, all of the leader before all of the follower. */
export async function lookAt(
  doubts: readonly Doubt[],
  request: VerifyRequest,
  signal: AbortSignal,
): Promise<LookResult> {
  const { leader, follower, leaderIndex, followerIndex, scheme } = request;
  const keys = doubts.map((doubt) => doubt.key);
  const onLeader = await leader.multiGet(leaderIndex, keys, signal);
  const onFollower = await follower.multiGet(followerIndex, keys, signal);
  const seen = doubts.map((doubt, at): Agreement => ({
    doubt,
    leader: answerTo(onLeader, at),
    follower: answerTo(onFollower, at),
  }));
  const again = seen.filter((one) => needsLeaderAfter(one.doubt, scheme, one)).map((one) => one.doubt);
  const keysAgain = again.map((doubt) => doubt.key);
  const onLeaderAfter = keysAgain.length === 0 ? [] : await leader.multiGet(leaderIndex, keysAgain, signal);
  const leaderAfter = new Map(again.map((doubt, at) => [doubt, answerTo(onLeaderAfter, at)]));
  const equal: Agreement[] = [];
  const overtaken: Doubt[] = [];
  for (const one of seen) {
    const verdict = judge(one.doubt, scheme, { ...one, leaderAfter: leaderAfter.get(one.doubt) });
    if (verdict === 'equal') equal.push(one);
    else if (verdict === 'overtaken') overtaken.push(one.doubt);
  }
  return { equal, overtaken };
}

function answerTo(found: readonly FoundDocument[], at: number): FoundDocument {
  return present(found[at], 'a multi-get answers every key');
}

export interface ContentResult {
  readonly same: readonly Doubt[];
  readonly different: readonly Doubt[];
}

/** Compares the contents of what both sides hold alike. Those that changed in between are in neither list. */
export async function compareAgreed(
  agreed: readonly Agreement[],
  request: VerifyRequest,
  options: { contents: ContentComparison; pageDocuments: number },
  signal: AbortSignal,
): Promise<ContentResult> {
  const { leader, follower, leaderIndex, followerIndex, scheme } = request;
  const { contents, pageDocuments } = options;
  await leader.refresh(leaderIndex, signal);
  await follower.refresh(followerIndex, signal);
  const leaderStats = await statsOf(leader, leaderIndex, signal);
  const followerStats = await statsOf(follower, followerIndex, signal);
  const side = (reader: Side['reader'], index: string, stats: typeof leaderStats): Side => ({
    reader,
    index,
    nodeOf: (shard) => stats.get(shard)?.nodeId ?? '',
    views: new Map(),
    pageDocuments,
  });
  const sides = {
    leader: side(leader, leaderIndex, leaderStats),
    follower: side(contents.followerReader, followerIndex, followerStats),
    digest: contents.digest,
  };
  const doubtOf = new Map<Pair, Doubt>();
  // Where the follower's shard is not known, every shard is asked; one that does not hold the document says nothing.
  for (const one of agreed) {
    const shards = one.doubt.followerShard === undefined ? followerStats.keys() : [one.doubt.followerShard];
    for (const shard of shards) doubtOf.set(pairOf(one, scheme, shard), one.doubt);
  }
  const { different, unread } = await compareContents([...doubtOf.keys()], sides, signal);
  const doubtsOf = (pairs: readonly Pair[]): Doubt[] =>
    pairs.map((pair) => present(doubtOf.get(pair), 'every pair has its doubt'));
  const differing = doubtsOf(different);
  for (const pair of [...different, ...unread]) doubtOf.delete(pair);
  return { same: [...doubtOf.values()], different: differing };
}

function pairOf({ doubt, follower }: Agreement, scheme: VersionScheme, followerShard: number): Pair {
  const version = present(follower.version, 'found on the follower');
  const identity = identityOf(scheme, version);
  assert(identity.kind === 'leader-op', 'the follower holds an operation of the leader');
  const copy = { ...doubt.key, version };
  return {
    leader: { ...copy, shard: doubt.leaderShard ?? identity.shard, seqNo: identity.seqNo },
    follower: { ...copy, shard: followerShard, seqNo: present(follower.seqNo, 'found on the follower') },
  };
}
