import { present } from '../../src/domain/assert.ts';
import { failed, type Failed } from '../../src/domain/failure.ts';
import type { EventLog } from '../../src/ports/event-log.ts';
import type { Peers } from '../../src/actors/owners-pages.ts';
import type { Ownership } from '../../src/ports/ownership.ts';
import { memoryAdmin, type MemoryAdmin } from '../support/memory-admin.ts';
import { memoryJournal, type MemoryJournal } from '../support/memory-event-log.ts';
import { memoryNarrator, type MemoryNarrator } from '../support/memory-narrator.ts';
import { fixedOwnership } from '../support/fixed-ownership.ts';
import { memoryPositions, type MemoryPositions } from '../support/memory-positions.ts';
import { memoryQuarantine, type MemoryQuarantine } from '../support/memory-quarantine.ts';
import { MemoryCluster, type MemoryIndex, shardOf } from '../support/memory-search/memory-cluster.ts';
import { memoryFollower } from '../support/memory-search/memory-follower.ts';
import { memoryLeader, type MemoryLeader } from '../support/memory-search/memory-leader.ts';
import type { MemoryShard } from '../support/memory-search/memory-shard.ts';
import { SimRandom } from '../support/sim-random.ts';
import { unreliable } from '../support/unreliable-port.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { type ClusterPorts, MortalClock, SimLife } from './sim-life.ts';
import { SimNetwork } from './sim-network.ts';
import type { SimOptions } from './sim-options.ts';
import { SimRefusals } from './sim-refusals.ts';

export const LEADER = { cluster: 'main', index: 'orders' };
export const FOLLOWER = { cluster: 'replica', index: 'orders-copy' };

/** Calls of the watchers, which go on whatever the pairs do. */
const WATCHING = new Set(['stateVersion', 'indexVersions', 'shardStats', 'refresh']);

/** Puts something between the production code and a port; the tests that prove the checkers use it. */
export type PortWrapper = (ports: ClusterPorts, world: SimWorld) => ClusterPorts;

/** Both clusters, the journal, and the one process that may be alive. */
export class SimWorld {
  readonly clock = new VirtualClock();
  readonly random: SimRandom;
  readonly network: SimNetwork;
  readonly options: SimOptions;
  readonly leader: MemoryCluster;
  readonly follower: MemoryCluster;
  readonly leaderPort: MemoryLeader;
  readonly leaderAdmin: MemoryAdmin;
  readonly positions: MemoryPositions = memoryPositions();
  readonly quarantine: MemoryQuarantine = memoryQuarantine();
  /** Documents that the follower refuses for what they are. */
  readonly refusals: SimRefusals;
  readonly journal: MemoryJournal = memoryJournal();
  readonly narrator: MemoryNarrator = memoryNarrator();
  readonly down = new Set<string>();
  life: SimLife | undefined;
  /** Calls of the living process that move data and have not been answered. */
  pendingCalls = 0;
  /** Sees every call that is about to run on a cluster. */
  onCall: (cluster: string, method: string, args: readonly unknown[]) => void = () => undefined;
  trace = 0x811c9dc5;
  readonly #wrap: PortWrapper;
  readonly #followerAdmin: MemoryAdmin;
  readonly #ports: ReadonlyMap<string, ClusterPorts>;
  #lives = 0;

