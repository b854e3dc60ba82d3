/** Documents that somebody else wrote or deleted on the follower under a version above the leader's: they refuse what the leader has. */
import { failed } from '../domain/failure.ts';
import type { Clock } from '../ports/clock.ts';
import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { LeaderCluster } from '../ports/leader-cluster.ts';
import type { DocumentKey, FoundDocument } from '../ports/search-cluster.ts';
import type { DeleteLine } from './bulk-batch.ts';
import type { Conflict } from './bulk-writer.ts';
import { keyOfHit } from './conflict-verdict.ts';

export interface Overwriting {
  readonly leader: Pick<LeaderCluster, 'multiGet'>;
  readonly follower: FollowerCluster;
  readonly leaderIndex: string;
  readonly followerIndex: string;
  readonly clock: Clock;
  readonly versionOf: (conflict: Conflict) => number;
  readonly remove: (lines: readonly DeleteLine[]) => Promise<unknown>;
  /** Gives those that are refused again. */
  readonly write: (conflicts: readonly Conflict[]) => Promise<readonly Conflict[]>;
  readonly forgettingDeletes: <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T>;
}

const KEYS_AT_ONCE = 500;
/** The follower forgets by a clock that it reads five times a second. */
const LOOK_AGAIN_MS = 250;
/** Whoever goes on writing there longer than this is waited for. */
const GIVE_UP_MS = 15_000;

/**
 * Writes them under the leader's version all the same: a newer copy is deleted, exactly as it was seen, and the memory of the delete, ours or somebody
 * else's, is given up. Only of documents that the leader still has as they were read: another owner may have deleted them since, and that
 * delete is not to be undone; what the leader has replaced comes by itself. Gives the documents that were overwritten.
 */
export async function overwrite(
  conflicts: readonly Conflict[],
  on: Overwriting,
  signal: AbortSignal,
): Promise<readonly Conflict[]> {
  return on.forgettingDeletes(async () => {
    const giveUpAtMs = on.clock.monotonic() + GIVE_UP_MS;
    let left = await stillThere(conflicts, on, signal);
    const meant = left;
    for (;;) {
      await removeNewer(left, on, signal);
      await on.follower.refresh(on.followerIndex, signal);
      left = await stillThere(await on.write(left), on, signal);
      if (left.length === 0) return meant;
      if (on.clock.monotonic() >= giveUpAtMs)
        throw failed('follower_unsteady', {
          op: 'overwrite',
          cluster: on.follower.name,
          reason: `${left.length} documents of ${on.followerIndex} are being changed by somebody else`,
        });
      await on.clock.sleep(LOOK_AGAIN_MS, signal);
    }
  }, signal);
}

/** What was read was at or below the leader's global checkpoint: whichever copy answers has it, or what came after it. */
async function stillThere(
  conflicts: readonly Conflict[],
  { leader, leaderIndex }: Overwriting,
  signal: AbortSignal,
): Promise<readonly Conflict[]> {
  const ask = async (keys: readonly DocumentKey[]): Promise<readonly FoundDocument[]> =>
    leader.multiGet(leaderIndex, keys, signal);
  const found = await inParts(conflicts, ask);
  return conflicts.filter(({ hit }, at) => found[at]?.seqNo === hit.seqNo);
}

async function removeNewer(
  conflicts: readonly Conflict[],
  { follower, followerIndex, versionOf, remove }: Overwriting,
  signal: AbortSignal,
): Promise<void> {
  const copies = await inParts(conflicts, async (keys) => follower.multiGet(followerIndex, keys, signal));
  const lines = conflicts.flatMap((conflict, at) => {
    const { version, seqNo, primaryTerm } = copies[at] ?? {};
    if (version === undefined || seqNo === undefined || primaryTerm === undefined) return [];
    return version <= versionOf(conflict) ? [] : [{ ...keyOfHit(conflict), version, exactly: { seqNo, primaryTerm } }];
  });
  await remove(lines);
}

async function inParts(
  conflicts: readonly Conflict[],
  ask: (keys: readonly DocumentKey[]) => Promise<readonly FoundDocument[]>,
): Promise<readonly FoundDocument[]> {
  const found: FoundDocument[] = [];
  for (let at = 0; at < conflicts.length; at += KEYS_AT_ONCE)
    found.push(...(await ask(conflicts.slice(at, at + KEYS_AT_ONCE).map(keyOfHit))));
  return found;
}
