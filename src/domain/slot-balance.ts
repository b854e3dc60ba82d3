import { takersOf, type SlotTaker } from './slot-shares.ts';

export interface SlotStanding {
  /** Ours; it is one of the takers. */
  readonly session: string;
  readonly takers: readonly SlotTaker[];
  /** How many slots each should own (`slotShares`), and how many it owns. */
  readonly shares: ReadonlyMap<string, number>;
  readonly counts: ReadonlyMap<string, number>;
  /** An order of all slots that is ours (`slotOrder`). */
  readonly order: readonly number[];
}

/**
 * Free slots to take, first those that few others may take: up to our share of `mine` that we own or are about to; beyond it only what
 * nobody else would take who has not its share yet.
 */
export function slotsToTake(standing: SlotStanding, free: ReadonlySet<number>, mine: number): readonly number[] {
  const { session, takers, shares, counts, order } = standing;
  const me = takers.find((taker) => taker.session === session);
  const hungry = takers.filter(
    (taker) => taker.session !== session && (counts.get(taker.session) ?? 0) < (shares.get(taker.session) ?? 0),
  );
  const wanted = byTakers(
    order.filter((slot) => free.has(slot) && me?.shuns.has(slot) === false),
    takers,
  );
  const room = Math.max(0, (shares.get(session) ?? 0) - mine);
  return [...wanted.slice(0, room), ...wanted.slice(room).filter((slot) => takersOf(slot, hungry) === 0)];
}

/** Of our slots: what we shun, then what is above our share and another would take, first those that most may take. */
export function slotsToGive(standing: SlotStanding, mine: ReadonlySet<number>): readonly number[] {
  const { session, takers, shares, counts, order } = standing;
  const shunned = takers.find((taker) => taker.session === session)?.shuns ?? new Set();
  const given = shunned.size === 0 ? [] : [...mine].filter((slot) => shunned.has(slot));
  let excess = mine.size - given.length - (shares.get(session) ?? 0);
  if (excess <= 0) return given;
  const hungry = takers
    .filter((taker) => taker.session !== session)
    .map((taker) => ({ ...taker, room: (shares.get(taker.session) ?? 0) - (counts.get(taker.session) ?? 0) }));
  const candidates = byTakers(
    order.filter((slot) => mine.has(slot) && !shunned.has(slot)),
    takers,
  ).toReversed();
  for (const slot of candidates) {
    const next = hungry.find(({ room, shuns }) => room > 0 && !shuns.has(slot));
    if (excess <= 0) break;
    if (next === undefined) continue;
    next.room -= 1;
    excess -= 1;
    given.push(slot);
  }
  return given;
}

/**
 * Sessions that have something to give: they own more than their share, or what they shun.
 *
 * @param owners session of each slot, undefined where there is none
 */
export function givers({ takers, shares, counts }: SlotStanding, owners: readonly (string | undefined)[]): number {
  return takers.filter(
    ({ session, shuns }) =>
      (counts.get(session) ?? 0) > (shares.get(session) ?? 0) || [...shuns].some((slot) => owners[slot] === session),
  ).length;
}

/** First those that fewest take. */
function byTakers(slots: readonly number[], takers: readonly SlotTaker[]): readonly number[] {
  if (takers.every(({ shuns }) => shuns.size === 0)) return slots;
  return slots
    .map((slot) => ({ slot, takers: takersOf(slot, takers) }))
    .toSorted((a, b) => a.takers - b.takers)
    .map(({ slot }) => slot);
}
