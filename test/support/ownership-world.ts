import { setImmediate as turn } from 'node:timers/promises';
import { slotOwnership, type SlotOwnershipOptions } from '../../src/actors/slot-ownership.ts';
import { SLOT_COUNT } from '../../src/domain/slots.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { LeaseStore } from '../../src/ports/lease-store.ts';
import type { Announcement, Ownership, SlotHandlers } from '../../src/ports/ownership.ts';
import { memoryLeases, type LeaseLink, type MemoryLeases, type MemoryLink } from './memory-leases.ts';
import { memoryNarrator, type MemoryNarrator } from './memory-narrator.ts';
import { SimRandom } from './sim-random.ts';
import { VirtualClock } from './virtual-clock.ts';

/** The clock of one process: it can be set, and a process that is paused runs no timer until it goes on. */
export class ProcessClock implements Clock {
  readonly #time: VirtualClock;
  readonly #held: (() => void)[] = [];
  #aheadMs = 0;
  #stoodStillMs = 0;
  #pausedAtMs: number | undefined;
  #stops = false;

  constructor(time: VirtualClock) {
    this.#time = time;
  }

  /** Of the wall clock; the monotonic one goes on. */
  jump(ms: number): void {
    this.#aheadMs += ms;
  }

  get paused(): boolean {
    return this.#pausedAtMs !== undefined;
  }

  /** @param stops the monotonic clock stands still meanwhile, as while a machine is suspended */
  pause(stops: boolean): void {
    this.#pausedAtMs = this.#time.monotonic();
    this.#stops = stops;
  }

