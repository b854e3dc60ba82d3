import { type Failed, failed, failureOf } from '../domain/failure.ts';
import { pairKey, shownPair, type PairRef } from '../domain/names.ts';
import type { Position, PositionRecord } from '../domain/position.ts';
import type { Clock } from '../ports/clock.ts';
import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { Narrator } from '../ports/narrator.ts';
import type { PositionStore, PositionToken } from '../ports/position-store.ts';
import type { ClusterBreaker } from '../replication/cluster-breaker.ts';
import type { ClusterWatcher } from '../replication/cluster-watcher.ts';
import { AT_ONCE, durableSide, LATE, USUAL } from './durable-side.ts';
import { type Lease, requireLease } from './lease.ts';

/** What a pair says of itself, without the follower's side, which the keeper adds. Undefined: nothing to save now. */
export type PositionDraft = Omit<Position, 'follower' | 'clean'>;

export interface KeptPair {
  readonly ref: PairRef;
  readonly draft: () => PositionDraft | undefined;
  /** The follower acknowledges without syncing while it bootstraps: durable once it has synced by itself, or after a flush. */
  readonly unsynced: () => boolean;
  /** What of the journal stands beside the position. */
  readonly told: () => Pick<PositionRecord, 'eventSeq' | 'desired'>;
  readonly lease: Lease;
}

interface Entry extends KeptPair {
  token: PositionToken | undefined;
  dirty: boolean;
  /** Where nothing is durable at once: less often then. */
  notBeforeMs: number;
  /** Drafts so far. */
  drafts: number;
  /** Number of the newest draft that was saved: an older one, which had to wait longer, does not replace it. */
  savedDraft: number;
  /** A later owner has saved a position of it. */
  lost: Failed | undefined;
}

interface Drafted {
  readonly entry: Entry;
  readonly number: number;
  readonly draft: PositionDraft;
}

interface Write extends Omit<Drafted, 'draft'> {
  readonly record: PositionRecord;
}

/** The follower's side of a position, once everything acknowledged before is durable; none while a shard is unknown. */
type DurableSides = ReadonlyMap<string, Position['follower']>;

interface Batch {
  readonly entries: Set<Entry>;
  /** Those that could not be saved. */
  readonly left: Promise<readonly Entry[]>;
}

interface Ready {
  readonly drafts: Drafted[];
  readonly sides: Map<string, Position['follower']>;
  /** Those that could not be saved. */
  readonly left: Promise<readonly Entry[]>;
}

export interface KeeperOptions {
  readonly follower: FollowerCluster;
  readonly breaker: ClusterBreaker;
  readonly watcher: ClusterWatcher;
  readonly store: PositionStore;
  readonly clock: Clock;
  readonly narrator: Narrator;
  readonly journalId: string;
  readonly intervalMs: number;
  /** Where the follower acknowledges without syncing. */
  readonly unsyncedIntervalMs: number;
}

const SAVE_TRIES_MAX = 3;
/** Positions in one bulk of those that start or stop. */
const BATCH_MAX = 500;

/**
 * Saves the positions of all pairs of one follower cluster, in bulk, at most once an interval for a pair that moved, and only when the
 * data is durable: when the follower's own global checkpoint of every shard has reached the `max_seq_no` that followed the writes which
 * the position vouches for.
 */
