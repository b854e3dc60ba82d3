import { assert, present } from '../domain/assert.ts';
import { givers, slotsToGive, slotsToTake, type SlotStanding } from '../domain/slot-balance.ts';
import { heeded, slotOrder, slotShares, type SlotTaker } from '../domain/slot-shares.ts';
import { SLOT_COUNT } from '../domain/slots.ts';
import { failureOf } from '../domain/failure.ts';
import type { Clock } from '../ports/clock.ts';
import type { LeaseChange, LeaseStore } from '../ports/lease-store.ts';
import type { Narrator } from '../ports/narrator.ts';
import type { Announcement, LiveSession, Ownership, SlotHandlers, SlotOwner } from '../ports/ownership.ts';
import type { Random } from '../ports/random.ts';
import { SlotHoldings } from './slot-holdings.ts';
import { movesAllowance, type MovesAllowance } from './slot-moves.ts';
import { sessionKey, sessionValue } from './slot-records.ts';
import { SlotSession } from './slot-session.ts';
import { slotView, type SlotView } from './slot-view.ts';

/** `windowMs` is the shorter one by more than two clocks may drift apart in that time. */
export interface OwnershipTimings {
  readonly renewEveryMs: number;
  /** Of the session's key in the store: so long after a crash its slots are free. */
  readonly sessionTtlMs: number;
  /** Writes may start so long after the start of the last confirmed renewal. */
  readonly windowMs: number;
}

export interface SlotOwnershipOptions extends Partial<OwnershipTimings> {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly narrator: Narrator;
  readonly announcement: Announcement;
  /**
   * Nobody else can be on this store (a NATS server of our own): whoever left a session there is dead. The window is 15 minutes then, and
   * the session lives a little longer.
   */
  readonly alone?: boolean | undefined;
  /** Slots that there are, `SLOT_COUNT` unless told: fewer make a simulation short, where indices are named to lie in them. */
  readonly slots?: number;
}

const TIMINGS: OwnershipTimings = { renewEveryMs: 3_000, sessionTtlMs: 9_000, windowMs: 7_000 };
const ALONE_TIMINGS: OwnershipTimings = { renewEveryMs: 3_000, sessionTtlMs: 16 * 60_000, windowMs: 15 * 60_000 };
/** A session is ended by others when so many of its lives have passed without a renewal. */
const SILENT_LIVES = 2;
const LOOK_EVERY_MS = 1_000;
const CLAIMS_AT_ONCE = 64;
/** After the start: those that start at the same time see each other before they take anything, which saves moves later. */
const CLAIM_AFTER_MS = 1_000;
/** For what is left to be given up when the store does not answer, at the end. */
const STOP_WITHIN_MS = 5_000;
const STOP_LOOK_MS = 50;

export function slotOwnership(options: SlotOwnershipOptions): Ownership {
  return new SlotOwnership(options);
}

/** Computed anew when others, or what we shun, change. */
interface SharesOf {
  readonly seen: readonly SlotTaker[];
  readonly takers: readonly SlotTaker[];
  readonly shares: ReadonlyMap<string, number>;
}

/**
 * Ownership by one session that is kept alive, and claims that name it: a claim is worth what its session is. Claims are written over the
 * revision that was seen, and only where they name no session, or one whose key is gone; so there is at most one owner, whatever is
 * lost, late or repeated on the way. The claim's revision is the term.
 */
class SlotOwnership implements Ownership {
  readonly #options: SlotOwnershipOptions;
  readonly #count: number;
  readonly #ending = new AbortController();
  readonly #signal = this.#ending.signal;
  #ticking: unknown;
  readonly #silentMs: number;
  readonly #session: SlotSession;
  readonly #view: SlotView;
  readonly #moves: MovesAllowance;
  readonly #observers = new Set<() => void>();
  readonly #shunned = new Set<number>();
  /** Sessions that are being asked for. */
  readonly #asking = new Set<string>();
  #holdings: SlotHoldings | undefined;
  #shares: SharesOf | undefined;
  #order: { readonly of: string; readonly slots: readonly number[] } | undefined;
  #claimsFromMs = 0;
  #stopping = false;
  #lookComes = false;
  #changed = false;
  #writing = false;

  constructor(options: SlotOwnershipOptions) {
    const { store, clock, random, announcement: announced } = options;
    this.#options = options;
    this.#count = options.slots ?? SLOT_COUNT;
    const timings = { ...(options.alone === true ? ALONE_TIMINGS : TIMINGS), ...given(options) };
    assert(timings.windowMs < timings.sessionTtlMs, 'nobody may write when the session can have ended');
    this.#silentMs = SILENT_LIVES * timings.sessionTtlMs;
    this.#moves = movesAllowance(clock);
    this.#view = slotView(clock, (by) => this.#moves.given(by === this.#session.id), this.#count);
    this.#session = new SlotSession({
      ...timings,
      store,
      clock,
      newId: () => random.id(),
      signal: this.#signal,
      value: () => sessionValue({ announced, shuns: this.#shunned }),
      renewed: (entry) => this.#take({ kind: 'stands', entry }),
      ended: (id) => this.#sessionEnded(id),
    });
  }

