import type { IndexStatus, PairStatus } from '../domain/commands.ts';
import type { IndexSnapshot, PairSnapshot } from '../domain/journal.ts';
import { indexKey, type PairRef } from '../domain/names.ts';
import { slotOf } from '../domain/slots.ts';
import type { Ownership } from '../ports/ownership.ts';
import { summary } from './index-summary.ts';
import type { JournalView } from './journal-view.ts';
import { unreached } from './reach.ts';

/** The owner of a slot as status tells it; null: no supervisor that lives owns it. */
function shownOwner(ownership: Ownership, slot: number): PairStatus['owner'] {
  const owner = ownership.ownerOf(slot);
  const live = ownership.live().find(({ session }) => session === owner?.session);
  if (owner === undefined || live === undefined) return null;
  return { supervisor: live.announced.supervisor, term: owner.term };
}

/** What the journal says of an index, for one whose supervisor does not answer, or that has none. */
export function journalStatus(
  index: IndexSnapshot,
  shard: number | undefined,
  { view, ownership }: { readonly view: JournalView; readonly ownership: Ownership },
): IndexStatus {
  const owner = shownOwner(ownership, slotOf(index.follower));
  const pairs = Array.from({ length: index.shards }, (_, number): PairStatus => {
    const pair = { follower: index.follower, shard: number };
    return journalledStatus(index, pair, view.pair(pair, index.followId)?.snapshot, owner);
  });
  const failure = owner === null ? unreached(ownership.live(), index) : undefined;
  const told = index.state === 'unfollowed' ? [] : pairs.filter((pair) => shard === undefined || pair.shard === shard);
  return { ...summary(index, pairs), ...(failure === undefined ? {} : { failure }), pairs: told };
}

function journalledStatus(
  index: IndexSnapshot,
  { follower, shard }: PairRef,
  snapshot: PairSnapshot | undefined,
  owner: PairStatus['owner'],
): PairStatus {
  const { state = 'bootstrapping', desired = 'running', failure, epoch = 1, checkpoint = -1 } = snapshot ?? {};
  return {
    leader: index.leader,
    follower,
    shard,
    state,
    desired,
    owner,
    ...(failure === undefined ? {} : { failure }),
    attempt: 0,
    epoch,
    aligned: index.aligned ?? null,
    checkpoint,
    leaderGlobalCheckpoint: null,
    leaderMaxSeqNo: null,
    lagOperations: null,
    lagSeconds: null,
    followerDocuments: null,
    leaderDocuments: null,
    outstandingDeletes: 0,
    quarantined: snapshot?.quarantined ?? 0,
    quarantinedWithoutCopy: 0,
    progress: snapshot?.resumeTo === 'following' ? 1 : 0,
    operationsWritten: 0,
    bytesRead: 0,
    operationsPerSecond: 0,
    bytesPerSecond: 0,
    conflicts: 0,
    deleteScans: 0,
    deletesFound: 0,
    scanSurprises: 0,
    foreignWrites: 0,
    overwritten: 0,
    retries: 0,
    transitions: snapshot?.run.transitions ?? 0,
    traceId: snapshot?.run.traceId ?? null,
  };
}

/** Of two answers for one index, given while it moved, that of the later owner. */
export function newest(answers: readonly IndexStatus[]): ReadonlyMap<string, IndexStatus> {
  const best = new Map<string, IndexStatus>();
  const termOf = ({ pairs }: IndexStatus): number => pairs[0]?.owner?.term ?? 0;
  for (const answer of answers) {
    const key = indexKey(answer.follower);
    const known = best.get(key);
    if (known === undefined || termOf(answer) > termOf(known)) best.set(key, answer);
  }
  return best;
}
