/** Churn on a leader that is followed live, one shard paused and resumed in the middle; what `npm run test:churn` and the tests have in common. */
import assert from 'node:assert/strict';
import type { PairStatus } from '../../src/domain/commands.ts';
import { type ChurnReport, createChurnIndex, differencesFromExpected, startChurn } from './churn/churn.ts';
import type { IndexComparison } from './compare-indices.ts';
import { LEADER, type World } from './replication-world.ts';
import { until } from './until.ts';

export interface ChurnRun {
  readonly operations: number;
  readonly seed: number;
  /** Of the follower, if other than the leader's two; ids have one routing each then. */
  readonly followerShards?: number;
  /** Hears how far the writers are. */
  readonly onProgress?: (operations: number) => void;
}

export interface ChurnProof {
  readonly report: ChurnReport;
  readonly pairs: readonly PairStatus[];
  readonly comparison: IndexComparison;
  /** From the last acknowledged write until everything was applied, deletes included. */
  readonly settledMs: number;
  /** Of the leader from what its writers were told: a fault of the test or of the leader, not of the copy. */
  readonly leaderDifferences: readonly string[];
}

const PAUSED_SHARD = 1;
const SETTLED_WITHIN_MS = 120_000;
const EFFECTIVE_WITHIN_MS = 30_000;

/** The supervisor of the world runs. Few ids, a fifth of them under several routings, and a leader that forgets its deletes after a second. */
export async function churnWhileFollowing(world: World, run: ChurnRun): Promise<ChurnProof> {
  const index = world.name('-churn');
  const address = { url: world.leader.url, index, headers: world.leader.headers };
  await createChurnIndex(address, { shards: 2, gcDeletes: '1s' });
  const settings = run.followerShards === undefined ? {} : { 'index.number_of_shards': run.followerShards };
  await world.control.follow({ leader: { cluster: LEADER, index }, follower: world.followerOf(index), settings });
  const churn = await startChurn({
    ...address,
    seed: run.seed,
    operations: run.operations,
    ...(run.followerShards === undefined ? {} : { routings: ['alder'] }),
    onBatch: ({ operations }) => run.onProgress?.(operations),
  });
  const follower = world.followerOf(index);
  // Writers that fail end the waiting at once.
  const reached = (share: number): Promise<unknown> =>
    Promise.race([
      churn.done,
      until('the writers go on', 600_000, async () =>
        churn.report().operations >= share * run.operations ? true : undefined,
      ),
    ]);
  try {
    await reached(0.3);
    const pause = await world.control.pause({ follower, shard: PAUSED_SHARD, waitMs: EFFECTIVE_WITHIN_MS });
    assert.ok(pause.effective, 'the pause is effective');
    await reached(0.6);
    const resume = await world.control.resume({ follower, shard: PAUSED_SHARD, waitMs: EFFECTIVE_WITHIN_MS });
    assert.ok(resume.effective, 'the resume is effective');
  } catch (thrown) {
    churn.stop();
    await churn.done.catch(() => undefined);
    throw thrown;
  }
  const report = await churn.done;
  const pairs = await world.awaitSettled(index, SETTLED_WITHIN_MS);
  const settledMs = Date.now() - report.lastAcknowledgedAtMs;
  const leaderDifferences = await differencesFromExpected(address, churn.expected);
  return { report, pairs, comparison: await world.compare(index), settledMs, leaderDifferences };
}

/** Throws unless the copy is exact and everything on the way to it was as it has to be. */
export function assertExact({ report, pairs, comparison, leaderDifferences }: ChurnProof): void {
  assert.deepEqual(leaderDifferences, [], 'the leader holds what its writers were told');
  const { onlyLeft, onlyRight, different } = comparison;
  assert.deepEqual({ onlyLeft, onlyRight, different }, { onlyLeft: [], onlyRight: [], different: [] });
  assert.ok(comparison.leftDocuments > 0, 'there is something to compare');
  for (const kind of ['create', 'update', 'partialUpdate', 'delete', 'recreate'] as const)
    assert.ok(report.byKind[kind] > 0, `there were operations of the kind ${kind}`);
  assert.ok(report.routed > 0, 'some documents are routed');
  for (const pair of pairs) {
    const { shard, conflicts, scanSurprises, foreignWrites, deleteScans, deletesFound } = pair;
    assert.deepEqual(
      { shard, conflicts, scanSurprises, foreignWrites },
      { shard, conflicts: 0, scanSurprises: 0, foreignWrites: 0 },
    );
    assert.ok(deleteScans > 0 && deletesFound > 0, `shard ${shard} found deletes by scanning`);
  }
}

export function sum(pairs: readonly PairStatus[], field: 'deleteScans' | 'deletesFound' | 'operationsWritten'): number {
  return pairs.reduce((total, pair) => total + pair[field], 0);
}
