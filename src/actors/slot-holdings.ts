import { Failed } from '../domain/failure.ts';
import type { Clock } from '../ports/clock.ts';
import type { LeaseStore } from '../ports/lease-store.ts';
import type { Narrator } from '../ports/narrator.ts';
import type { SlotHandlers } from '../ports/ownership.ts';
import { claimValue, slotKey } from './slot-records.ts';
import type { SlotView } from './slot-view.ts';

export interface SlotHoldingsOptions {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly narrator: Narrator;
  readonly view: SlotView;
  readonly handlers: SlotHandlers;
  readonly signal: AbortSignal;
  /** Undefined while there is none that lives. */
  readonly session: () => string | undefined;
  /** Something has to be looked at again. */
  readonly settle: () => void;
}

/** The slots that are ours, and those on their way to us or from us. The view decides: an answer to a claim only adds to it. */
export interface SlotHoldings {
  /** Slot and term. */
  readonly held: ReadonlyMap<number, number>;
  readonly giving: ReadonlySet<number>;
  /** Slots whose claims are on their way. */
  readonly claiming: ReadonlyMap<number, unknown>;
  /** Whether a claim for it may be sent now: not while one is on its way, nor right after one has failed. */
  mayClaim(slot: number): boolean;
  claim(slot: number): void;
  give(slot: number): void;
  /** Brings what is held in line with the view; a claim of ours that is `unwanted` is given up at once. */
  reconcile(unwanted: (slot: number) => boolean): void;
  loseAll(): void;
  /** Resolves when no claim is on its way. */
  claimed(): Promise<void>;
  /** Whether nothing is held or on its way from us. */
  readonly empty: boolean;
}

/** A claim that failed is not repeated before; what the watch tells comes first. */
const RETRY_MS = 1_000;
/** An owner that does not come to an end with a slot within this is taken for dead, its work cut off. */
const GIVE_WITHIN_MS = 60_000;

export function slotHoldings(options: SlotHoldingsOptions): SlotHoldings {
  const { store, clock, narrator, view, handlers, signal } = options;
  const held = new Map<number, number>();
  const giving = new Set<number>();
  /** Slot, and the revision over which it is to be given up. */
  const releasing = new Map<number, number>();
  const claiming = new Map<number, Promise<void>>();
  /** Whether the owner before a claim had given the slot up in order. */
  const wasReleased = new Map<number, boolean>();
  const claimAgainAtMs = new Map<number, number>();

  const write = async (slot: number, session: string | undefined, expectedRevision: number): Promise<boolean> => {
    const key = slotKey(slot);
    const value = claimValue(session);
    try {
      const revision = await store.put(key, value, { expectedRevision }, signal);
      view.stands({ key, value, revision });
      return true;
    } catch (thrown) {
      if (!(thrown instanceof Failed) && !signal.aborted) throw thrown;
      return false;
    } finally {
      options.settle();
    }
  };

  const claim = async (slot: number, session: string): Promise<void> => {
    const stored = await write(slot, session, view.claims[slot]?.revision ?? 0);
    if (stored) claimAgainAtMs.delete(slot);
    else claimAgainAtMs.set(slot, clock.monotonic() + RETRY_MS);
    claiming.delete(slot);
  };

  /** Until the view shows that it is not ours any more, whoever has told so. */
  const release = async (slot: number, term: number): Promise<void> => {
    if (releasing.has(slot)) return;
    releasing.set(slot, term);
    while (releasing.get(slot) === term && !signal.aborted) {
      if (await write(slot, undefined, term)) break;
      await clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
    if (releasing.get(slot) === term) releasing.delete(slot);
    options.settle();
  };

  const endInOrder = async (slot: number, term: number): Promise<void> => {
    const tooLong = new AbortController();
    const late = clock.setTimeout(() => tooLong.abort(), GIVE_WITHIN_MS);
    const cut = new Promise<'cut'>((resolve) => tooLong.signal.addEventListener('abort', () => resolve('cut')));
    const end = await Promise.race([handlers.give(slot), cut]).catch((thrown: unknown) => {
      narrator.log('error', 'a slot was not given up in order', { slot, reason: String(thrown) });
    });
    clock.clearTimeout(late);
    if (signal.aborted || held.get(slot) !== term || !giving.has(slot)) return;
    if (end === 'cut') handlers.lost(slot);
    held.delete(slot);
    giving.delete(slot);
    await release(slot, term);
  };

  const lose = (slot: number): void => {
    held.delete(slot);
    giving.delete(slot);
    handlers.lost(slot);
  };

  return {
    held,
    giving,
    claiming,
    mayClaim: (slot) =>
      !claiming.has(slot) && !releasing.has(slot) && (claimAgainAtMs.get(slot) ?? -Infinity) <= clock.monotonic(),
    claim(slot) {
      const session = options.session();
      if (session === undefined) return;
      const before = view.claims[slot];
      wasReleased.set(slot, before !== undefined && before.revision > 0 && before.session === undefined);
      claiming.set(slot, claim(slot, session));
    },
    give(slot) {
      const term = held.get(slot);
      if (term === undefined || giving.has(slot)) return;
      giving.add(slot);
      void endInOrder(slot, term);
    },
    reconcile(unwanted) {
      const session = options.session();
      for (const [slot, { revision, session: owner }] of view.claims.entries()) {
        const ours = session !== undefined && owner === session;
        if ((releasing.get(slot) ?? Infinity) < revision) releasing.delete(slot);
        if (held.has(slot) && (!ours || held.get(slot) !== revision)) lose(slot);
        if (!ours || held.has(slot) || releasing.has(slot)) continue;
        if (unwanted(slot)) void release(slot, revision);
        else {
          held.set(slot, revision);
          handlers.acquired(slot, revision, wasReleased.get(slot) ?? false);
          wasReleased.delete(slot);
        }
      }
    },
    loseAll() {
      releasing.clear();
      for (const slot of held.keys()) lose(slot);
    },
    async claimed() {
      await Promise.all(claiming.values());
    },
    get empty() {
      return held.size === 0 && releasing.size === 0;
    },
  };
}
