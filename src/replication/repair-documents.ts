import { EPOCH_SPAN, ownerOfForeign, versionOf } from '../domain/version.ts';
import type { RepairKey, RepairOutcome } from '../domain/repair.ts';
import { decodeText } from '../domain/wire/bulk-answer.ts';
import type { FoundDocument } from '../ports/search-cluster.ts';
import type { DeleteLine } from './bulk-batch.ts';
import { type Corrected, readSafely, requireAllSafe, TOGETHER, TOGETHER_BYTES } from './correction.ts';
import { deadVersion } from './delete-scan.ts';
import type { WrittenPart } from './pair-writer.ts';

/** The follower forgets deletes by a clock that it reads five times a second. */
const FORGET_MS = 500;

/**
 * Puts documents right, whatever they look like on the follower, and touches no other: what the leader has at or below its global checkpoint is read
 * again and written, what it has no more is deleted. In the order of the keys.
 */
export async function repairDocuments(
  corrected: Corrected,
  keys: readonly RepairKey[],
  signal: AbortSignal,
): Promise<readonly RepairOutcome[]> {
  const outcomes: RepairOutcome[] = [];
  for (let at = 0; at < keys.length; at += TOGETHER)
    outcomes.push(...(await repairTogether(corrected, keys.slice(at, at + TOGETHER), signal)));
  return outcomes;
}

async function repairTogether(
  corrected: Corrected,
  asked: readonly RepairKey[],
  signal: AbortSignal,
): Promise<readonly RepairOutcome[]> {
  const { ports, setup, leader, writer } = corrected;
  const keys = asked.map(({ id, routing }) => ({ id, routing }));
  const onLeader = await ports.leader.multiGet(leader.index, keys, signal);
  const onFollower = await ports.follower.multiGet(setup.followerIndex, keys, signal);
  const outcomes: RepairOutcome[] = [];
  const gone: DeleteLine[] = [];
  let [parts, bytes]: [WrittenPart[], number] = [[], 0];
  const write = async (): Promise<void> => {
    await writer.writeAll(parts, signal, { asked: true });
    [parts, bytes] = [[], 0];
  };
  for (const [at, key] of keys.entries()) {
    const seqNo = onLeader[at]?.seqNo;
    const copy = onFollower[at];
    if (seqNo === undefined) {
      const line = lineFor(corrected, key, copy);
      if (typeof line === 'object') gone.push(line);
      outcomes.push(typeof line === 'object' ? 'deleted' : line);
      continue;
    }
    const part = await partOf(corrected, key, seqNo, signal);
    outcomes.push(typeof part === 'object' ? 'sent' : part);
    if (typeof part !== 'object') continue;
    parts.push(part);
    bytes += part.page.body.length;
    if (bytes >= TOGETHER_BYTES) await write();
  }
  await write();
  await remove(corrected, gone, signal);
  const refused = (key: RepairKey, at: number): boolean =>
    outcomes[at] === 'sent' && setup.quarantine.get(key.id)?.seqNo === onLeader[at]?.seqNo;
  return outcomes.map((outcome, at) => (refused(keys[at] ?? { id: '' }, at) ? 'refused' : outcome));
}

async function partOf(
  corrected: Corrected,
  key: RepairKey,
  seqNo: number,
  signal: AbortSignal,
): Promise<WrittenPart | 'newer' | 'elsewhere'> {
  const { stats, setup } = corrected;
  // Where shards do not align the number may be another shard's.
  if (seqNo > stats.globalCheckpoint) return 'newer';
  const page = await readSafely(corrected, seqNo, signal);
  const [hit] = page.hits;
  if (hit === undefined) return setup.aligned ? 'newer' : 'elsewhere';
  return decodeText(page.body, hit.idStart, hit.idEnd) === key.id ? { page, hits: [hit] } : 'elsewhere';
}

function lineFor(
  { scheme, setup, leader, stats }: Corrected,
  key: { id: string; routing: string | undefined },
  copy: FoundDocument | undefined,
): DeleteLine | 'in step' | 'elsewhere' {
  const { version, seqNo, primaryTerm } = copy ?? {};
  if (version === undefined || seqNo === undefined || primaryTerm === undefined) return 'in step';
  const { shard } = leader;
  if (!setup.aligned && ownerOfForeign(scheme, version) !== shard) return 'elsewhere';
  const { globalCheckpoint } = stats;
  const newest = globalCheckpoint < 0 ? EPOCH_SPAN : versionOf(scheme, globalCheckpoint, shard);
  if (version > newest) return { ...key, version, exactly: { seqNo, primaryTerm } };
  return { ...key, version: deadVersion(version, { scheme, shard, globalCheckpoint }) };
}

/** The delete of a version that no operation of the leader has reached would refuse the document if it came again: it is forgotten. */
async function remove(corrected: Corrected, lines: readonly DeleteLine[], signal: AbortSignal): Promise<void> {
  if (lines.length === 0) return;
  await requireAllSafe(corrected, 'repair');
  const { writer, ports, setup } = corrected;
  const { exact = [], plain = [] } = Object.groupBy(lines, ({ exactly }) =>
    exactly === undefined ? 'plain' : 'exact',
  );
  await writer.remove(plain, signal);
  if (exact.length === 0) return;
  await setup.forgettingDeletes(async () => {
    await writer.remove(exact, signal);
    await ports.clock.sleep(FORGET_MS, signal);
    await ports.follower.refresh(setup.followerIndex, signal);
  }, signal);
}