  goOn(): void {
    if (this.#pausedAtMs === undefined) return;
    if (this.#stops) this.#stoodStillMs += this.#time.monotonic() - this.#pausedAtMs;
    this.#pausedAtMs = undefined;
    for (const run of this.#held.splice(0)) run();
  }

  now(): number {
    return this.#time.now() + this.#aheadMs;
  }

  monotonic(): number {
    const still = this.#pausedAtMs !== undefined && this.#stops ? this.#time.monotonic() - this.#pausedAtMs : 0;
    return this.#time.monotonic() - this.#stoodStillMs - still;
  }

  /** Runs at once, or when the process goes on. */
  whenRunning(run: () => void): void {
    if (this.paused) this.#held.push(run);
    else run();
  }

  setTimeout(callback: () => void, ms: number): unknown {
    const timer = { cleared: false };
    const run = (): void => void (timer.cleared || callback());
    const handle = this.#time.setTimeout(() => this.whenRunning(run), ms);
    return Object.assign(timer, { handle });
  }

  clearTimeout(handle: unknown): void {
    if (handle === undefined) return;
    const timer = handle as { cleared: boolean; handle: unknown };
    timer.cleared = true;
    this.#time.clearTimeout(timer.handle);
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => {
      this.clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = this.setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
    await promise;
  }
}

export interface OwnerProcess {
  readonly name: string;
  readonly ownership: Ownership;
  readonly clock: ProcessClock;
  readonly link: MemoryLink;
  readonly narrator: MemoryNarrator;
  /** Slots for which `acquired` was the last word, and their terms. */
  readonly owned: Map<number, number>;
  readonly log: { readonly atMs: number; readonly what: 'acquired' | 'lost' | 'given'; readonly slot: number }[];
  crashed: boolean;
  crash(): void;
}

export interface JoinOptions extends Partial<Omit<SlotOwnershipOptions, 'store'>> {
  /** Life of every session's key, whatever the supervisor asks for: a bug that is planted. */
  readonly storeTtlMs?: number;
  readonly link?: LeaseLink;
  /** What the work on a slot takes to end in order. */
  readonly giveMs?: () => number;
  readonly requestTimeoutsMs?: Announcement['requestTimeoutsMs'];
}

function shortLived(store: LeaseStore, ttlMs: number): LeaseStore {
  return {
    put: (key, value, write, signal) =>
      store.put(key, value, write.ttlMs === undefined ? write : { ...write, ttlMs }, signal),
    get: store.get,
    delete: store.delete,
    watch: store.watch,
  };
}

/** Supervisors that share the slots by one store in memory, in virtual time. */
export class OwnershipWorld {
  readonly time = new VirtualClock();
  readonly leases: MemoryLeases = memoryLeases(this.time);
  readonly processes: OwnerProcess[] = [];
  readonly #seed: number;
  /** How many take each slot for theirs, and how many slots more than one does. */
  readonly #owners = new Uint8Array(SLOT_COUNT);
  #contested = 0;
  /** What broke a rule that always holds. */
  readonly faults: string[] = [];

  constructor(seed = 1) {
    this.#seed = seed;
  }

  /** Another supervisor, which runs from now on. */
  join(
    name: string,
    { link = {}, giveMs = () => 0, storeTtlMs, requestTimeoutsMs, ...options }: JoinOptions = {},
  ): OwnerProcess {
    const clock = new ProcessClock(this.time);
    const arrive = (): Promise<void> => new Promise((resolve) => clock.whenRunning(resolve));
    const memoryLink = this.leases.open({ arrive, ...link });
    const narrator = memoryNarrator();
    const ending = new AbortController();
    const owned = new Map<number, number>();
    /** Since they were acquired: those may be lost in the moment in which they are given. */
    const giving = new Set<number>();
    const log: OwnerProcess['log'] = [];
    const ownership = slotOwnership({
      store: storeTtlMs === undefined ? memoryLink : shortLived(memoryLink, storeTtlMs),
      clock,
      narrator,
      random: new SimRandom(this.#seed * 1_000 + this.processes.length),
      announcement: { supervisor: name, version: '1', clusters: [], readsEventVersion: 1, requestTimeoutsMs },
      ...options,
    });
    const note = (what: 'acquired' | 'lost' | 'given', slot: number): void => {
      log.push({ atMs: this.time.monotonic(), what, slot });
    };
    const handlers: SlotHandlers = {
      acquired: (slot, term) => {
        if (owned.has(slot)) this.faults.push(`${name} acquired slot ${slot} twice`);
        giving.delete(slot);
        owned.set(slot, term);
        this.#own(slot, 1);
        note('acquired', slot);
      },
      lost: (slot) => {
        if (owned.delete(slot)) this.#own(slot, -1);
        else if (!giving.has(slot)) this.faults.push(`${name} lost slot ${slot}, which it had not`);
        note('lost', slot);
      },
      give: async (slot) => {
        const ms = giveMs();
        giving.add(slot);
        if (ms > 0) await clock.sleep(ms, ending.signal).catch(() => undefined);
        if (owned.delete(slot)) {
          this.#own(slot, -1);
          note('given', slot);
        }
      },
    };
    const process: OwnerProcess = {
      name,
      ownership,
      clock,
      link: memoryLink,
      narrator,
      owned,
      log,
      crashed: false,
      crash: () => {
        if (!process.crashed) for (const slot of owned.keys()) this.#own(slot, -1);
        owned.clear();
        process.crashed = true;
        ending.abort(new Error('crashed'));
      },
    };
    this.processes.push(process);
    ownership.start(handlers, ending.signal).catch(() => undefined);
    return process;
  }

  get alive(): readonly OwnerProcess[] {
    return this.processes.filter(({ crashed }) => !crashed);
  }

  /** Lets time go on, and looks at what always holds after every step. */
  async run(ms: number, each: () => void = () => undefined): Promise<void> {
    const end = this.time.monotonic() + ms;
    await turn();
    for (let at = this.time.nextAtMs; at !== undefined && at <= end; at = this.time.nextAtMs) {
      this.time.runNext();
      await turn();
      this.check();
      each();
    }
    this.time.advance(end - this.time.monotonic());
    await turn();
    this.check();
  }

  /** Slots that a process may write just now. */
  writable(process: OwnerProcess): readonly number[] {
    return Array.from({ length: SLOT_COUNT }, (_, slot) => slot).filter((slot) => process.ownership.mayWrite(slot));
  }

  /** At most one supervisor may write a slot. */
  check(): void {
    const { alive } = this;
    if (this.#contested === 0) return;
    for (let slot = 0; slot < SLOT_COUNT; slot += 1) {
      const writers = alive.filter(({ owned, ownership }) => owned.has(slot) && ownership.mayWrite(slot));
      if (writers.length > 1) this.faults.push(`${writers.map(({ name }) => name).join()} may write slot ${slot}`);
    }
  }

  #own(slot: number, more: 1 | -1): void {
    const before = this.#owners[slot] ?? 0;
    this.#owners[slot] = before + more;
    if (before === 1 && more === 1) this.#contested += 1;
    if (before === 2 && more === -1) this.#contested -= 1;
  }

  counts(): readonly number[] {
    return this.alive.map(({ owned }) => owned.size);
  }
}
