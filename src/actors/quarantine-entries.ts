import type { QuarantineEntry } from '../domain/commands.ts';
import { pairKey, type PairRef } from '../domain/names.ts';
import type { QuarantineStore, StoredQuarantine } from '../ports/quarantine-store.ts';
import type { FollowerIndex } from './follower-index.ts';
import type { PairActor } from './pair-actor.ts';

/** What the index of the quarantine holds of a pair. One whose journal and data know of nothing is not asked for. */
export async function quarantineEntries(
  { pair, quarantined, session }: PairActor,
  { followerSide }: FollowerIndex,
  signal: AbortSignal,
): Promise<readonly QuarantineEntry[]> {
  if (quarantined === 0) return [];
  const stored = await followerSide.quarantine.load(pairKey(pair), signal);
  // A late write may have left something in the index that the pair knows better.
  const held = stored.filter(
    ({ document: { id, seqNo } }) => session.replicator === undefined || session.quarantine?.get(id)?.seqNo === seqNo,
  );
  return storedEntries(pair, held);
}

export function storedEntries(pair: PairRef, stored: readonly StoredQuarantine[]): readonly QuarantineEntry[] {
  return stored.map(({ document: { copyVersion, ...document } }) => ({
    ...pair,
    ...document,
    olderCopy: copyVersion !== undefined,
  }));
}

export async function forgetQuarantine(store: QuarantineStore, pair: string, signal: AbortSignal): Promise<void> {
  const stored = await store.load(pair, signal);
  if (stored.length === 0) return;
  await store.remove(
    pair,
    stored.map(({ document: { id }, version }) => ({ id, version })),
    signal,
  );
}
