import { assert } from '../domain/assert.ts';
import { failed, failureOf, type Failure } from '../domain/failure.ts';
import type { IndexShardStats, IndexVersions } from '../domain/shard-stats.ts';
import type { Clock } from '../ports/clock.ts';
import type { ClusterState } from '../ports/search-cluster.ts';
import type { ClusterBreaker } from './cluster-breaker.ts';
import { RefreshQueue } from './refresh-queue.ts';

/** One index as seen by one tick. Every request of the tick started after those of the tick before had ended. */
export interface Observation {
  /** Grows with every tick of the watcher. */
  readonly tick: number;
  /** Monotonic clock just before its first request. */
  readonly startedAtMs: number;
  /** Undefined: the cluster's metadata does not list the index. */
  readonly versions: IndexVersions | undefined;
  readonly shards: IndexShardStats;
  /** How long the refresh took that was asked for. */
  readonly refreshMs?: number;
}

export interface ObserveOptions {
  /** The index is refreshed as well, after its statistics were read. */
  readonly refresh: boolean;
  /** Before those that hold nothing while they wait for it. */
  readonly urgent?: boolean;
  /** Whether it is not wanted any more: asked when somebody calls `reconsider`. No signal, which would cost each idle pair a map of its own. */
  readonly until?: (() => boolean) | undefined;
}

export interface WatchListener {
  observed(observation: Observation): void;
  failed(failure: Failure): void;
}

interface Watched {
  readonly listeners: Set<WatchListener>;
  versions: IndexVersions | undefined;
}

interface Request {
  readonly index: string;
  /** Also refresh the index after its stats were read, and answer only then. */
  readonly refresh: boolean;
  readonly urgent: boolean;
  readonly until: (() => boolean) | undefined;
  givenUp: boolean;
  readonly resolve: (observation: Observation) => void;
  readonly reject: (reason: unknown) => void;
}

const IDLE_GROWTH = 1.25;

export interface WatcherOptions {
  readonly cluster: ClusterState;
  /** While it is open nothing is asked. */
  readonly breaker: ClusterBreaker;
  readonly clock: Clock;
  readonly pollIntervalMs: number;
  /** The interval grows to this while nothing changes. */
  readonly pollIntervalMaxMs: number;
}

/**
 * The one place that asks a cluster for the state of its indices. Every interval it asks for all watched indices at once: first whether
 * any metadata moved (2 ms), the metadata only then, then the statistics of all shards in one call. Whoever needs a fresh observation
 * asks for one; requests that come together share a tick, and an index is refreshed at most once in it, after its statistics were read,
 * so that everything at or below the observed global checkpoint is visible when the answer arrives.
 *
 * The metadata is read after the statistics: a term observed here is never older than the numbers beside it, so a term that is still that of
 * an earlier observation proves that no failover came before these numbers were read.
 *
 * While the cluster does not answer as a whole, the breaker's probe is all that goes to it: everybody is told once, and the first tick comes
 * as soon as it answers. A tick that failed is not repeated within the shortest interval, whoever asks.
 */
