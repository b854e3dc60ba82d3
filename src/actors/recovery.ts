import { present } from '../domain/assert.ts';
import { failed, failureOf, type Failure } from '../domain/failure.ts';
import { shardsOf } from '../domain/index-spec/follower-body.ts';
import { type FollowerMark, markOf } from '../domain/index-spec/follower-mark.ts';
import {
  EVENT_VERSION,
  type IndexSnapshot,
  type JournalEvent,
  type Lifecycle,
  type PairSnapshot,
} from '../domain/journal.ts';
import { indexKey, pairKey, shownIndex, type FollowerIndexRef, type IndexRef, type PairRef } from '../domain/names.ts';
import type { FollowParameters } from '../domain/parameters.ts';
import type { PositionRecord } from '../domain/position.ts';
import { indexSubject, pairSubject } from '../domain/subjects.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { IndexAdmin, IndexDescription } from '../ports/index-admin.ts';
import type { PositionStore, StoredPosition } from '../ports/position-store.ts';
import type { Random } from '../ports/random.ts';
import { askAlignment } from '../replication/index/alignment.ts';
import { writeMark } from '../replication/index/mark.ts';
import type { FoldedJournal } from './journal-fold.ts';

export interface RecoveryCluster {
  readonly admin: IndexAdmin;
  readonly positions: PositionStore;
}

export interface RecoveryPorts {
  readonly clock: Clock;
  readonly random: Random;
  /** Throws `Failed` with `unknown_cluster`. */
  readonly cluster: (name: string) => RecoveryCluster;
  /** Undefined for a dry run over a journal that does not exist. */
  readonly journalId: string | undefined;
  /** The journal that was lost: followers of any other may belong to somebody else. */
  readonly lostJournalId: string | undefined;
  /** Not called by a dry run. */
  readonly append: EventLog['append'];
  readonly folded: FoldedJournal;
  readonly term: number;
  readonly by: string;
  /** Of a follower of that name, where the journal does not know them any more. */
  readonly parametersOf: (follower: FollowerIndexRef) => FollowParameters;
}

export interface RecoveredPair {
  readonly shard: number;
  readonly state: Lifecycle;
  readonly checkpoint?: number;
  /** Why everything is copied again, in place, where it is. */
  readonly copiedAgain?: string;
}

/** `sound`: the journal fits, nothing is done. `rebuilt`: or would be. `other`: of another journal. `refused`: left as it is. */
export interface RecoveredIndex {
  readonly follower: FollowerIndexRef;
  readonly outcome: 'sound' | 'rebuilt' | 'other' | 'refused';
  /** That of the mark. */
  readonly journalId?: string;
  readonly leader?: IndexRef;
  readonly failure?: Failure;
  readonly pairs: readonly RecoveredPair[];
}

interface Found {
  readonly follower: FollowerIndexRef;
  readonly side: RecoveryCluster;
  readonly description: IndexDescription;
  readonly mark: FollowerMark;
  readonly pairs: readonly { readonly ref: PairRef; readonly stored: StoredPosition | undefined }[];
}

/**
 * Rebuilds what the journal lost from what stands beside the data: the marks in the mappings of the followers and the saved positions. Safe
 * to repeat after it was cut off anywhere, since the mark, by which an index is known to need it, is written last.
 */
export async function recoverCluster(
  ports: RecoveryPorts,
  cluster: string,
  { dryRun }: { readonly dryRun: boolean },
  signal: AbortSignal,
): Promise<readonly RecoveredIndex[]> {
  const results: RecoveredIndex[] = [];
  for (const index of await ports.cluster(cluster).admin.markedIndices(signal)) {
    const follower = { cluster, index };
    try {
      const result = await recoverIndex(ports, follower, dryRun, signal);
      if (result !== undefined) results.push(result);
    } catch (thrown) {
      signal.throwIfAborted();
      results.push({ follower, outcome: 'refused', failure: failureOf(thrown, 'recover'), pairs: [] });
    }
  }
  return results;
}

