import { createHash } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { failed } from '../domain/failure.ts';
import { markOf } from '../domain/index-spec/follower-mark.ts';
import { indexKey, pairKey, type FollowerIndexRef, type IndexRef } from '../domain/names.ts';
import type { OpenCluster } from '../infra/search/open-cluster.ts';
import { systemClock } from '../infra/system/clock.ts';
import { isAligned, SAMPLE_SIZE, sampleRoutingValues } from '../domain/index-spec/shard-alignment.ts';
import type { VerifyReport } from '../replication/verify/report.ts';
import type { VerifyProgress } from '../replication/verify/request.ts';
import { verifyIndex } from '../replication/verify/verify-index.ts';
import { configuredCluster, openConfigured } from './clusters.ts';

/** Compares a follower index with its leader; needs both clusters, and no supervisor. */
export async function verify(
  config: Config,
  request: { follower: FollowerIndexRef; content: boolean; onProgress: (progress: VerifyProgress) => void },
  signal: AbortSignal,
): Promise<{ leader: IndexRef; report: VerifyReport }> {
  const { follower: ref } = request;
  const follower = openConfigured(configuredCluster(config, ref.cluster));
  let leader: OpenCluster | undefined;
  try {
    const description = await follower.admin.describe(ref.index, signal);
    const reading = description === undefined ? undefined : markOf(description.mappings);
    if (description === undefined || reading?.kind !== 'mark') {
      const reason =
        description === undefined
          ? `there is no index ${indexKey(ref)}`
          : `${indexKey(ref)} carries no mark of Slipstream`;
      throw failed('unknown_pair', {
        op: 'verify',
        cluster: ref.cluster,
        reason,
        hint: 'Name a follower index; list tells which there are.',
      });
    }
    const { mark } = reading;
    leader = openConfigured(configuredCluster(config, mark.leader.cluster));
    const shards = Array.from({ length: mark.shards }, (_, shard) => pairKey({ follower: ref, shard }));
    const positions = await follower.positions.load(shards, signal);
    const epochs = shards.map((key) => positions.get(key)?.record.position.epoch ?? mark.epoch);
    const leaderIndex = mark.leader.index;
    const report = await verifyIndex(
      {
        leader: leader.leader,
        follower: follower.follower,
        leaderIndex,
        followerIndex: ref.index,
        scheme: { epoch: mark.epoch, epochs, leaderShards: mark.shards, layout: mark.versions },
        aligned: await aligned(leader, leaderIndex, follower, ref.index, signal),
        contents: request.content
          ? { followerReader: follower.leader, digest: (bytes) => createHash('sha256').update(bytes).digest('base64') }
          : undefined,
        clock: systemClock,
        onProgress: request.onProgress,
      },
      signal,
    );
    return { leader: { cluster: mark.leader.cluster, index: leaderIndex }, report };
  } finally {
    await follower.close();
    await leader?.close();
  }
}

async function aligned(
  leader: OpenCluster,
  leaderIndex: string,
  follower: OpenCluster,
  followerIndex: string,
  signal: AbortSignal,
): Promise<boolean> {
  const values = sampleRoutingValues(SAMPLE_SIZE);
  const [ours, theirs] = await Promise.all([
    Promise.all([shardCount(leader, leaderIndex, signal), leader.admin.shardsOf(leaderIndex, values, signal)]),
    Promise.all([shardCount(follower, followerIndex, signal), follower.admin.shardsOf(followerIndex, values, signal)]),
  ]);
  return isAligned({ shards: ours[0], places: ours[1] }, { shards: theirs[0], places: theirs[1] });
}

async function shardCount({ admin }: OpenCluster, index: string, signal: AbortSignal): Promise<number> {
  const description = await admin.describe(index, signal);
  return Number(description?.settings['index.number_of_shards'] ?? 1);
}
