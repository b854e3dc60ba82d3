import { shownIndex, type FollowerIndexRef } from '../domain/names.ts';
import type { Position, PositionRecord } from '../domain/position.ts';
import { failed } from '../domain/failure.ts';
import type { Observation } from '../replication/cluster-watcher.ts';

/**
 * The saved position, if it fits what both sides are now; undefined when it is void and the copy has to begin at the beginning
 * (in place, which is safe: leader operations are sent again under the same versions).
 * A position of another journal, or newer than ours, is refused by name: the journal then is not the one that decided.
 */
export function fittingPosition(
  record: PositionRecord | undefined,
  expected: {
    follower: FollowerIndexRef;
    journalId: string;
    epoch: number;
    /** Sequence at which the journal of the pair ended when the supervisor started. */
    eventSeq: number;
    leaderUuid: string;
    followerNow: Observation;
  },
): { position: Position | undefined; void: string | undefined } {
  if (record === undefined) return { position: undefined, void: undefined };
  const { position, journalId, eventSeq = 0 } = record;
  const details = { op: 'load position', cluster: expected.follower.cluster };
  if (journalId !== expected.journalId) {
    throw failed('journal_unknown', {
      ...details,
      reason: `the position of ${record.pair} belongs to journal ${journalId}, ours is ${expected.journalId}`,
    });
  }
  if (position.epoch > expected.epoch) {
    throw failed('journal_older_than_data', {
      ...details,
      reason: `the position of ${record.pair} has epoch ${position.epoch}, the journal says ${expected.epoch}`,
    });
  }
  if (eventSeq > expected.eventSeq) {
    throw failed('journal_older_than_data', {
      ...details,
      reason: `the position of ${record.pair} knows event ${eventSeq} of its journal, which ended at ${expected.eventSeq} when this supervisor started`,
    });
  }
  const reason = voidReason(position, expected);
  return reason === undefined
    ? { position, void: undefined }
    : { position: undefined, void: `${shownIndex(expected.follower)}: ${reason}` };
}

function voidReason(
  position: Position,
  expected: { epoch: number; leaderUuid: string; followerNow: Observation },
): string | undefined {
  const { followerNow } = expected;
  if (position.epoch < expected.epoch) return `it is of epoch ${position.epoch}`;
  if (position.leader.uuid !== expected.leaderUuid) return 'it is of another leader index';
  if (position.follower.uuid !== followerNow.versions?.uuid) return 'it is of another follower index';
  for (const [shard, historyUuid] of position.follower.historyUuids.entries()) {
    const stats = followerNow.shards.get(shard);
    if (stats === undefined) {
      throw failed('shard_unavailable', {
        op: 'load position',
        reason: `shard ${shard} of the follower does not answer`,
      });
    }
    if (stats.historyUuid !== historyUuid) return `follower shard ${shard} has another history`;
    if (stats.maxSeqNo < (position.follower.maxSeqNos[shard] ?? -1)) return `follower shard ${shard} lost operations`;
  }
  return undefined;
}
