import { createHash } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { failed } from '../domain/failure.ts';
import { markOf } from '../domain/index-spec/follower-mark.ts';
import { shownIndex, pairKey } from '../domain/names.ts';
import type { OpenCluster } from '../infra/search/open-cluster.ts';
import { systemClock } from '../infra/system/clock.ts';
import { askAlignment } from '../replication/index/alignment.ts';
import { computesEmbeddings, withoutEmbeddings } from '../replication/verify/embeddings.ts';
import { verifyIndex } from '../replication/verify/verify-index.ts';
import type { VerifyAnswer, VerifyRequest } from './program.ts';
import { configuredCluster, openConfigured } from './clusters.ts';

/** Compares a follower index with its leader; needs both clusters, and no supervisor. */
export async function verify(config: Config, request: VerifyRequest, signal: AbortSignal): Promise<VerifyAnswer> {
  const { follower: ref } = request;
  const follower = openConfigured(configuredCluster(config, ref.cluster));
  let leader: OpenCluster | undefined;
  try {
    const description = await follower.admin.describe(ref.index, signal);
    const reading = description === undefined ? undefined : markOf(description.mappings);
    if (description === undefined || reading?.kind !== 'mark') {
      const reason =
        description === undefined
          ? `there is no index ${shownIndex(ref)}`
          : `${shownIndex(ref)} carries no mark of Slipstream`;
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
    const leaderDescription = await leader.admin.describe(leaderIndex, signal);
    if (leaderDescription === undefined)
      throw failed('index_deleted', {
        op: 'verify',
        cluster: mark.leader.cluster,
        reason: `there is no leader index ${leaderIndex} any more`,
      });
    const report = await verifyIndex(
      {
        leader: leader.leader,
        follower: follower.follower,
        leaderIndex,
        followerIndex: ref.index,
        scheme: { epoch: mark.epoch, epochs, leaderShards: mark.shards, layout: mark.versions ?? 'interleaved' },
        aligned: await askAlignment(
          { admin: leader.admin, description: leaderDescription },
          { admin: follower.admin, description },
          signal,
        ),
        contents: request.content
          ? {
              followerReader: follower.leader,
              digest: computesEmbeddings(leaderDescription.mappings)
                ? (bytes) => digest(withoutEmbeddings(bytes))
                : digest,
            }
          : undefined,
        quarantined: async (asked) => {
          const stored = await Promise.all(shards.map((pair) => follower.quarantine.load(pair, asked)));
          return stored.flatMap((entries, shard) =>
            entries.map(({ document: { id, seqNo } }) => ({ id, seqNo, shard })),
          );
        },
        clock: systemClock,
        onProgress: request.onProgress,
        ...(request.stopped === undefined ? {} : { stopped: request.stopped }),
        ...(request.samplesMax === undefined ? {} : { limits: { samplesMax: request.samplesMax } }),
      },
      signal,
    );
    return { leader: { cluster: mark.leader.cluster, index: leaderIndex }, report };
  } finally {
    await follower.close();
    await leader?.close();
  }
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64');
}
