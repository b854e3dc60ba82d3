import { Failed, failed } from '../../domain/failure.ts';
import { compareAfterCreate, type Difference } from '../../domain/index-spec/created-index.ts';
import { followerIndexBody, shardsOf } from '../../domain/index-spec/follower-body.ts';
import { mappingToPut } from '../../domain/index-spec/follower-mapping.ts';
import type { FollowerMark } from '../../domain/index-spec/follower-mark.ts';
import type { IndexBody } from '../../domain/index-spec/index-shape.ts';
import { GUARD_BODY, GUARD_PIPELINE } from '../../domain/index-spec/write-guard.ts';
import type { VersionLayout } from '../../domain/version.ts';
import type { IndexAdmin, IndexDescription } from '../../ports/index-admin.ts';
import { askAlignment } from './alignment.ts';
import { type FollowPlan, ownMark } from './preflight.ts';
import { putSettingsSingly, tellingOverrides } from './put-settings.ts';

export interface PreparedFollower {
  readonly followerUuid: string;
  /** By this very call: false for one that stood, and for one whose creation was not acknowledged. */
  readonly created: boolean;
  readonly followerShards: number;
  readonly aligned: boolean;
  readonly layout: VersionLayout;
  /** As recorded in the mark: the one asked for, or the higher one that stood there. */
  readonly epoch: number;
  readonly guard: 'set' | { readonly notSet: string };
  /** Where the follower is not what was asked for, and what was done about it. */
  readonly differences: readonly Difference[];
}

/**
 * Creates the follower, or takes up one that carries our mark; safe to repeat after a crash at any point. Throws `settings_rejected` or `mapping_conflict`
 * when the follower refuses what the leader has or a template of its cluster spoils the copy, `follower_exists` when somebody else was faster.
 */
export async function prepareFollower(
  plan: FollowPlan,
  options: { readonly epoch: number; readonly primariesTimeoutMs: number },
  signal: AbortSignal,
): Promise<PreparedFollower> {
  const { followerAdmin, follower, leaderDescription } = plan;
  const guard = await raiseGuard(followerAdmin, signal);
  const { body, mark } = followerIndexBody({
    leader: leaderDescription,
    leaderCluster: plan.leader.cluster,
    leaderClusterUuid: plan.leaderClusterUuid,
    followerIndex: follower.index,
    journalId: plan.journalId,
    epoch: options.epoch,
    overrides: plan.overrides,
    guarded: guard === 'set',
    followerKnowsAll: plan.followerKnowsAll,
  });
  const { found, created } = await createOrFind(plan, body, signal);
  const standing = ownMark(found, { follower, journalId: plan.journalId, leaderUuid: leaderDescription.uuid });
  const epoch = Math.max(options.epoch, standing.epoch);
  await followerAdmin.awaitPrimaries(follower.index, options.primariesTimeoutMs, signal);
  const aligned = await askAlignment(
    { admin: plan.leaderAdmin, description: leaderDescription },
    { admin: followerAdmin, description: found },
    signal,
  );
  const layout = aligned ? 'interleaved' : 'by-shard';
  const versions = aligned ? {} : { versions: 'by-shard' as const };
  const differences = await settle(plan, { body, mark: { ...mark, epoch, ...versions }, found }, signal);
  return {
    followerUuid: found.uuid,
    created,
    followerShards: shardsOf(found),
    aligned,
    layout,
    epoch,
    guard,
    differences,
  };
}

/** Needs the cluster privilege manage_pipeline (or manage_ingest_pipelines); without it there is no guard, which is told and no fault. */
async function raiseGuard(admin: IndexAdmin, signal: AbortSignal): Promise<PreparedFollower['guard']> {
  try {
    await admin.putPipeline(GUARD_PIPELINE, GUARD_BODY, signal);
    return 'set';
  } catch (thrown) {
    if (thrown instanceof Failed && thrown.failure.code === 'forbidden') return { notSet: thrown.failure.reason };
    throw thrown;
  }
}

/** What stands under the follower's name afterwards, whoever created it; a create whose answer was lost is found at the next try. */
async function createOrFind(
  { followerAdmin, follower, overrides }: FollowPlan,
  body: IndexBody,
  signal: AbortSignal,
): Promise<{ found: IndexDescription; created: boolean }> {
  const before = await followerAdmin.describe(follower.index, signal);
  if (before !== undefined) return { found: before, created: false };
  let created = true;
  try {
    await tellingOverrides(Object.keys(overrides), () => followerAdmin.createIndex(follower.index, body, signal));
  } catch (thrown) {
    if (!(thrown instanceof Failed) || thrown.failure.code !== 'follower_exists') throw thrown;
    created = false;
  }
  const found = await followerAdmin.describe(follower.index, signal);
  if (found === undefined)
    throw failed('index_deleted', {
      op: 'create follower',
      cluster: follower.cluster,
      reason: `index ${follower.index} was deleted while it was being created`,
    });
  return { found, created };
}

/** Puts right what a template added, and refuses what would spoil the copy. */
async function settle(
  plan: FollowPlan,
  { body, mark, found }: { body: IndexBody; mark: FollowerMark; found: IndexDescription },
  signal: AbortSignal,
): Promise<readonly Difference[]> {
  const { followerAdmin, follower, leaderDescription } = plan;
  const { differences, settings } = compareAfterCreate(body, found);
  const harmful = differences.filter(({ verdict }) => verdict === 'refuse').map(({ name, how }) => `${name} (${how})`);
  if (harmful.length > 0) {
    throw failed('settings_rejected', {
      op: 'create follower',
      cluster: follower.cluster,
      reason: `index ${follower.index} was not created as the leader is: ${harmful.join(', ')}`,
      hint: `Let no index template of the follower's cluster apply to ${follower.index} with these parts, delete the empty index ${follower.index}, and follow again.`,
    });
  }
  const refused = await putSettingsSingly(followerAdmin, follower.index, settings, signal);
  const mappings = mappingToPut({ leader: leaderDescription.mappings, follower: found.mappings, mark });
  if (mappings !== undefined) await followerAdmin.putMapping(follower.index, mappings, signal);
  const left = new Set(refused.map(({ key }) => key));
  return differences.map((difference) =>
    difference.what === 'setting' && left.has(difference.name) ? { ...difference, verdict: 'report' } : difference,
  );
}
