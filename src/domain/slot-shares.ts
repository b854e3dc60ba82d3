import { SLOT_COUNT } from './slots.ts';

export interface SlotTaker {
  readonly session: string;
  /** Slots that it does not take. */
  readonly shuns: ReadonlySet<number>;
}

/** How many of the takers would take a slot. */
export function takersOf(slot: number, takers: readonly SlotTaker[]): number {
  return takers.reduce((count, { shuns }) => count + (shuns.has(slot) ? 0 : 1), 0);
}

/** What all shun somebody has to own all the same, or nothing in it would run. */
export function heeded(takers: readonly SlotTaker[]): readonly SlotTaker[] {
  const byAll = new Set([...(takers[0]?.shuns ?? [])].filter((slot) => takersOf(slot, takers) === 0));
  if (byAll.size === 0) return takers;
  return takers.map(({ session, shuns }) => ({
    session,
    shuns: new Set([...shuns].filter((slot) => !byAll.has(slot))),
  }));
}

/**
 * How many slots each should own: as even as may be, the same for everybody who asks with the same takers. What few may take is given
 * away first, so that the others make up for it with the rest. Without shunned slots this is a floor or ceiling of the mean.
 */
export function slotShares(takers: readonly SlotTaker[], count = SLOT_COUNT): ReadonlyMap<string, number> {
  const ordered = takers.toSorted((a, b) => (a.session < b.session ? -1 : 1));
  const shares = new Map(ordered.map(({ session }) => [session, 0]));
  const slots = Array.from({ length: count }, (_, slot) => ({ slot, takers: takersOf(slot, ordered) }));
  for (const { slot } of slots.toSorted((a, b) => a.takers - b.takers || a.slot - b.slot)) {
    let least: string | undefined;
    for (const { session, shuns } of ordered) {
      if (shuns.has(slot)) continue;
      if (least === undefined || (shares.get(session) ?? 0) < (shares.get(least) ?? 0)) least = session;
    }
    if (least !== undefined) shares.set(least, (shares.get(least) ?? 0) + 1);
  }
  return shares;
}

/** An order of slots that is each session's own, so that two that take free slots at once rarely want the same one first. */
export function slotOrder(session: string, count = SLOT_COUNT): readonly number[] {
  const ranks = Array.from({ length: count }, (_, slot) => ({ slot, rank: mixed(`${session} ${slot}`) }));
  return ranks.toSorted((a, b) => a.rank - b.rank || a.slot - b.slot).map(({ slot }) => slot);
}

function mixed(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
