import { assert, present } from '../domain/assert.ts';
import { givers, slotsToGive, slotsToTake, type SlotStanding } from '../domain/slot-balance.ts';
import { slotOrder } from '../domain/slot-shares.ts';
import { SLOT_COUNT } from '../domain/slots.ts';
import { failureOf } from '../domain/failure.ts';
import type { Clock } from '../ports/clock.ts';
import type { LeaseChange, LeaseStore } from '../ports/lease-store.ts';
import type { Narrator } from '../ports/narrator.ts';
import type { Announcement, Ownership } from '../ports/ownership.ts';
import type { Random } from '../ports/random.ts';
import { slotHoldings, type SlotHoldings } from './slot-holdings.ts';
import { movesAllowance } from './slot-moves.ts';
import { sessionKey, sessionValue } from './slot-records.ts';
import { slotSession } from './slot-session.ts';
import { slotView } from './slot-view.ts';

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
}

const TIMINGS: OwnershipTimings = { renewEveryMs: 3_000, sessionTtlMs: 9_000, windowMs: 7_000 };
const ALONE_TIMINGS: OwnershipTimings = { renewEveryMs: 3_000, sessionTtlMs: 16 * 60_000, windowMs: 15 * 60_000 };
const LOOK_EVERY_MS = 1_000;
const CLAIMS_AT_ONCE = 64;
/** For what is left to be given up when the store does not answer, at the end. */
const STOP_WITHIN_MS = 5_000;

/**
 * Ownership by one session that is kept alive, and claims that name it: a claim is worth what its session is. Claims are written over the
 * revision that was seen, and only where they name no session, or one whose key is gone; so there is at most one owner, whatever is
 * lost, late or repeated on the way. The claim's revision is the term.
 */