  constructor(options: SimOptions, wrap: PortWrapper = (ports) => ports) {
    this.options = options;
    this.random = new SimRandom(options.seed);
    this.network = new SimNetwork(options, this.random);
    this.refusals = new SimRefusals(options);
    this.#wrap = wrap;
    const monotonicMs = this.clock.monotonic;
    this.leader = new MemoryCluster({ name: LEADER.cluster, monotonicMs });
    this.follower = new MemoryCluster({ name: FOLLOWER.cluster, monotonicMs });
    const { leaderShards: shards, leaderFormula: formula, versionAggregates } = options;
    this.leader.createIndex(LEADER.index, { shards, formula, gcDeletesMs: 1000 });
    this.leaderPort = memoryLeader(this.leader);
    this.leaderAdmin = memoryAdmin(this.leader);
    this.#followerAdmin = memoryAdmin(this.follower);
    const itemFault = (): 'busy' | 'failed before' | 'failed after' | undefined => {
      if (!this.network.faulty || !this.random.chance(options.faults.item)) return undefined;
      const fault = this.random.pick('busy', 'busy', 'failed before', 'failed after');
      this.network.count(`item ${fault}`);
      return fault;
    };
    const followerPorts: ClusterPorts = {
      leader: memoryLeader(this.follower),
      follower: memoryFollower(this.follower, { versionAggregates, itemFault, refuses: this.refusals.refuses }),
      admin: this.#followerAdmin,
      positions: this.positions,
      quarantine: this.quarantine,
    };
    const leaderPorts: ClusterPorts = {
      leader: this.leaderPort,
      follower: memoryFollower(this.leader),
      admin: this.leaderAdmin,
      positions: memoryPositions(),
      quarantine: memoryQuarantine(),
    };
    this.#ports = new Map([
      [LEADER.cluster, leaderPorts],
      [FOLLOWER.cluster, followerPorts],
    ]);
  }

  get leaderIndex(): MemoryIndex {
    return present(this.leader.find(LEADER.index), 'the leader index');
  }

  get followerIndex(): MemoryIndex | undefined {
    return this.follower.find(FOLLOWER.index);
  }

  followerSettings(): Readonly<Record<string, unknown>> {
    return this.#followerAdmin.metadataOf(FOLLOWER.index).settings;
  }

  followerMapping(): Readonly<Record<string, unknown>> {
    return this.#followerAdmin.metadataOf(FOLLOWER.index).mappings;
  }

  async touchFollowerMapping(): Promise<void> {
    await this.#followerAdmin.putMapping(FOLLOWER.index, {}, AbortSignal.any([]));
  }

  /** Shard n of both indices holds the same documents. */
  get aligned(): boolean {
    const { leaderShards, followerShards, leaderFormula } = this.options;
    return leaderShards === followerShards && (leaderShards === 1 || leaderFormula === 'mod');
  }

  leaderShardOf(key: { id: string; routing?: string | undefined }): MemoryShard {
    return shardOf(this.leaderIndex, key);
  }

  /** Whether a process finds its slots given up in order by the one before; else that may still append. */
  releasedInOrder = true;

  /** One more process; with an ownership of its own it may live beside others. `clusters`: those that it reaches. */
  startLife(beside?: { ownership: Ownership; clusters?: readonly string[]; peers?: Peers }): SimLife {
    const clock = new MortalClock(this.clock);
    this.#lives += 1;
    this.pendingCalls = 0;
    const clusters = new Map(
      [...this.#ports]
        .filter(([name]) => beside?.clusters?.includes(name) ?? true)
        .map(([name, ports]) => [name, this.#overNetwork(name, this.#wrap(ports, this), clock)]),
    );
    const { narrator, random } = this;
    const { requestTimeoutMs } = this.options;
    const log = this.#journalOf(clock);
    const term = this.journal.size + 1;
    const { ownership = fixedOwnership({ term, released: this.releasedInOrder }), peers } = beside ?? {};
    this.life = new SimLife({ clock, log, random, narrator, clusters, ownership, peers, requestTimeoutMs });
    return this.life;
  }

  get lives(): number {
    return this.#lives;
  }

  note(text: string): void {
    for (let at = 0; at < text.length; at += 1)
      this.trace = Math.imul(this.trace ^ text.charCodeAt(at), 0x01000193) >>> 0;
  }

  #overNetwork(cluster: string, ports: ClusterPorts, clock: MortalClock): ClusterPorts {
    const alive = (): boolean => clock.alive;
    const over = <P extends object>(port: P): P =>
      unreliable(port, {
        clock: this.clock,
        alive,
        fate: (method) => {
          this.note(`${this.clock.monotonic()} ${cluster} ${method}`);
          return this.network.fate(cluster, method);
        },
        refuses: (method, args) => {
          const refusal = this.#refusal(cluster, method);
          if (refusal === undefined) this.onCall(cluster, method, args);
          return refusal;
        },
        pending: (change, method) => {
          if (!WATCHING.has(method) && clock === this.life?.clock) this.pendingCalls += change;
        },
      });
    return {
      leader: over(ports.leader),
      follower: over(ports.follower),
      admin: over(ports.admin),
      positions: over(ports.positions),
      quarantine: over(ports.quarantine),
    };
  }

  #refusal(cluster: string, method: string): Failed | undefined {
    // Closing a view is never told to have failed.
    if (!this.down.has(cluster) || method === 'closeView') return undefined;
    // Whether it had begun to run cannot be told.
    const ambiguous = method === 'bulk' ? { ambiguous: true } : {};
    return failed('cluster_unreachable', { op: method, cluster, reason: 'the node is down', ...ambiguous });
  }

  #journalOf(clock: MortalClock): EventLog {
    const fate = (): { runsAfterMs: number; answersAfterMs: number } => ({ runsAfterMs: 1, answersAfterMs: 2 });
    const log = this.journal.open();
    // A reading is no single call; to a process that is gone nothing comes any more.
    const read: EventLog['read'] = async function* mortal(filter, options, signal) {
      for await (const stored of log.read(filter, options, signal)) {
        if (!clock.alive) await new Promise(() => undefined);
        yield stored;
      }
    };
    return { ...unreliable(log, { clock: this.clock, alive: () => clock.alive, fate }), read };
  }
}
