import { Failed } from '../domain/failure.ts';
import type { Clock } from '../ports/clock.ts';
import type { LeaseStore } from '../ports/lease-store.ts';
import type { Narrator } from '../ports/narrator.ts';
import type { SlotHandlers } from '../ports/ownership.ts';
import { type ClaimRecord, claimValue, slotKey } from './slot-records.ts';
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

/** A claim that failed is not repeated before; what the watch tells comes first. */
const RETRY_MS = 1_000;
/** An owner that does not come to an end with a slot within this is cut off, as if it had died. */
const GIVE_WITHIN_MS = 60_000;

/** The slots that are ours, and those on their way to us or from us. The view decides: an answer to a claim only adds to it. */
export class SlotHoldings {
  readonly #options: SlotHoldingsOptions;
  readonly #held = new Map<number, number>();
  readonly #giving = new Set<number>();
  /** Slot, and the revision over which it is to be given up. */
  readonly #releasing = new Map<number, number>();
  readonly #claiming = new Map<number, Promise<void>>();
  readonly #claimAgainAtMs = new Map<number, number>();

  constructor(options: SlotHoldingsOptions) {
    this.#options = options;
  }

  /** Slot and term, those included that are being given up. */
  get held(): ReadonlyMap<number, number> {
    return this.#held;
  }

  get giving(): ReadonlySet<number> {
    return this.#giving;
  }

  /** Slots that are being given up, until the store has it. */
  get leaving(): number {
    return this.#giving.size + this.#releasing.size;
  }

  /** Claims on their way. */
  get claiming(): number {
    return this.#claiming.size;
  }

  /** Whether nothing is held or on its way from us. */
  get empty(): boolean {
    return this.#held.size === 0 && this.#releasing.size === 0;
  }

  /** Not while a write for it is on its way, nor right after a claim has failed. */
  mayClaim(slot: number): boolean {
    if (this.#claiming.has(slot) || this.#releasing.has(slot)) return false;
    return (this.#claimAgainAtMs.get(slot) ?? -Infinity) <= this.#options.clock.monotonic();
  }

  claim(slot: number): void {
    const session = this.#options.session();
    if (session !== undefined) this.#claiming.set(slot, this.#claim(slot, session));
  }

  /** Resolves when no claim is on its way. */
  async claimed(): Promise<void> {
    await Promise.all(this.#claiming.values());
  }

  give(slot: number): void {
    const term = this.#held.get(slot);
    if (term === undefined || this.#giving.has(slot)) return;
    this.#giving.add(slot);
    void this.#endInOrder(slot, term);
  }

  /** Brings what is held in line with the view. A claim of ours that is found there is adopted, or given up at once if `unwanted`. */
  reconcile(unwanted: (slot: number) => boolean): void {
    const { view, handlers } = this.#options;
    const session = this.#options.session();
    for (const [slot, { revision, session: owner, settled }] of view.claims.entries()) {
      const ours = session !== undefined && owner === session;
      if ((this.#releasing.get(slot) ?? Infinity) < revision) this.#releasing.delete(slot);
      if (this.#held.has(slot) && (!ours || this.#held.get(slot) !== revision)) this.#lose(slot);
      if (!ours || this.#held.has(slot) || this.#releasing.has(slot)) continue;
      if (unwanted(slot)) void this.#release(slot, revision, settled);
      else {
        this.#held.set(slot, revision);
        handlers.acquired(slot, revision, settled);
      }
    }
  }

  loseAll(): void {
    this.#releasing.clear();
    for (const slot of this.#held.keys()) this.#lose(slot);
  }

  #lose(slot: number): void {
    this.#held.delete(slot);
    this.#giving.delete(slot);
    this.#options.handlers.lost(slot);
  }

  async #claim(slot: number, session: string): Promise<void> {
    const { view, clock } = this.#options;
    const before = view.claims[slot];
    const settled = before?.session === undefined && before?.settled === true;
    const stored = await this.#write(slot, { session, settled }, before?.revision ?? 0);
    if (stored) this.#claimAgainAtMs.delete(slot);
    else this.#claimAgainAtMs.set(slot, clock.monotonic() + RETRY_MS);
    this.#claiming.delete(slot);
  }

  async #endInOrder(slot: number, term: number): Promise<void> {
    const { clock, narrator, handlers, signal } = this.#options;
    const cut = Promise.withResolvers<'cut'>();
    const late = clock.setTimeout(() => cut.resolve('cut'), GIVE_WITHIN_MS);
    const end = await Promise.race([handlers.give(slot), cut.promise]).catch((thrown: unknown) => {
      narrator.log('error', 'a slot was not given up in order', { slot, reason: String(thrown) });
      return 'failed' as const;
    });
    clock.clearTimeout(late);
    if (signal.aborted || this.#held.get(slot) !== term) return;
    if (end === 'cut') handlers.lost(slot);
    this.#held.delete(slot);
    this.#giving.delete(slot);
    await this.#release(slot, term, end === undefined);
  }

  /** Until the view shows that the claim is not ours any more, whoever has told so. */
  async #release(slot: number, term: number, settled: boolean): Promise<void> {
    const { clock, signal } = this.#options;
    this.#releasing.set(slot, term);
    while (this.#releasing.get(slot) === term && !signal.aborted) {
      if (await this.#write(slot, { session: undefined, settled }, term)) this.#releasing.delete(slot);
      else await clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
  }

  async #write(slot: number, claim: ClaimRecord, expectedRevision: number): Promise<boolean> {
    const { store, view, signal, settle } = this.#options;
    const key = slotKey(slot);
    const value = claimValue(claim);
    try {
      const revision = await store.put(key, value, { expectedRevision }, signal);
      view.stands({ key, value, revision });
      return true;
    } catch (thrown) {
      if (!(thrown instanceof Failed) && !signal.aborted) throw thrown;
      return false;
    } finally {
      settle();
    }
  }
}