  get session(): string {
    return this.#session.id;
  }

  async start(handlers: SlotHandlers, signal: AbortSignal): Promise<void> {
    const { store, clock, narrator, alone } = this.#options;
    signal.throwIfAborted();
    signal.addEventListener('abort', () => this.#ending.abort(signal.reason), { once: true });
    const first = Promise.withResolvers<void>();
    this.#signal.addEventListener('abort', () => first.reject(this.#signal.reason as Error), { once: true });
    void this.#watch(first.resolve);
    await first.promise;
    if (alone === true) for (const other of this.#view.sessions.keys()) this.#view.endSession(other);
    this.#holdings = new SlotHoldings({
      store,
      clock,
      narrator,
      handlers,
      view: this.#view,
      signal: this.#signal,
      session: () => (this.#session.live ? this.#session.id : undefined),
      settle: () => this.#settle(),
    });
    this.#claimsFromMs = clock.monotonic() + (alone === true ? 0 : CLAIM_AFTER_MS);
    this.#session.begin();
    this.#tick();
  }

  mayWrite(slot: number): boolean {
    const claim = this.#view.claims[slot];
    const open = this.#session.windowOpen();
    // It may be open again before the next look: whoever is refused now waits to be told.
    if (!open && this.#writing) {
      this.#tellWriting();
      this.#settle();
    }
    return (
      open &&
      !this.#signal.aborted &&
      claim?.session === this.#session.id &&
      this.#holdings?.held.get(slot) === claim.revision
    );
  }

  ownerOf(slot: number): SlotOwner | undefined {
    const { session, revision } = present(this.#view.claims[slot], 'a slot is below the number of slots');
    return session === undefined || this.#view.isEnded(session) ? undefined : { session, term: revision };
  }

  live(): readonly LiveSession[] {
    return [...this.#view.sessions].map(([session, { announced }]) => ({ session, announced }));
  }

  longestRequestMs(cluster: string): number {
    return this.#view.longestRequestMs(cluster);
  }

  observe(changed: () => void): () => void {
    this.#observers.add(changed);
    return () => void this.#observers.delete(changed);
  }

  shun(slot: number, shunned = true): boolean {
    assert(slot >= 0 && slot < this.#count, 'a slot is below the number of slots');
    if (this.#shunned.has(slot) !== shunned) {
      if (shunned) this.#shunned.add(slot);
      else this.#shunned.delete(slot);
      this.#shares = undefined;
      if (this.#session.live) this.#session.renewNow();
      this.#settle();
    }
    return this.#view.takers().some(({ session, shuns }) => session !== this.#session.id && !shuns.has(slot));
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const { clock, narrator } = this.#options;
    const holdings = this.#holdings;
    await holdings?.claimed();
    if (holdings !== undefined && !this.#signal.aborted) {
      this.#look(holdings);
      for (const slot of holdings.held.keys()) holdings.give(slot);
      for (let leftMs = STOP_WITHIN_MS; !holdings.empty && leftMs > 0 && !this.#signal.aborted;) {
        // What the work on a slot takes is not counted: it has a bound of its own.
        if (holdings.held.size === 0) leftMs -= STOP_LOOK_MS;
        await clock.sleep(STOP_LOOK_MS, this.#signal).catch(() => undefined);
      }
      await this.#session.end().catch((thrown: unknown) => {
        narrator.log('warn', 'the session was left to its end', { failure: failureOf(thrown, 'end session') });
      });
    }
    this.#options.clock.clearTimeout(this.#ticking);
    this.#ending.abort(new Error('ownership was stopped'));
  }

  async #watch(current: () => void): Promise<void> {
    const { store, narrator } = this.#options;
    try {
      for await (const change of store.watch(this.#signal)) {
        this.#take(change);
        if (change.kind === 'current') current();
      }
    } catch (thrown) {
      if (this.#signal.aborted) return;
      narrator.log('error', 'who owns what is not watched any more', { failure: failureOf(thrown, 'watch leases') });
    }
  }

  #take(change: LeaseChange): void {
    if (this.#signal.aborted) return;
    if (change.kind === 'stands') {
      this.#session.seen(change.entry);
      if (this.#view.stands(change.entry)) this.#changed = true;
    } else if (change.kind === 'gone') {
      if (this.#view.gone(change.key)) this.#changed = true;
      this.#session.seenGone(change.key);
    }
    this.#settle();
  }

  #sessionEnded(session: string): void {
    this.#options.narrator.log('warn', 'the session has ended: its slots are lost, and another begins', { session });
    this.#view.endSession(session);
    this.#changed = true;
    this.#holdings?.loseAll();
    this.#settle();
  }

  #tick(): void {
    if (this.#signal.aborted) return;
    this.#settle();
    this.#ticking = this.#options.clock.setTimeout(() => this.#tick(), LOOK_EVERY_MS);
  }

  /** Once for everything that comes at once. */
  #settle(): void {
    if (this.#lookComes || this.#signal.aborted) return;
    this.#lookComes = true;
    void Promise.resolve().then(() => {
      this.#lookComes = false;
      if (this.#holdings !== undefined && !this.#signal.aborted) this.#look(this.#holdings);
    });
  }

  #look(holdings: SlotHoldings): void {
    const standing = this.#standing();
    const shunned = standing.takers.find(({ session }) => session === standing.session)?.shuns;
    holdings.reconcile((slot) => this.#stopping || shunned?.has(slot) === true);
    const mayClaim = this.#session.windowOpen() && this.#options.clock.monotonic() >= this.#claimsFromMs;
    if (mayClaim && !this.#stopping) {
      this.#claim(holdings, standing);
      this.#give(holdings, standing);
      for (const { session, revision } of this.#view.silent(this.#silentMs)) void this.#endSilent(session, revision);
    }
    this.#tellWriting();
    if (!this.#changed) return;
    this.#changed = false;
    for (const tell of this.#observers) tell();
  }

  #standing(): SlotStanding {
    const { id: session } = this.#session;
    const seen = this.#view.takers();
    if (this.#shares?.seen !== seen) {
      // What we shun may not have been told yet.
      const takers = heeded(
        seen.map((taker) => (taker.session === session ? { session, shuns: this.#shunned } : taker)),
      );
      this.#shares = { seen, takers, shares: slotShares(takers, this.#count) };
    }
    if (this.#order?.of !== session) this.#order = { of: session, slots: slotOrder(session, this.#count) };
    const { takers, shares } = this.#shares;
    return { session, takers, shares, counts: this.#view.counts(), order: this.#order.slots };
  }

  #claim(holdings: SlotHoldings, standing: SlotStanding): void {
    const { claims, sessions, isEnded } = this.#view;
    const free = new Set<number>();
    for (const [slot, { session: owner }] of claims.entries()) {
      if (owner === undefined || isEnded(owner)) {
        if (holdings.mayClaim(slot)) free.add(slot);
      } else if (!sessions.has(owner)) void this.#ask(owner);
    }
    if (free.size === 0) return;
    const mine = holdings.held.size - holdings.giving.size + holdings.claiming;
    const room = Math.max(0, CLAIMS_AT_ONCE - holdings.claiming);
    for (const slot of slotsToTake(standing, free, mine).slice(0, room)) holdings.claim(slot);
  }

  #give(holdings: SlotHoldings, standing: SlotStanding): void {
    const { held, giving, leaving } = holdings;
    const kept = new Set([...held.keys()].filter((slot) => !giving.has(slot)));
    const wanted = slotsToGive(standing, kept);
    if (wanted.length === 0) return;
    const owners = this.#view.claims.map((claim) => claim.session);
    const allowed = this.#moves.allowed(leaving, givers(standing, owners));
    for (const slot of wanted.slice(0, allowed)) holdings.give(slot);
  }

  /** Whether a session lives that a claim names, but nobody told of: it may have been renewed while the watch began. */
  async #ask(session: string): Promise<void> {
    if (this.#asking.has(session)) return;
    this.#asking.add(session);
    const key = sessionKey(session);
    try {
      const entry = await this.#options.store.get(key, this.#signal);
      this.#take(entry === undefined ? { kind: 'gone', key } : { kind: 'stands', entry });
    } catch {
      // Asked again at the next look.
    }
    this.#asking.delete(session);
  }

  /**
   * The server ends sessions by itself; but one whose storage went back in time, by `kill -9` or a power cut, may hold ended ones again, and for
   * ever: they would be counted when slots are shared. Over the revision that was seen, so one that is renewed after all stays.
   */
  async #endSilent(session: string, revision: number): Promise<void> {
    if (this.#asking.has(session)) return;
    this.#asking.add(session);
    const { store, narrator } = this.#options;
    const key = sessionKey(session);
    const ended = await store.delete(key, revision, this.#signal).then(
      () => true,
      () => false,
    );
    this.#asking.delete(session);
    if (!ended) return this.#ask(session);
    narrator.log('warn', 'a session that nobody renews was still in the store', { session });
    this.#take({ kind: 'gone', key });
  }

  #tellWriting(): void {
    const open = this.#session.windowOpen();
    if (open === this.#writing) return;
    this.#writing = open;
    this.#changed = true;
    const { narrator } = this.#options;
    const { id: session, failure } = this.#session;
    if (open) narrator.log('info', 'slots may be owned and written', { session });
    else narrator.log('warn', 'nothing is written any more: no lease', { session, reason: failure?.reason });
  }
}

function given({ renewEveryMs, sessionTtlMs, windowMs }: SlotOwnershipOptions): Partial<OwnershipTimings> {
  return {
    ...(renewEveryMs === undefined ? {} : { renewEveryMs }),
    ...(sessionTtlMs === undefined ? {} : { sessionTtlMs }),
    ...(windowMs === undefined ? {} : { windowMs }),
  };
}