export class ClusterWatcher {
  readonly #options: WatcherOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #stop = new AbortController();
  readonly #refreshes: RefreshQueue;
  readonly #refreshing = new Set<Request>();
  #requests: Request[] = [];
  #wake: (() => void) | undefined;
  #stateVersion: string | undefined;
  #tick = 0;
  #running: Promise<void> | undefined;
  #lastPollMs = Number.NEGATIVE_INFINITY;
  #intervalMs: number;
  #lastSight = '';
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #latest = new Map<string, Observation>();

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#intervalMs = options.pollIntervalMs;
    this.#refreshes = new RefreshQueue(
      async (index) => options.cluster.refresh(index, this.#stop.signal),
      options.clock,
    );
  }

  get name(): string {
    return this.#options.cluster.name;
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new DOMException('the watcher stops', 'AbortError'));
    this.#wake?.();
    await this.#running;
    for (const request of this.#requests.splice(0)) request.reject(this.#stop.signal.reason);
    this.#refreshes.end(this.#stop.signal.reason);
  }

  /** Listens to every tick that saw the index, and to failures of ticks. Gives the function that ends it. */
  watch(index: string, listener: WatchListener): () => void {
    let watched = this.#watched.get(index);
    if (watched === undefined) {
      watched = { listeners: new Set(), versions: undefined };
      this.#watched.set(index, watched);
      // Forces the metadata to be read for the newcomer.
      this.#stateVersion = undefined;
    }
    watched.listeners.add(listener);
    return () => {
      watched.listeners.delete(listener);
      if (watched.listeners.size === 0 && this.#watched.get(index) === watched) {
        this.#watched.delete(index);
        this.#latest.delete(index);
      }
    };
  }

  latest(index: string): Observation | undefined {
    return this.#latest.get(index);
  }

  /** The next observation that is made anyway. Throws `Failed` when the tick fails, or the signal's reason. */
  async scheduled(index: string, signal: AbortSignal): Promise<Observation> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Observation>();
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const unwatch = this.watch(index, {
      observed: resolve,
      failed: (failure) => reject(failed(failure.code, failure)),
    });
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      unwatch();
    }
  }

  /** An observation of a watched index, all of whose requests start after this call. Throws `Failed` when the tick fails. */
  async observe(
    index: string,
    { refresh, urgent = false, until }: ObserveOptions,
    signal: AbortSignal,
  ): Promise<Observation> {
    signal.throwIfAborted();
    this.#stop.signal.throwIfAborted();
    assert(this.#watched.has(index), `${index} is watched before it is observed`);
    const { promise, resolve, reject } = Promise.withResolvers<Observation>();
    const request: Request = { index, refresh, urgent, until, givenUp: false, resolve, reject };
    const onAbort = (): void => this.#giveUp(request, signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#requests.push(request);
    this.#wake?.();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Requests for this index that are not wanted any more are given up, also while they wait for their turn to refresh. */
  reconsider(index: string): void {
    const reason = new DOMException('it is not wanted any more', 'AbortError');
    for (const request of [...this.#requests, ...this.#refreshing])
      if (request.index === index && request.until?.() === true) this.#giveUp(request, reason);
  }

  #giveUp(request: Request, reason: unknown): void {
    request.givenUp = true;
    this.#requests = this.#requests.filter((other) => other !== request);
    request.reject(reason);
  }

  async #loop(): Promise<void> {
    const { clock } = this.#options;
    const unlisten = this.#options.breaker.onChange(() => this.#wake?.());
    while (!this.#stop.signal.aborted) {
      const dueInMs =
        this.#watched.size === 0 ? this.#intervalMs : this.#lastPollMs + this.#intervalMs - clock.monotonic();
      if (this.#requests.length === 0 && dueInMs > 0) await this.#sleep(dueInMs);
      await this.#sitOutOutage();
      while (!this.#stop.signal.aborted && clock.monotonic() < this.#notBeforeMs)
        await this.#sleep(this.#notBeforeMs - clock.monotonic());
      if (this.#stop.signal.aborted || this.#options.breaker.outage !== undefined) continue;
      if (this.#requests.length > 0 || this.#watched.size > 0) await this.#runTick();
    }
    unlisten();
  }

  async #sitOutOutage(): Promise<void> {
    const { breaker, pollIntervalMs } = this.#options;
    for (let told = false; breaker.outage !== undefined && !this.#stop.signal.aborted; told = true) {
      const { failure } = breaker.outage;
      for (const request of this.#requests.splice(0)) request.reject(failed(failure.code, failure));
      if (!told) this.#tellFailed([...this.#watched.keys()], failure);
      await this.#woken();
      if (breaker.outage !== undefined) continue;
      this.#lastPollMs = Number.NEGATIVE_INFINITY;
      this.#notBeforeMs = Number.NEGATIVE_INFINITY;
      this.#intervalMs = pollIntervalMs;
    }
  }

  #tellFailed(indices: readonly string[], failure: Failure): void {
    for (const index of indices)
      for (const listener of this.#watched.get(index)?.listeners ?? []) listener.failed(failure);
  }

  async #woken(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimeout(resolve, ms);
      this.#wake = () => {
        this.#options.clock.clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  async #runTick(): Promise<void> {
    const { clock } = this.#options;
    const requests = this.#requests.splice(0);
    const everything = clock.monotonic() - this.#lastPollMs >= this.#intervalMs;
    const asking = Map.groupBy(requests, ({ index }) => index);
    const indices = [...new Set([...(everything ? this.#watched.keys() : []), ...asking.keys()])];
    if (everything) this.#lastPollMs = clock.monotonic();
    try {
      const observations = await this.#ask(indices);
      if (everything) this.#pace(observations);
      for (const [index, own] of asking) {
        const observation = observations.get(index);
        if (observation !== undefined) void this.#answer(own, observation);
      }
      for (const [index, observation] of observations) {
        for (const listener of this.#watched.get(index)?.listeners ?? []) listener.observed(observation);
      }
    } catch (thrown) {
      for (const request of requests) request.reject(thrown);
      if (this.#stop.signal.aborted) return;
      this.#notBeforeMs = clock.monotonic() + this.#options.pollIntervalMs;
      this.#tellFailed(indices, failureOf(thrown, `watch ${this.name}`));
    }
  }

  /** Looks less often while nothing changes; at once as often as it may when something does. */
  #pace(observations: ReadonlyMap<string, Observation>): void {
    const { pollIntervalMs, pollIntervalMaxMs } = this.#options;
    let operations = 0;
    for (const { shards } of observations.values()) for (const { maxSeqNo } of shards.values()) operations += maxSeqNo;
    const sight = `${this.#stateVersion}/${observations.size}/${operations}`;
    this.#intervalMs =
      sight === this.#lastSight ? Math.min(pollIntervalMaxMs, this.#intervalMs * IDLE_GROWTH) : pollIntervalMs;
    this.#lastSight = sight;
  }

  async #ask(indices: readonly string[]): Promise<ReadonlyMap<string, Observation>> {
    const { cluster, clock } = this.#options;
    const { signal } = this.#stop;
    const startedAtMs = clock.monotonic();
    const stats = await cluster.shardStats(indices, signal);
    const stateVersion = await cluster.stateVersion(signal);
    const unknown = indices.some((index) => this.#watched.get(index)?.versions === undefined);
    if (stateVersion !== this.#stateVersion || unknown) {
      const watched = [...new Set([...this.#watched.keys(), ...indices])];
      const versions = await cluster.indexVersions(watched, signal);
      for (const [index, entry] of this.#watched) entry.versions = versions.get(index);
      // Kept as it was read before: a change in between is then seen by the next tick.
      this.#stateVersion = stateVersion;
    }
    this.#tick += 1;
    const observations = new Map<string, Observation>();
    for (const index of indices) {
      const versions = this.#watched.get(index)?.versions;
      const observation = { tick: this.#tick, startedAtMs, versions, shards: stats.get(index) ?? new Map() };
      observations.set(index, observation);
      if (this.#watched.has(index)) this.#latest.set(index, observation);
    }
    return observations;
  }

  /** A refresh that fails fails only those who asked for it; nobody else waits for it. */
  async #answer(requests: readonly Request[], observation: Observation): Promise<void> {
    const [refreshing, others] = [
      requests.filter((request) => request.refresh),
      requests.filter((request) => !request.refresh),
    ];
    for (const { resolve } of others) resolve(observation);
    const [first] = refreshing;
    if (first === undefined) return;
    for (const request of refreshing) this.#refreshing.add(request);
    try {
      const urgent = refreshing.some((request) => request.urgent);
      const wanted = (): boolean => refreshing.some((request) => !request.givenUp);
      const refreshMs = await this.#refreshes.refresh(first.index, { urgent, wanted });
      for (const { resolve } of refreshing) resolve({ ...observation, refreshMs });
    } catch (thrown) {
      for (const { reject } of refreshing) reject(thrown);
    } finally {
      for (const request of refreshing) this.#refreshing.delete(request);
    }
  }
}