export class PositionKeeper {
  readonly #options: KeeperOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #stop = new AbortController();
  /** Waiting for their turn, by whether nothing is in flight any more. */
  readonly #batches = new Map<boolean, Batch>();
  /** By index: those that wait for the follower to sync by itself. */
  readonly #waiting = new Map<string, Promise<void>>();
  #ready: Ready | undefined;
  #running: Promise<void> | undefined;
  #saving: Promise<unknown> = Promise.resolve();

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new DOMException('the position keeper stops', 'AbortError'));
    await this.#running;
    await Promise.all(this.#waiting.values());
    await this.#saving;
  }

  keep(pair: KeptPair, token: PositionToken | undefined): void {
    const { clock, intervalMs } = this.#options;
    // At the tick that is nearest to one interval from now: at the very next one hardly anything would be saved, and then nothing for long.
    const notBeforeMs = clock.monotonic() + intervalMs / 2;
    const fresh = { token, dirty: false, notBeforeMs, drafts: 0, savedDraft: 0, lost: undefined };
    this.#entries.set(pairKey(pair.ref), { ...pair, ...fresh });
  }

  forget(ref: PairRef): void {
    this.#entries.delete(pairKey(ref));
  }

  moved(ref: PairRef): void {
    const entry = this.#entries.get(pairKey(ref));
    if (entry !== undefined) entry.dirty = true;
  }

  /** Saves one pair's position now. `clean`: nothing of it is in flight, so its counts may be trusted later. Throws `Failed`. */
  async saveNow(ref: PairRef, clean: boolean, signal: AbortSignal): Promise<void> {
    const entry = this.#entries.get(pairKey(ref));
    if (entry === undefined) return;
    for (let tries = 1; ; tries += 1) {
      const left: readonly Entry[] = await orAborted(this.#saveTogether(entry, clean), signal);
      if (!left.includes(entry)) return;
      if (entry.lost !== undefined) throw entry.lost;
      requireLease(entry.lease, 'save positions');
      if (tries < SAVE_TRIES_MAX) continue;
      throw failed('shard_unavailable', {
        op: 'save positions',
        cluster: this.#options.follower.name,
        reason: `the position of ${shownPair(ref)} cannot be saved now: a shard does not answer, or the record changes`,
      });
    }
  }

  /** Thousands of pairs start or stop at once: whoever waits for the same turn is saved in one bulk. */
  #saveTogether(entry: Entry, clean: boolean): Promise<readonly Entry[]> {
    const open = this.#batches.get(clean);
    const batch = open !== undefined && open.entries.size < BATCH_MAX ? open : this.#openBatch(clean);
    batch.entries.add(entry);
    return batch.left;
  }

  #openBatch(clean: boolean): Batch {
    const entries = new Set<Entry>();
    const left = this.#enqueue(() => {
      if (this.#batches.get(clean)?.entries === entries) this.#batches.delete(clean);
      return this.#save([...entries], clean, this.#stop.signal);
    });
    const batch = { entries, left };
    this.#batches.set(clean, batch);
    return batch;
  }

  /** One save at a time: tokens follow each other. */
  async #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#saving.then(work);
    this.#saving = turn.catch(() => undefined);
    return turn;
  }

  async #loop(): Promise<void> {
    const { clock, intervalMs, breaker } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await clock.sleep(intervalMs, signal).catch(() => undefined);
      if (!signal.aborted && breaker.outage === undefined) await this.#orTold(this.#saveDue());
    }
  }

  async #saveDue(): Promise<void> {
    const { clock, unsyncedIntervalMs } = this.#options;
    const now = clock.monotonic();
    const due = [...this.#entries.values()].filter(
      (entry) => entry.dirty && entry.lease.held && entry.lost === undefined,
    );
    const [later, atOnce] = [due.filter((entry) => entry.unsynced()), due.filter((entry) => !entry.unsynced())];
    const inTime = later.filter((entry) => now >= entry.notBeforeMs);
    for (const [index, entries] of Map.groupBy(inTime, ({ ref }) => ref.follower.index)) {
      if (this.#waiting.has(index)) continue;
      for (const entry of entries) entry.notBeforeMs = now + unsyncedIntervalMs;
      const saved = this.#orTold(this.#saveOnceSynced(index, entries));
      this.#waiting.set(
        index,
        saved.finally(() => this.#waiting.delete(index)),
      );
    }
    if (atOnce.length > 0) await this.#enqueue(() => this.#save(atOnce, false, this.#stop.signal));
  }

  /** Nothing is lost: the old positions stay, and the pairs stay dirty. */
  async #orTold(save: Promise<unknown>): Promise<void> {
    const { narrator, follower } = this.#options;
    try {
      await save;
    } catch (thrown) {
      if (this.#stop.signal.aborted) return;
      narrator.log('warn', 'positions were not saved', {
        cluster: follower.name,
        failure: failureOf(thrown, 'save positions'),
      });
    }
  }

  /** Gives those that could not be saved; they stay dirty. */
  async #save(entries: readonly Entry[], clean: boolean, signal: AbortSignal): Promise<readonly Entry[]> {
    return this.#drafted(entries, async (drafts) => {
      const durable = await this.#durable(drafts, signal);
      return this.#write(drafts, durable, { clean }, signal);
    });
  }

  /** The same for an index that syncs by itself: only the last part of it keeps other positions from being saved. */
  async #saveOnceSynced(index: string, entries: readonly Entry[]): Promise<void> {
    const { signal } = this.#stop;
    await this.#drafted(entries, async (drafts) => {
      const wanted = (): boolean => drafts.some((drafted) => this.#current(drafted));
      const side = await durableSide(this.#options, index, { ...LATE, wanted }, signal);
      if (side === undefined) return entries;
      const ready =
        this.#ready !== undefined && this.#ready.drafts.length < BATCH_MAX ? this.#ready : this.#openReady();
      ready.drafts.push(...drafts);
      ready.sides.set(index, side);
      const left = new Set(await ready.left);
      return entries.filter((entry) => left.has(entry));
    });
  }

  /** What has become durable by itself until its turn comes is saved in one bulk. */
  #openReady(): Ready {
    const drafts: Drafted[] = [];
    const sides = new Map<string, Position['follower']>();
    const left = this.#enqueue(() => {
      if (this.#ready?.drafts === drafts) this.#ready = undefined;
      return this.#write(drafts, sides, { clean: false }, this.#stop.signal);
    });
    this.#ready = { drafts, sides, left };
    return this.#ready;
  }

  /** The drafts first: whatever happens after them is not vouched for. Whoever is not saved stays dirty. */
  async #drafted(
    entries: readonly Entry[],
    save: (drafts: readonly Drafted[]) => Promise<readonly Entry[]>,
  ): Promise<readonly Entry[]> {
    const drafts = entries.flatMap((entry) => {
      const draft = entry.draft();
      entry.dirty = false;
      return draft === undefined ? [] : [{ entry, number: (entry.drafts += 1), draft }];
    });
    try {
      const left = await save(drafts);
      for (const entry of left) entry.dirty = true;
      return left;
    } catch (thrown) {
      for (const entry of entries) entry.dirty = true;
      throw thrown;
    }
  }

  /** It may still be saved: its pair goes on here, and nothing newer was saved meanwhile. */
  #current({ entry, number }: Omit<Drafted, 'draft'>): boolean {
    return this.#entries.get(pairKey(entry.ref)) === entry && entry.lease.held && number > entry.savedDraft;
  }

  /** Gives those that could not be saved. */
  async #write(
    drafts: readonly Drafted[],
    durable: DurableSides,
    { clean }: { clean: boolean },
    signal: AbortSignal,
  ): Promise<readonly Entry[]> {
    const { clock, journalId } = this.#options;
    const newest = drafts.filter(({ entry, number }) => number > entry.savedDraft);
    const writes = newest.flatMap(({ entry, number, draft }) => {
      const side = durable.get(entry.ref.follower.index);
      // What was learnt meanwhile may have made the draft void; whoever was forgotten meanwhile learns nothing any more.
      const now = this.#current({ entry, number }) ? entry.draft() : undefined;
      if (side === undefined || now === undefined) return [];
      const followerCount = now.followerCount === null ? null : draft.followerCount;
      const record: PositionRecord = {
        pair: pairKey(entry.ref),
        journalId,
        term: entry.lease.term,
        savedAtMs: clock.now(),
        ...entry.told(),
        position: { ...draft, followerCount, follower: side, clean },
      };
      return [{ entry, number, record }];
    });
    const saved = new Set(await this.#store(writes, signal));
    // An owner of the past saved meanwhile, and would again before the next turn.
    const beaten = writes.filter(({ entry }) => !saved.has(entry) && entry.lost === undefined && entry.lease.held);
    for (const entry of await this.#store(beaten, signal)) saved.add(entry);
    return newest.map(({ entry }) => entry).filter((entry) => !saved.has(entry));
  }

  /** Gives those that are saved; of the others it is known then why not. */
  async #store(writes: readonly Write[], signal: AbortSignal): Promise<readonly Entry[]> {
    const outcomes = await this.#options.store.save(
      writes.map(({ entry, record }) => ({ record, token: entry.token })),
      signal,
    );
    const saved: Entry[] = [];
    for (const [at, { entry, number, record }] of writes.entries()) {
      const outcome = outcomes[at];
      if (outcome?.kind !== 'saved') await this.#reclaim(entry, record, signal);
      else {
        entry.token = outcome.token;
        entry.savedDraft = number;
        saved.push(entry);
      }
    }
    return saved;
  }

  /** The record is not the one we saved last: taken over if an owner of the past wrote it, left alone for good otherwise. */
  async #reclaim(entry: Entry, record: PositionRecord, signal: AbortSignal): Promise<void> {
    const { store, follower } = this.#options;
    const { term } = entry.lease;
    const stored = (await store.load([record.pair], signal)).get(record.pair);
    if (stored !== undefined && stored.record.term > term) {
      entry.lost = failed('position_conflict', {
        op: 'save positions',
        cluster: follower.name,
        reason: `${record.pair} was saved under term ${stored.record.term}, ours is ${term}`,
      });
      return;
    }
    entry.token = stored?.token;
  }

  /** The follower's side of the positions, once everything acknowledged before this call is durable on every shard. */
  async #durable(drafts: readonly Drafted[], signal: AbortSignal): Promise<DurableSides> {
    const unsynced = new Map<string, boolean>();
    for (const { entry } of drafts) unsynced.set(entry.ref.follower.index, entry.unsynced());
    const indices = [...unsynced.keys()];
    const asked = await Promise.allSettled(
      indices.map((index) => durableSide(this.#options, index, unsynced.get(index) === true ? AT_ONCE : USUAL, signal)),
    );
    const sides = new Map<string, Position['follower']>();
    for (const [at, index] of indices.entries()) {
      const side = asked[at];
      if (side?.status === 'fulfilled' && side.value !== undefined) sides.set(index, side.value);
      if (side?.status !== 'rejected') continue;
      // One index that is red keeps no other's positions from being saved.
      if (indices.length === 1 || signal.aborted) throw side.reason;
      const failure = failureOf(side.reason, 'save positions');
      this.#options.narrator.log('warn', 'positions of an index were not saved', { index, failure });
    }
    return sides;
  }
}

/** What is under way goes on; who does not wait any longer is told why. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
