import type { ClusterAccess, SupervisorPorts } from '../../src/actors/cluster-access.ts';
import { PositionKeeper } from '../../src/actors/position-keeper.ts';
import { Supervisor } from '../../src/actors/supervisor.ts';
import type { Peers } from '../../src/actors/owners-pages.ts';
import { failed } from '../../src/domain/failure.ts';
import { DEFAULT_PARAMETERS } from '../../src/domain/parameters.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { EventLog } from '../../src/ports/event-log.ts';
import type { FollowerCluster } from '../../src/ports/follower-cluster.ts';
import type { IndexAdmin } from '../../src/ports/index-admin.ts';
import type { LeaderCluster } from '../../src/ports/leader-cluster.ts';
import type { Narrator } from '../../src/ports/narrator.ts';
import type { Ownership } from '../../src/ports/ownership.ts';
import type { PositionStore } from '../../src/ports/position-store.ts';
import type { QuarantineStore } from '../../src/ports/quarantine-store.ts';
import type { Random } from '../../src/ports/random.ts';
import { ByteBudget } from '../../src/replication/byte-budget.ts';
import { ClusterBreaker } from '../../src/replication/cluster-breaker.ts';
import { ClusterWatcher } from '../../src/replication/cluster-watcher.ts';
import { Semaphore } from '../../src/replication/semaphore.ts';
import { gated } from '../support/gated-port.ts';
import type { VirtualClock } from '../support/virtual-clock.ts';

/** The clock of one process: when the process dies, its timers never fire. */
export class MortalClock implements Clock {
  readonly #world: VirtualClock;
  readonly #set = new Set<unknown>();
  alive = true;

  constructor(world: VirtualClock) {
    this.#world = world;
  }

  now(): number {
    return this.#world.now();
  }

  monotonic(): number {
    return this.#world.monotonic();
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#set.size;
  }

  setTimeout(callback: () => void, ms: number): unknown {
    const timer = this.#world.setTimeout(() => {
      this.#set.delete(timer);
      if (this.alive) callback();
    }, ms);
    this.#set.add(timer);
    return timer;
  }

  clearTimeout(handle: unknown): void {
    this.#set.delete(handle);
    this.#world.clearTimeout(handle);
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.clearTimeout(timer);
        reject(signal?.reason as Error);
      };
      const timer = this.setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  die(): void {
    this.alive = false;
    for (const timer of this.#set) this.#world.clearTimeout(timer);
    this.#set.clear();
  }
}

export interface ClusterPorts {
  readonly leader: LeaderCluster;
  readonly follower: FollowerCluster;
  readonly admin: IndexAdmin;
  readonly positions: PositionStore;
  readonly quarantine: QuarantineStore;
}

export interface LifePorts {
  readonly clock: MortalClock;
  readonly log: EventLog;
  readonly random: Random;
  readonly narrator: Narrator;
  readonly clusters: ReadonlyMap<string, ClusterPorts>;
  readonly ownership: Ownership;
  readonly peers: Peers | undefined;
  readonly requestTimeoutMs: number;
}

const BUDGET = { capacityBytes: 256 * 1024, capacityOperations: 4000 };

/** One process: the supervisor with everything that belongs to it, put together as the program does. */
export class SimLife {
  readonly clock: MortalClock;
  readonly supervisor: Supervisor;
  readonly budget = new ByteBudget(BUDGET);
  readonly #clusters = new Map<string, ClusterAccess>();

  constructor(ports: LifePorts) {
    const { clock, log, random, narrator, ownership, peers, requestTimeoutMs } = ports;
    this.clock = clock;
    for (const [name, raw] of ports.clusters) {
      const probe = (signal: AbortSignal): Promise<unknown> => raw.leader.stateVersion(signal);
      const breaker = new ClusterBreaker({ cluster: name, probe, requestTimeoutMs, clock, random, narrator });
      const [leader, follower] = [gated(raw.leader, breaker), gated(raw.follower, breaker)];
      const [admin, positions] = [gated(raw.admin, breaker), gated(raw.positions, breaker)];
      const quarantine = gated(raw.quarantine, breaker);
      const watcher = new ClusterWatcher({
        cluster: leader,
        breaker,
        clock,
        pollIntervalMs: 250,
        pollIntervalMaxMs: 500,
      });
      const keeper = new PositionKeeper({
        follower,
        breaker,
        watcher,
        store: positions,
        clock,
        narrator,
        journalId: log.journalId,
        intervalMs: 500,
        unsyncedIntervalMs: 1500,
      });
      watcher.start();
      keeper.start();
      const two = (): Semaphore => new Semaphore(2);
      const bounds = { views: two(), comparisons: two(), openings: two(), creations: two() };
      const roles = { leader, follower, admin, positions, quarantine };
      this.#clusters.set(name, { name, ...roles, breaker, watcher, keeper, ...bounds, requestTimeoutMs });
    }
    const shared: SupervisorPorts = {
      log,
      clock,
      random,
      narrator,
      budget: this.budget,
      cluster: (name) => {
        const access = this.#clusters.get(name);
        if (access !== undefined) return access;
        throw failed('unknown_cluster', { op: 'find cluster', reason: `there is no cluster ${name}` });
      },
      ownership,
    };
    this.supervisor = new Supervisor({ ports: shared, defaults: DEFAULT_PARAMETERS, peers });
  }

  async stop(): Promise<void> {
    await this.supervisor.stop();
    for (const { breaker, keeper, watcher } of this.#clusters.values()) {
      await keeper.stop();
      breaker.stop();
      await watcher.stop();
    }
  }

  /** Nothing of this process happens any more; what it had sent still runs. */
  crash(): void {
    this.clock.die();
  }
}
