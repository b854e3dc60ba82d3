import { type Failed, failed } from '../domain/failure.ts';
import type { VersionScheme } from '../domain/version.ts';
import type { ScanHands } from './delete-scan.ts';
import type { FencedStats, LeaderIdentity } from './leader-fence.ts';
import type { SearchPage } from '../domain/wire/search-page.ts';
import type { PairWriter, WrittenPart } from './pair-writer.ts';
import { quarantineHands } from './quarantine/follower-as-if-taken.ts';
import type { ReplicatorPorts, ReplicatorSetup } from './replicator-setup.ts';

/** One pair in one cycle, for what is written besides its pages: deletes that a comparison found, and operations that are read again. */
export interface Corrected {
  readonly ports: Pick<ReplicatorPorts, 'leader' | 'follower' | 'clock'>;
  readonly setup: ReplicatorSetup;
  readonly leader: LeaderIdentity;
  readonly scheme: VersionScheme;
  readonly writer: PairWriter;
  readonly stats: FencedStats;
  /** False: an operation up to `last` may still be taken back by a failover of the leader. */
  readonly fence: (last: number | 'all') => Promise<boolean>;
  readonly refresh: () => Promise<unknown>;
}

/** What this step lends a comparison. */
export function scanHands(corrected: Corrected, signal: AbortSignal): ScanHands {
  const { setup, leader, scheme, writer } = corrected;
  const fenceAll = async (): Promise<void> => requireAllSafe(corrected, 'delete scan');
  return {
    ...quarantineHands(setup.quarantine, { scheme, shard: leader.shard }, fenceAll, signal),
    writeDeletes: async (lines) => {
      if (lines.length === 0) return [];
      await fenceAll();
      return writer.removeFound(lines, signal);
    },
    resend: (seqNos) => resend(corrected, seqNos, signal),
  };
}

/** Documents that are read again and written together; a few at a time are in memory. */
export const TOGETHER = 100;
export const TOGETHER_BYTES = 4 * 1024 * 1024;

/**
 * Reads these leader operations again and writes them; those that are gone by now are the next cycle's. What the same comparison deleted was
 * gone before: a refresh hides it, so that nothing is written against its tombstone.
 */
export async function resend(corrected: Corrected, seqNos: readonly number[], signal: AbortSignal): Promise<void> {
  if (seqNos.length > 0) await corrected.refresh();
  let [parts, bytes]: [WrittenPart[], number] = [[], 0];
  for (const seqNo of seqNos) {
    const page = await readSafely(corrected, seqNo, signal);
    parts.push({ page, hits: page.hits });
    bytes += page.body.length;
    if (parts.length < TOGETHER && bytes < TOGETHER_BYTES) continue;
    await corrected.writer.writeAll(parts, signal);
    [parts, bytes] = [[], 0];
  }
  await corrected.writer.writeAll(parts, signal);
}

/** What is there of one operation; no failover of the leader can take it back. */
export async function readSafely(corrected: Corrected, seqNo: number, signal: AbortSignal): Promise<SearchPage> {
  const { ports, leader, stats } = corrected;
  const place = { index: leader.index, shard: leader.shard, nodeId: stats.nodeId };
  const wish = { ...place, after: seqNo - 1, upTo: seqNo, size: 1, countTotal: false };
  const page = await ports.leader.readPage(wish, signal);
  if (page.hits.length > 0 && !(await corrected.fence(seqNo))) throw unsafe(leader, 'send again');
  return page;
}

/** The leader's delete, which a view does not show, must not be taken back either. */
export async function requireAllSafe(corrected: Corrected, op: string): Promise<void> {
  if (!(await corrected.fence('all'))) throw unsafe(corrected.leader, op);
}

function unsafe({ cluster, shard }: LeaderIdentity, op: string): Failed {
  return failed('leader_moved_primary', { op, cluster, reason: `shard ${shard} is not safe from a failover yet` });
}