/** Undefined for an index that is no follower any more. */
async function recoverIndex(
  ports: RecoveryPorts,
  follower: FollowerIndexRef,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<RecoveredIndex | undefined> {
  const side = ports.cluster(follower.cluster);
  const description = await side.admin.describe(follower.index, signal);
  if (description === undefined) return undefined;
  const reading = markOf(description.mappings);
  const at = { op: 'recover', cluster: follower.cluster };
  if (reading.kind === 'none') return undefined;
  if (reading.kind === 'unreadable')
    throw failed('journal_unknown', { ...at, reason: `the mark of ${follower.index} cannot be read by this version` });
  const { mark } = reading;
  if (mark.role === 'released') return undefined;
  const { journalId } = mark;
  const leader = { cluster: mark.leader.cluster, index: mark.leader.index };
  const head = { follower, leader, journalId };
  if (journalId !== ports.journalId && journalId !== ports.lostJournalId)
    return { ...head, outcome: 'other', pairs: [] };
  if (mark.role === 'promoted') throw failed('promoted', { ...at, reason: `index ${follower.index} was promoted` });
  const refused = [...ports.folded.unreadable.values()].find((one) => indexKey(one.follower) === indexKey(follower));
  if (refused !== undefined) throw failed(refused.failure.code, refused.failure);
  const refs = Array.from({ length: mark.shards }, (_, shard) => ({ follower, shard }));
  const positions = await side.positions.load(refs.map(pairKey), signal);
  const pairs = refs.map((ref) => ({ ref, stored: positions.get(pairKey(ref)) }));
  const found: Found = { follower, side, description, mark, pairs };
  if (journalFits(ports, found)) return { ...head, outcome: 'sound', pairs: [] };
  const rebuilt = pairs.map((pair) => rebuildPair(ports, found, pair));
  const index = await rebuildIndex(ports, found, signal);
  if (!dryRun) await write(ports, found, { index, pairs: rebuilt.map(({ snapshot }) => snapshot) }, signal);
  return { ...head, outcome: 'rebuilt', pairs: rebuilt.map(({ told }) => told) };
}

/** By the precedence of journal and data: the same journal, and nothing beside the data is newer. */
function journalFits({ journalId, folded }: RecoveryPorts, { follower, mark, description, pairs }: Found): boolean {
  const known = folded.indices.get(indexSubject(follower))?.snapshot;
  if (mark.journalId !== journalId || known === undefined) return false;
  const seqOf = (shard: number): number => folded.lastSeqs.get(pairSubject({ follower, shard })) ?? 0;
  if (pairs.some(({ stored }, shard) => (stored?.record.eventSeq ?? 0) > seqOf(shard))) return false;
  // The journal's word counts: what was unfollowed stays so, though an old copy of the index may be back.
  if (known.state === 'unfollowed' || known.state === 'released') return true;
  if (known.leaderUuid !== mark.leader.uuid) return false;
  if (known.state === 'followed') return true;
  if (known.followerUuid !== description.uuid) return false;
  const recorded = pairs.map(({ ref }) => folded.pairs.get(pairSubject(ref)));
  if (mark.epoch > Math.max(1, ...recorded.map((one) => one?.snapshot.epoch ?? 1))) return false;
  return pairs.every(({ stored }, shard) => {
    const own = recorded[shard];
    if (own === undefined || own.snapshot.failure?.code === 'journal_older_than_data') return false;
    const record = stored?.record;
    return record === undefined || (record.journalId === journalId && record.position.epoch <= own.snapshot.epoch);
  });
}

function rebuildPair(
  { folded, clock, random }: RecoveryPorts,
  { mark, description }: Found,
  { ref, stored }: Found['pairs'][number],
): { readonly snapshot: Omit<PairSnapshot, 'followId'>; readonly told: RecoveredPair } {
  const known = folded.pairs.get(pairSubject(ref))?.snapshot;
  const copiedAgain = voidReason(mark, description, stored?.record);
  const position = copiedAgain === undefined ? stored?.record.position : undefined;
  const copied = position !== undefined && mark.restore === undefined && position.ranges.length === 0;
  const resumeTo = copied ? ('following' as const) : ('bootstrapping' as const);
  const desired = stored?.record.desired ?? known?.desired ?? 'running';
  const state = desired === 'paused' ? ('paused' as const) : resumeTo;
  const checkpoint = position === undefined || position.checkpoint < 0 ? {} : { checkpoint: position.checkpoint };
  const epoch = Math.max(mark.epoch, known?.epoch ?? 1, stored?.record.position.epoch ?? 1);
  const run = { traceId: random.id().replaceAll('-', ''), startedAtMs: clock.now(), transitions: 1 };
  return {
    snapshot: {
      state,
      resumeTo,
      desired,
      epoch,
      ...(copiedAgain === undefined ? {} : { raiseEpoch: true }),
      ...checkpoint,
      run,
    },
    told: { shard: ref.shard, state, ...checkpoint, ...(copiedAgain === undefined ? {} : { copiedAgain }) },
  };
}

/** What the shard holds cannot be told without a position of the newest epoch: it is copied again, above everything. */
function voidReason(
  mark: FollowerMark,
  description: IndexDescription,
  record: PositionRecord | undefined,
): string | undefined {
  if (record === undefined) return 'it has no saved position';
  const { epoch, leader, follower } = record.position;
  if (leader.uuid !== mark.leader.uuid) return 'its position is of another leader index';
  if (follower.uuid !== description.uuid) return 'its position is of another follower index';
  return epoch < mark.epoch
    ? `its position is of epoch ${epoch}, and the index was marked with ${mark.epoch}`
    : undefined;
}

async function rebuildIndex(
  { cluster, folded, random, parametersOf }: RecoveryPorts,
  { follower, side, description, mark }: Found,
  signal: AbortSignal,
): Promise<IndexSnapshot> {
  const known = folded.indices.get(indexSubject(follower))?.snapshot;
  const { cluster: leaderCluster, index } = mark.leader;
  const { admin } = cluster(leaderCluster);
  const leader = await admin.describe(index, signal);
  if (leader === undefined || leader.uuid !== mark.leader.uuid)
    throw failed(leader === undefined ? 'index_deleted' : 'index_recreated', {
      op: 'recover',
      cluster: leaderCluster,
      reason: `${shownIndex({ cluster: leaderCluster, index })} is not the index that was copied`,
    });
  const aligned = await askAlignment({ admin, description: leader }, { admin: side.admin, description }, signal);
  return {
    state: 'prepared',
    followId: random.id(),
    leader: { cluster: leaderCluster, index },
    follower,
    leaderUuid: mark.leader.uuid,
    followerUuid: description.uuid,
    shards: mark.shards,
    followerShards: shardsOf(description),
    aligned,
    parameters: known?.parameters ?? parametersOf(follower),
    settings:
      known?.settings ?? Object.fromEntries(mark.overrides.map((key) => [key, description.settings[key] ?? null])),
  };
}

/** Journal first, then positions, and at last the mark. */
async function write(
  ports: RecoveryPorts,
  { follower, side, description, mark, pairs }: Found,
  rebuilt: { readonly index: IndexSnapshot; readonly pairs: readonly Omit<PairSnapshot, 'followId'>[] },
  signal: AbortSignal,
): Promise<void> {
  const { folded, clock, random, term, by } = ports;
  const journalId = present(ports.journalId, 'a journal to write to');
  const envelope = { version: EVENT_VERSION, cause: 'recover', by, term } as const;
  const append = (subject: string, event: JournalEvent): Promise<number> =>
    ports.append(subject, event, folded.lastSeqs.get(subject) ?? 0, signal);
  const fresh = (): { id: string; atMs: number } => ({ id: random.id(), atMs: clock.now() });
  const fact = { type: 'REBUILT' } as const;
  await append(indexSubject(follower), { entity: 'index', ...fresh(), ...envelope, fact, result: rebuilt.index });
  const writes: { record: PositionRecord; token: StoredPosition['token'] }[] = [];
  for (const [shard, { ref, stored }] of pairs.entries()) {
    const subject = pairSubject(ref);
    const snapshot = present(rebuilt.pairs[shard], 'a snapshot for each pair');
    const eventSeq = await append(subject, {
      entity: 'pair',
      ...fresh(),
      ...envelope,
      pair: ref,
      fact,
      from: folded.pairs.get(subject)?.snapshot.state ?? 'none',
      result: { ...snapshot, followId: rebuilt.index.followId },
    });
    if (stored === undefined) continue;
    const { record, token } = stored;
    // Not clean: whoever wrote last may have been cut off.
    const position = { ...record.position, clean: false };
    const { desired } = snapshot;
    writes.push({ record: { ...record, journalId, term, eventSeq, desired, position }, token });
  }
  const saved = await side.positions.save(writes, signal);
  if (saved.some(({ kind }) => kind === 'conflict'))
    throw failed('position_conflict', {
      op: 'recover',
      cluster: follower.cluster,
      reason: `somebody saved a position of ${follower.index} meanwhile`,
    });
  await writeMark(side.admin, description, { ...mark, journalId }, signal);
}
