import { ByteBudget } from './byte-budget.ts';
import { Comparison } from './comparison.ts';
import { FollowerAudit } from './follower-audit.ts';
import { PageReader } from './page-reader.ts';
import type { PairProgress } from './pair-progress.ts';
import type { ReplicatorPorts, ReplicatorSetup } from './replicator-setup.ts';

const PAGE_BYTES_TARGET = 8 * 1024 * 1024;

export function pageReader(
  { leader, budget }: ReplicatorPorts,
  { parameters, resultWindow }: ReplicatorSetup,
): PageReader {
  return new PageReader({
    leader,
    budget,
    own: new ByteBudget({
      capacityBytes: parameters.max_write_buffer_size_bytes,
      capacityOperations: parameters.max_write_buffer_count,
    }),
    limits: {
      documentsMax: Math.min(parameters.max_read_request_operation_count, resultWindow),
      bytesTarget: Math.min(parameters.max_read_request_size_bytes, PAGE_BYTES_TARGET),
    },
  });
}

export function followerAudit(
  { follower }: ReplicatorPorts,
  { followerIndex, followerUuid, leader, aligned, position }: ReplicatorSetup,
  progress: PairProgress,
): FollowerAudit {
  const { shard } = leader;
  return new FollowerAudit({
    progress,
    cluster: follower.name,
    index: followerIndex,
    uuid: followerUuid,
    shard,
    aligned,
    position,
  });
}

export function comparison(
  { clock, random, narrator }: ReplicatorPorts,
  { pair, parameters, aligned, traceId }: ReplicatorSetup,
  progress: PairProgress,
  miscounted: () => void,
): Comparison {
  return new Comparison({
    clock,
    random,
    narrator,
    progress,
    pair,
    scanShare: parameters.scan_share,
    deleteShareMax: parameters.mass_delete_share,
    aligned,
    miscounted,
    traceId,
  });
}
