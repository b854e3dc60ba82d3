import { present } from '../../../src/domain/assert.ts';
import { failed, type Failed, type FailureCode } from '../../../src/domain/failure.ts';
import { slotOf } from '../../../src/domain/slots.ts';
import type { AnswerStore } from '../../../src/ports/answer-store.ts';
import type { EventLog } from '../../../src/ports/event-log.ts';
import type { Ownership } from '../../../src/ports/ownership.ts';
import type { Narrator } from '../../../src/ports/narrator.ts';
import { memoryAdmin, type MemoryAdmin } from '../../support/memory-admin.ts';
import { memoryAnswers } from '../../support/memory-answers.ts';
import { memoryJournal, type MemoryJournal } from '../../support/memory-event-log.ts';
import { memoryLeases, type MemoryLeases } from '../../support/memory-leases.ts';
import { memoryPositions } from '../../support/memory-positions.ts';
import { memoryQuarantine } from '../../support/memory-quarantine.ts';
import { MemoryCluster } from '../../support/memory-search/memory-cluster.ts';
import { memoryFollower } from '../../support/memory-search/memory-follower.ts';
import { memoryLeader } from '../../support/memory-search/memory-leader.ts';
import { SimRandom } from '../../support/sim-random.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import type { ClusterPorts } from '../sim-life.ts';
import { ControlNetwork } from './control-network.ts';
import { type ControlOptions, FOLLOWER, LEADER, SLOTS } from './control-options.ts';
import { ControlProcess } from './control-process.ts';

export interface ControlPorts {
  readonly log: EventLog;
  readonly answers: AnswerStore;
  readonly ownership: Ownership;
}

/** Of leader indices whose followers lie in these slots. */
const NAMES: readonly string[] = Array.from({ length: 1_000 }, (_, at) => `logs-${at}`).filter(
  (name) => slotOf({ cluster: FOLLOWER, index: `${name}-copy` }) < SLOTS,
);

/** Puts something between the production code and what outlives it; the tests that prove the checkers use it. */
export type ControlWrapper = (ports: ControlPorts, world: ControlWorld) => ControlPorts;

/** What outlives a process: the clusters, the journal and the answers, the network, and the processes that are there. */
export class ControlWorld {
  readonly options: ControlOptions;
  readonly clock = new VirtualClock();
  readonly random: SimRandom;
  readonly network: ControlNetwork;
  readonly leader: MemoryCluster;
  readonly follower: MemoryCluster;
  readonly indices: readonly string[];
  readonly journal: MemoryJournal;
  readonly answers: AnswerStore;
  readonly leases: MemoryLeases;
  /** The slots of the indices, among `SLOTS`. */
  readonly slots: readonly number[];
  readonly narrator: Narrator;
  readonly clusters: ReadonlyMap<string, ClusterPorts>;
  /** By the name of a leader index: what its pages fail with. */
  readonly ills = new Map<string, FailureCode>();
  readonly down = new Set<string>();
  processes: readonly ControlProcess[] = [];
  lives = 0;
  /** A defect that the production code told of by itself. */
  defect: string | undefined;
  /** The follower takes everything. */
  corrected = false;
  readonly told: (line: string) => void;
  /** Between the memory and the network: every append that is stored. */
  record: (log: EventLog) => EventLog = (log) => log;
  /** Above everything: what the production code is told. */
  require: (ports: ControlPorts) => ControlPorts = (ports) => ports;
  readonly wrap: ControlWrapper;
  #documents = 0;

  constructor(options: ControlOptions, wrap: ControlWrapper, tell: ((line: string) => void) | undefined) {
    this.options = options;
    this.wrap = wrap;
    this.told = tell === undefined ? () => undefined : (line) => tell(`${this.clock.monotonic()} ${line}`);
    this.random = new SimRandom(options.seed);
    this.network = new ControlNetwork(this);
    this.network.refusal = (cluster, method, args) => this.#refusal(cluster, method, args);
    const monotonicMs = this.clock.monotonic;
    this.journal = memoryJournal('memory-journal', () => this.clock.now());
    this.answers = memoryAnswers(() => this.clock.now());
    this.leader = new MemoryCluster({ name: LEADER, monotonicMs });
    this.follower = new MemoryCluster({ name: FOLLOWER, monotonicMs });
    this.indices = options.shards.map(
      (shards, at) => this.leader.createIndex(present(NAMES[at], 'a name'), { shards }).name,
    );
    this.leases = memoryLeases(this.clock);
    this.slots = this.indices.map((index) => slotOf({ cluster: FOLLOWER, index: `${index}-copy` }));
    this.narrator = this.#narrator();
    this.clusters = new Map([this.leader, this.follower].map((cluster) => [cluster.name, this.#ports(cluster)]));
  }

  /** The process starts; it serves commands when it has read the journal. */
  startProcess(): ControlProcess {
    this.lives += 1;
    const process = new ControlProcess(this, this.lives);
    this.processes = [...this.processes, process];
    return process;
  }

  gone(process: ControlProcess): void {
    this.processes = this.processes.filter((other) => other !== process);
  }

  writeDocument(): void {
    this.#documents += 1;
    const bad = this.random.chance(this.options.refusedShare);
    const source = JSON.stringify({ n: this.#documents, ...(bad ? { bad } : {}) });
    this.leader.write(this.anyIndex(), { id: `d${this.random.below(20)}`, source });
  }

  anyIndex(): string {
    return this.indices[this.random.below(this.indices.length)] ?? present(NAMES[0], 'a name');
  }

  #ports(cluster: MemoryCluster): ClusterPorts {
    const admin: MemoryAdmin = memoryAdmin(cluster);
    return {
      leader: memoryLeader(cluster),
      follower: memoryFollower(cluster, {
        refuses: ({ source }) => !this.corrected && source?.includes('"bad"') === true,
      }),
      admin,
      positions: memoryPositions(),
      quarantine: memoryQuarantine(),
    };
  }

  #refusal(cluster: string, method: string, args: readonly unknown[]): Failed | undefined {
    if (this.down.has(cluster)) {
      this.network.count('cluster away');
      return failed('cluster_unreachable', { op: method, cluster, reason: 'the node is down' });
    }
    if (method !== 'readPage' || this.ills.size === 0) return undefined;
    const { index } = args[0] as { index: string };
    const code = this.ills.get(index);
    if (code === undefined) return undefined;
    this.network.count(code);
    // Seen once, another history is the one that is copied next; the rest lasts until it is cured.
    if (code !== 'shard_unavailable') this.ills.delete(index);
    return failed(code, { op: method, cluster, reason: 'so it was drawn' });
  }

  /** Tells nobody, but hears of defects. */
  #narrator(): Narrator {
    let ids = 0;
    const nextId = (digits: number): string => (ids += 1).toString(16).padStart(digits, '0');
    return {
      startRun: () => nextId(32),
      transition: (_event, traceId) => ({ traceId, spanId: nextId(16) }),
      stateLeft: () => undefined,
      span: () => ({ set: () => undefined, end: () => undefined }),
      count: () => undefined,
      log: (level, message, fields) => {
        if (level === 'error') this.defect ??= `${message}: ${JSON.stringify(fields)}`;
      },
    };
  }
}
