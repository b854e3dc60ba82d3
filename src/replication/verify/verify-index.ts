/**
 * Compares a follower index with its leader, document by document, while writes may go on: both are listed in the order of the leader's operations and
 * merged. What does not agree at first sight is looked at again (doubts.ts). Memory is bounded whatever the size of the indices.
 */
import { failed } from '../../domain/failure.ts';
import { type Pair, compareContents } from './contents.ts';
import { type Copy, followerCopies, inOrderOfVersion, leaderCopies } from './copies.ts';
import { assertUnchanged, closeViews, identityOfIndex, openViews, statsOf, takeFence } from './fence.ts';
import { mergeCopies } from './merge.ts';
import { emptyTally, type Finding, reportOf, type Tally, type VerifyReport } from './report.ts';
import { VERIFY_LIMITS, type VerifyLimits, type VerifyRequest } from './request.ts';
import { Settling } from './settling.ts';

/** Shards that hold the same documents: one of each index where they are aligned, else all of both. */
interface Lane {
  readonly leaderShards: readonly number[];
  readonly followerShards: readonly number[];
}

/**
 * Throws `Failed` when the indices could not be compared: a cluster did not answer wholly, or the leader's history, primary or either index changed.
 * A report is `equal` only if every document of the leader's views was found in step on the follower, and every other document of the follower was
 * found to be gone or in step by a second look.
 */
export async function verifyIndex(request: VerifyRequest, signal: AbortSignal): Promise<VerifyReport> {
  const { leader, follower, leaderIndex, followerIndex, scheme, contents, clock } = request;
  const limits: VerifyLimits = { ...VERIFY_LIMITS, ...request.limits };
  const startedMs = clock.monotonic();
  const before = [
    await identityOfIndex(leader, leaderIndex, signal),
    await identityOfIndex(follower, followerIndex, signal),
  ] as const;
  const tally = emptyTally(limits.samplesMax);
  const progress = (phase: 'reading' | 'settling', doubtful: number): void =>
    request.onProgress({ phase, documents: tally.leaderDocuments, doubtful });
  const settling = new Settling({ request, limits, tally, onRound: (open) => progress('settling', open) });
  const followerShards = [...before[1].versions.primaryTerms.keys()];
  const leaderShards = [...before[0].versions.primaryTerms.keys()];
  if (leaderShards.length !== scheme.leaderShards) {
    const reason = `${leader.name}:${leaderIndex} has ${leaderShards.length} shards, not ${scheme.leaderShards}`;
    throw failed('shard_count_changed', { op: 'verify', cluster: leader.name, reason });
  }
  const lanes: readonly Lane[] = request.aligned
    ? leaderShards.map((shard) => ({ leaderShards: [shard], followerShards: [shard] }))
    : [{ leaderShards, followerShards }];
  for (const lane of lanes)
    await compareLane(
      { request, limits, tally, lane, settling, onPage: () => progress('reading', settling.open) },
      signal,
    );
  await settling.settle(0, signal);
  assertUnchanged(before[0], await identityOfIndex(leader, leaderIndex, signal), `${leader.name}:${leaderIndex}`);
  assertUnchanged(
    before[1],
    await identityOfIndex(follower, followerIndex, signal),
    `${follower.name}:${followerIndex}`,
  );
  return reportOf(tally, {
    leaderShards: scheme.leaderShards,
    contentHash: contents !== undefined,
    tookMs: Math.round(clock.monotonic() - startedMs),
  });
}

interface LaneComparison {
  readonly request: VerifyRequest;
  readonly limits: VerifyLimits;
  readonly tally: Tally;
  readonly lane: Lane;
  readonly settling: Settling;
  readonly onPage: () => void;
}

async function compareLane(comparison: LaneComparison, signal: AbortSignal): Promise<void> {
  const { request, limits, tally, lane, settling, onPage } = comparison;
  const { leader, follower, leaderIndex, followerIndex, scheme, contents, clock } = request;
  const fence = await takeFence({ leader, index: leaderIndex, shards: lane.leaderShards, clock }, signal);
  for (const [shard, checkpoint] of fence.checkpoints) tally.checkpoints.set(shard, checkpoint);
  const views = await openViews({ leader, index: leaderIndex, shards: lane.leaderShards }, signal);
  try {
    await follower.refresh(followerIndex, signal);
    const pageSize = limits.pageDocuments;
    const leaderSide = counted(
      inOrderOfVersion(Array.from(views.values(), (view) => leaderCopies({ leader, view, scheme, pageSize }, signal))),
      () => {
        tally.leaderDocuments += 1;
        if (tally.leaderDocuments % pageSize === 0) onPage();
      },
    );
    const listings = lane.followerShards.map((shard) =>
      followerCopies({ follower, index: followerIndex, shard, pageSize }, signal),
    );
    const followerSide = counted(inOrderOfVersion(listings), () => {
      tally.followerDocuments += 1;
    });
    let block: Pair[] = [];
    const flush = async (): Promise<void> => {
      const pairs = block;
      block = [];
      if (pairs.length > 0) await compareBlock(pairs, views);
    };
    for await (const step of mergeCopies(leaderSide, followerSide)) {
      if (step.kind === 'leader') await settling.doubt(step.leader, { side: 'leader', fence }, signal);
      else if (step.kind === 'follower')
        await settling.doubt(step.follower, { side: 'follower', fence, sharesVersion: step.sharesVersion }, signal);
      else if (step.kind === 'routing') tally.differing.add({ ...differing(step), cause: 'routing' });
      else if (contents === undefined) tally.compared += 1;
      else if (block.push({ leader: step.leader, follower: step.follower }) >= limits.blockDocuments) await flush();
    }
    await flush();
    onPage();

    async function compareBlock(pairs: readonly Pair[], fixed: typeof views): Promise<void> {
      if (contents === undefined) return;
      const nodes = await statsOf(follower, followerIndex, signal);
      const sides = {
        leader: {
          reader: leader,
          index: leaderIndex,
          nodeOf: () => '',
          views: fixed,
          pageDocuments: limits.pageDocuments,
        },
        follower: {
          reader: contents.followerReader,
          index: followerIndex,
          nodeOf: (shard: number) => nodes.get(shard)?.nodeId ?? '',
          views: new Map(),
          pageDocuments: limits.pageDocuments,
        },
        digest: contents.digest,
      };
      const { different, unread } = await compareContents(pairs, sides, signal);
      for (const pair of different) tally.differing.add({ ...differing(pair), cause: 'content' });
      for (const pair of unread) await settling.doubt(pair.leader, { side: 'leader', fence }, signal);
      tally.compared += pairs.length - different.length - unread.length;
    }
  } finally {
    await closeViews(leader, views);
  }
}

function differing({ leader, follower }: Pair): Finding {
  return {
    id: leader.id,
    routing: leader.routing,
    shard: leader.shard,
    leaderSeqNo: leader.seqNo,
    followerVersion: follower.version,
  };
}

async function* counted(copies: AsyncGenerator<Copy>, onCopy: () => void): AsyncGenerator<Copy> {
  for await (const copy of copies) {
    onCopy();
    yield copy;
  }
}
