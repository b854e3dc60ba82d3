import type { IndexSnapshot } from '../domain/journal.ts';
import type { PairQuarantine } from '../replication/quarantine/pair-quarantine.ts';
import type { ShardReplicator } from '../replication/shard-replicator.ts';
import type { PositionDraft } from './position-keeper.ts';

interface Drafted {
  readonly epoch: number;
  readonly quarantine: PairQuarantine;
  readonly snapshot: Pick<IndexSnapshot, 'leaderUuid' | 'shards'>;
}

/** How far a pair surely is. Undefined where that is not known now. */
export function positionDraft(
  { progress, historyUuid, audit }: ShardReplicator,
  { epoch, quarantine: { passedOver }, snapshot }: Drafted,
): PositionDraft | undefined {
  if (historyUuid === undefined || audit.restarted || audit.rolledBack !== undefined) return undefined;
  const { followerCount = null } = progress;
  const { checkpoint, ranges } = progress.safe;
  const leader = { uuid: snapshot.leaderUuid, historyUuid, shards: snapshot.shards };
  return { epoch, checkpoint, ranges, leader, followerCount, ...(passedOver.length === 0 ? {} : { passedOver }) };
}
