import type { PositionRecord } from '../../src/domain/position.ts';
import { maxSeqNos, type World } from './replication-world.ts';

/** By shard: leader operations that the saved positions leave to be copied, where every operation is a document of its own. */
export async function operationsLeft(world: World, index: string): Promise<readonly number[]> {
  const goals = await maxSeqNos(world.leader, index);
  return Promise.all([...goals].map(async ([shard, maxSeqNo]) => leftBy(await world.position(index, shard), maxSeqNo)));
}

function leftBy(record: PositionRecord | undefined, maxSeqNo: number): number {
  if (record === undefined) return maxSeqNo + 1;
  const { checkpoint, ranges } = record.position;
  const end = ranges.at(-1)?.to ?? checkpoint;
  return ranges.reduce((left, { next, to }) => left + Math.max(0, to - next + 1), maxSeqNo - end);
}

export function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
