import { type Failed, failed, failureOf } from '../domain/failure.ts';
import { pairKey, shownPair, type PairRef } from '../domain/names.ts';
import type { Position, PositionRecord } from '../domain/position.ts';
import type { Clock } from '../ports/clock.ts';
import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { Narrator } from '../ports/narrator.ts';
import type { PositionStore, PositionToken } from '../ports/position-store.ts';
import type { ClusterBreaker } from '../replication/cluster-breaker.ts';
import type { ClusterWatcher, Observation } from '../replication/cluster-watcher.ts';
import { type Lease, requireLease } from './lease.ts';

/** What a pair says of itself, without the follower's side, which the keeper adds. Undefined: nothing to save now. */
export type PositionDraft = Omit<Position, 'follower' | 'clean'>;

export interface KeptPair {
  readonly ref: PairRef;
  readonly draft: () => PositionDraft | undefined;
  /** The follower acknowledges without syncing while it bootstraps: durable only after a flush. */
  readonly flushFirst: () => boolean;
  /** What of the journal stands beside the position. */
  readonly told: () => Pick<PositionRecord, 'eventSeq' | 'desired'>;
  readonly lease: Lease;
}

interface Entry extends KeptPair {
  token: PositionToken | undefined;
  dirty: boolean;
  /** While durability is asynchronous, saving costs a flush: less often then. */
  notBeforeMs: number;
  /** A later owner has saved a position of it. */
  lost: Failed | undefined;
}

interface Write {
  readonly entry: Entry;
  readonly record: PositionRecord;
}

interface Batch {
  readonly entries: Set<Entry>;
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
  readonly flushIntervalMs: number;
}

