import { type ClusterAccess, CREATIONS_MAX, openingsAtOnce } from '../actors/cluster-access.ts';
import { PositionKeeper } from '../actors/position-keeper.ts';
import type { Config } from '../config/config.ts';
import type { Outage } from '../domain/outage.ts';
import type { OpenCluster } from '../infra/search/open-cluster.ts';
import { systemClock } from '../infra/system/clock.ts';
import { systemRandom } from '../infra/system/random.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Narrator } from '../ports/narrator.ts';
import { ClusterBreaker } from '../replication/cluster-breaker.ts';
import { ClusterWatcher } from '../replication/cluster-watcher.ts';
import { Semaphore } from '../replication/semaphore.ts';
import { configuredCluster, openConfigured } from './clusters.ts';

/** A follower that acknowledges before it syncs does so every 5 s: asking more often would bring nothing. */
const UNSYNCED_INTERVAL_MS = 5_000;
/** Points in time open at once on one leader cluster. */
const VIEWS_MAX = 8;
const COMPARISONS_MAX = 8;

/** Clusters are opened when they are first needed. */
export class Clusters {
  readonly #config: Config;
  readonly #shared: { readonly log: EventLog; readonly narrator: Narrator };
  readonly #open = new Map<string, { readonly access: ClusterAccess; readonly cluster: OpenCluster }>();

  constructor(config: Config, shared: { log: EventLog; narrator: Narrator }) {
    this.#config = config;
    this.#shared = shared;
  }

  access(name: string): ClusterAccess {
    const known = this.#open.get(name);
    if (known !== undefined) return known.access;
    const settings = configuredCluster(this.#config, name);
    const { log, narrator } = this.#shared;
    const { requestTimeoutMs } = settings;
    const breaker: ClusterBreaker = new ClusterBreaker({
      cluster: name,
      probe: (signal) => cluster.probe(signal),
      requestTimeoutMs,
      clock: systemClock,
      random: systemRandom,
      narrator,
    });
    const cluster: OpenCluster = openConfigured(settings, breaker);
    const { pollIntervalMs, pollIntervalMaxMs, positionIntervalMs } = this.#config.supervisor;
    const { leader, follower, admin, positions, quarantine } = cluster;
    const watcher = new ClusterWatcher({
      cluster: leader,
      breaker,
      clock: systemClock,
      pollIntervalMs,
      pollIntervalMaxMs,
    });
    const keeper = new PositionKeeper({
      follower,
      breaker,
      watcher,
      store: positions,
      clock: systemClock,
      narrator,
      journalId: log.journalId,
      intervalMs: positionIntervalMs,
      unsyncedIntervalMs: UNSYNCED_INTERVAL_MS,
    });
    watcher.start();
    keeper.start();
    const access = {
      name,
      leader,
      follower,
      admin,
      positions,
      breaker,
      quarantine,
      watcher,
      keeper,
      views: new Semaphore(VIEWS_MAX),
      comparisons: new Semaphore(COMPARISONS_MAX),
      openings: new Semaphore(openingsAtOnce),
      creations: new Semaphore(CREATIONS_MAX),
      requestTimeoutMs,
    };
    this.#open.set(name, { access, cluster });
    return access;
  }

  /** Of every cluster that was opened; undefined: it answers. */
  outages(): ReadonlyMap<string, Outage | undefined> {
    return new Map([...this.#open].map(([name, { access }]) => [name, access.breaker.outage]));
  }

  async close(): Promise<void> {
    for (const { access, cluster } of this.#open.values()) {
      await access.keeper.stop();
      access.breaker.stop();
      await access.watcher.stop();
      await cluster.close();
    }
  }
}