export function slotOwnership(options: SlotOwnershipOptions): Ownership {
  const { store, clock, random, narrator, announcement, alone = false } = options;
  const usual = alone ? ALONE_TIMINGS : TIMINGS;
  const sessionTtlMs = options.sessionTtlMs ?? usual.sessionTtlMs;
  const windowMs = options.windowMs ?? usual.windowMs;
  assert(windowMs < sessionTtlMs, 'nobody may write when the session can have ended');
  const ending = new AbortController();
  const { signal } = ending;
  const observers = new Set<() => void>();
  const shunned = new Set<number>();
  const moves = movesAllowance(clock);
  const view = slotView((by) => moves.given(by === session.id));
  const asking = new Set<string>();
  let holdings: SlotHoldings | undefined;
  let order: readonly number[] = [];
  let stopping = false;
  let settling = false;
  let changed = false;
  let writing = false;

  const session = slotSession({
    store,
    clock,
    newId: () => random.id(),
    renewEveryMs: options.renewEveryMs ?? usual.renewEveryMs,
    sessionTtlMs,
    windowMs,
    signal,
    value: () => sessionValue({ announced: announcement, shuns: shunned }),
    renewed(entry) {
      if (view.stands(entry)) changed = true;
      settle();
    },
    ended(id) {
      narrator.log('warn', 'the session has ended: all slots are lost, and another begins', { session: id });
      view.endSession(id);
      changed = true;
      holdings?.loseAll();
      settle();
    },
  });

  /** Once for everything that comes at once. */
  const settle = (): void => {
    if (settling || signal.aborted) return;
    settling = true;
    void Promise.resolve().then(() => {
      settling = false;
      if (holdings !== undefined && !signal.aborted) look(holdings);
    });
  };

  const look = (mine: SlotHoldings): void => {
    mine.reconcile((slot) => stopping || shunned.has(slot));
    if (session.live && session.windowOpen() && !stopping) {
      if (order.length === 0 || orderOf !== session.id) {
        order = slotOrder(session.id);
        orderOf = session.id;
      }
      const standing = { session: session.id, takers: view.takers(), counts: view.counts(), order };
      take(mine, standing);
      give(mine, standing);
    }
    tellWriting();
    if (!changed) return;
    changed = false;
    for (const tell of observers) tell();
  };
  let orderOf = '';
  let ticking: unknown;

  const take = (mine: SlotHoldings, standing: SlotStanding): void => {
    const free = new Set<number>();
    for (const [slot, { session: owner }] of view.claims.entries()) {
      if (owner !== undefined && !view.isEnded(owner) && !view.sessions.has(owner)) void ask(owner);
      if ((owner === undefined || view.isEnded(owner)) && mine.mayClaim(slot)) free.add(slot);
    }
    if (free.size === 0) return;
    const owned = mine.held.size - mine.giving.size + mine.claiming.size;
    const room = CLAIMS_AT_ONCE - mine.claiming.size;
    for (const slot of slotsToTake(standing, free, owned).slice(0, room)) mine.claim(slot);
  };

  const give = (mine: SlotHoldings, standing: SlotStanding): void => {
    const kept = new Set([...mine.held.keys()].filter((slot) => !mine.giving.has(slot)));
    const allowed = moves.allowed(mine.giving.size, givers(standing));
    if (allowed > 0) for (const slot of slotsToGive(standing, kept).slice(0, allowed)) mine.give(slot);
  };

  /** Whether a session lives that a claim names and that was not told: it may have been renewed just then. */
  const ask = async (named: string): Promise<void> => {
    if (asking.has(named)) return;
    asking.add(named);
    try {
      const entry = await store.get(sessionKey(named), signal);
      if (entry === undefined) view.endSession(named);
      else view.stands(entry);
      changed = true;
      settle();
    } catch {
      // Asked again at the next look.
    }
    asking.delete(named);
  };

  const tellWriting = (): void => {
    const open = session.windowOpen();
    if (open === writing) return;
    writing = open;
    changed = true;
    const { failure } = session;
    if (open) narrator.log('info', 'slots may be written', { session: session.id });
    else narrator.log('warn', 'writing is suspended: no lease', { session: session.id, reason: failure?.reason });
  };

  const take1 = (change: LeaseChange): void => {
    if (change.kind === 'current') changed = true;
    else if (change.kind === 'stands') {
      session.seen(change.entry);
      if (view.stands(change.entry)) changed = true;
    } else {
      if (view.gone(change.key)) changed = true;
      session.seenGone(change.key);
    }
    settle();
  };

  const watch = async (current: () => void): Promise<void> => {
    try {
      for await (const change of store.watch(signal)) {
        take1(change);
        if (change.kind === 'current') current();
      }
    } catch (thrown) {
      if (signal.aborted) return;
      narrator.log('error', 'who owns what is not watched any more', { failure: failureOf(thrown, 'watch leases') });
    }
  };

  const tick = (): void => {
    if (signal.aborted) return;
    settle();
    ticking = clock.setTimeout(tick, LOOK_EVERY_MS);
  };

  return {
    get session() {
      return session.id;
    },
    async start(handlers, outer) {
      outer.throwIfAborted();
      outer.addEventListener('abort', () => ending.abort(outer.reason), { once: true });
      const first = Promise.withResolvers<void>();
      signal.addEventListener('abort', () => first.reject(signal.reason as Error), { once: true });
      void watch(first.resolve);
      await first.promise;
      if (alone) for (const other of [...view.sessions.keys()]) view.endSession(other);
      holdings = slotHoldings({
        store,
        clock,
        narrator,
        view,
        handlers,
        signal,
        session: () => (session.live ? session.id : undefined),
        settle,
      });
      session.begin();
      tick();
    },
    mayWrite(slot) {
      const claim = view.claims[slot];
      return (
        !signal.aborted &&
        claim?.session === session.id &&
        holdings?.held.get(slot) === claim.revision &&
        session.windowOpen()
      );
    },
    ownerOf(slot) {
      const { session: owner, revision } = present(view.claims[slot], 'a slot is below the number of slots');
      return owner === undefined || view.isEnded(owner) ? undefined : { session: owner, term: revision };
    },
    live: () => [...view.sessions].map(([id, { announced }]) => ({ session: id, announced })),
    observe(tell) {
      observers.add(tell);
      return () => void observers.delete(tell);
    },
    shun(slot) {
      assert(slot >= 0 && slot < SLOT_COUNT, 'a slot is below the number of slots');
      if (shunned.has(slot)) return;
      shunned.add(slot);
      if (session.live) session.renewNow();
      settle();
    },
    async stop() {
      if (stopping) return;
      stopping = true;
      await holdings?.claimed();
      const mine = holdings;
      if (mine !== undefined && !signal.aborted) {
        mine.reconcile(() => true);
        for (const slot of mine.held.keys()) mine.give(slot);
        for (let leftMs = STOP_WITHIN_MS; !mine.empty && leftMs > 0 && !signal.aborted;) {
          if (mine.held.size === 0) leftMs -= 50;
          await clock.sleep(50, signal).catch(() => undefined);
        }
        await session.end().catch((thrown: unknown) => {
          narrator.log('warn', 'the session was left to its end', { failure: failureOf(thrown, 'end session') });
        });
      }
      clock.clearTimeout(ticking);
      ending.abort(new Error('ownership was stopped'));
    },
  };
}