const DURABLE_WAIT_MS = 15_000;
const DURABLE_POLL_MS = 50;
/** A follower that syncs before it acknowledges is done long before. */
const FLUSH_AFTER_MS = 500;
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
    await this.#saving;
  }

  keep(pair: KeptPair, token: PositionToken | undefined): void {
    const { clock, intervalMs } = this.#options;
    // At the tick that is nearest to one interval from now: at the very next one hardly anything would be saved, and then nothing for long.
    const notBeforeMs = clock.monotonic() + intervalMs / 2;
    this.#entries.set(pairKey(pair.ref), { ...pair, token, dirty: false, notBeforeMs, lost: undefined });
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
    const { clock, intervalMs, flushIntervalMs, narrator, follower, breaker } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await clock.sleep(intervalMs, signal);
        if (breaker.outage !== undefined) continue;
        const now = clock.monotonic();
        const due = [...this.#entries.values()].filter(
          (entry) =>
            entry.dirty &&
            (now >= entry.notBeforeMs || !entry.flushFirst()) &&
            entry.lease.held &&
            entry.lost === undefined,
        );
        if (due.length > 0) await this.#enqueue(() => this.#save(due, false, signal));
        for (const entry of due) if (entry.flushFirst()) entry.notBeforeMs = now + flushIntervalMs;
      } catch (thrown) {
        if (signal.aborted) return;
        // Nothing is lost: the old positions stay, and the pairs stay dirty.
        narrator.log('warn', 'positions were not saved', {
          cluster: follower.name,
          failure: failureOf(thrown, 'save positions'),
        });
      }
    }
  }

  /** Gives those that could not be saved; they stay dirty. */
  async #save(entries: readonly Entry[], clean: boolean, signal: AbortSignal): Promise<readonly Entry[]> {
    const { clock, journalId } = this.#options;
    // The drafts first: whatever happens afterwards is not vouched for.
    const drafts = entries.flatMap((entry) => {
      const draft = entry.draft();
      entry.dirty = false;
      return draft === undefined ? [] : [{ entry, draft }];
    });
    try {
      const flushed = new Set(
        drafts.filter(({ entry }) => entry.flushFirst()).map(({ entry }) => entry.ref.follower.index),
      );
      const indices = [...new Set(drafts.map(({ entry }) => entry.ref.follower.index))];
      const durable = await this.#durable(indices, flushed, signal);
      const writes = drafts.flatMap(({ entry, draft }) => {
        const side = durable.get(entry.ref.follower.index);
        // What was learnt meanwhile may have made the draft void; whoever was forgotten meanwhile learns nothing any more.
        const forgotten = this.#entries.get(pairKey(entry.ref)) !== entry;
        const now = entry.draft();
        if (side === undefined || forgotten || now === undefined || !entry.lease.held) return [];
        const followerCount = now.followerCount === null ? null : draft.followerCount;
        const record: PositionRecord = {
          pair: pairKey(entry.ref),
          journalId,
          term: entry.lease.term,
          savedAtMs: clock.now(),
          ...entry.told(),
          position: { ...draft, followerCount, follower: side, clean },
        };
        return [{ entry, record }];
      });
      const saved = new Set(await this.#store(writes, signal));
      // An owner of the past saved meanwhile, and would again before the next turn.
      const beaten = writes.filter(({ entry }) => !saved.has(entry) && entry.lost === undefined && entry.lease.held);
      for (const entry of await this.#store(beaten, signal)) saved.add(entry);
      const left = drafts.map(({ entry }) => entry).filter((entry) => !saved.has(entry));
      for (const entry of left) entry.dirty = true;
      return left;
    } catch (thrown) {
      for (const entry of entries) entry.dirty = true;
      throw thrown;
    }
  }

  /** Gives those that are saved; of the others it is known then why not. */
  async #store(writes: readonly Write[], signal: AbortSignal): Promise<readonly Entry[]> {
    const outcomes = await this.#options.store.save(
      writes.map(({ entry, record }) => ({ record, token: entry.token })),
      signal,
    );
    const saved: Entry[] = [];
    for (const [at, { entry, record }] of writes.entries()) {
      const outcome = outcomes[at];
      if (outcome?.kind !== 'saved') await this.#reclaim(entry, record, signal);
      else {
        entry.token = outcome.token;
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
  async #durable(
    indices: readonly string[],
    flushed: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Position['follower']>> {
    const asked = await Promise.allSettled(
      indices.map((index) => this.#durableIndex(index, flushed.has(index), signal)),
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

  async #durableIndex(index: string, flush: boolean, signal: AbortSignal): Promise<Position['follower'] | undefined> {
    const { watcher, clock, follower } = this.#options;
    const first = await watcher.observe(index, { refresh: false }, signal);
    const side = followerSide(first);
    if (side === undefined) return undefined;
    // Only now: what is written after the numbers were read need not be waited for.
    if (flush) await follower.flush(index, signal);
    const startedAtMs = clock.monotonic();
    let flushed = flush;
    for (let now = first; ; now = await watcher.observe(index, { refresh: false }, signal)) {
      if (side.maxSeqNos.every((maxSeqNo, shard) => (now.shards.get(shard)?.globalCheckpoint ?? -2) >= maxSeqNo)) {
        return followerSide(now)?.historyUuids.join() === side.historyUuids.join() ? side : undefined;
      }
      const waitedMs = clock.monotonic() - startedAtMs;
      if (!flushed && waitedMs > FLUSH_AFTER_MS) {
        // The index acknowledges without syncing, whoever told it to.
        flushed = true;
        await follower.flush(index, signal);
      }
      if (waitedMs > DURABLE_WAIT_MS) {
        throw failed('request_timeout', {
          op: 'save positions',
          cluster: watcher.name,
          reason: `the global checkpoint of ${index} did not reach its writes within ${DURABLE_WAIT_MS} ms`,
        });
      }
      await clock.sleep(DURABLE_POLL_MS, signal);
    }
  }
}

/** Undefined while a shard is unknown. */
function followerSide({ versions, shards }: Observation): Position['follower'] | undefined {
  if (versions === undefined) return undefined;
  const all = versions.primaryTerms.map((_, shard) => shards.get(shard));
  const historyUuids = all.flatMap((stats) => stats?.historyUuid ?? []);
  if (historyUuids.length !== all.length) return undefined;
  return { uuid: versions.uuid, historyUuids, maxSeqNos: all.map((stats) => stats?.maxSeqNo ?? -1) };
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
