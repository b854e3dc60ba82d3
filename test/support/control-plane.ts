/** A supervisor over many idle pairs: real NATS, production actors, and search clusters in memory behind the ports. For benches. */
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { type ClusterAccess, CREATIONS_MAX, openingsAtOnce } from '../../src/actors/cluster-access.ts';
import { PositionKeeper } from '../../src/actors/position-keeper.ts';
import { Supervisor } from '../../src/actors/supervisor.ts';
import { commandJsonSchemas } from '../../src/control/schemas.ts';
import { commandService } from '../../src/control/service.ts';
import { present } from '../../src/domain/assert.ts';
import { type FollowerMark, metaWith } from '../../src/domain/index-spec/follower-mark.ts';
import { EVENT_VERSION, type IndexSnapshot, type PairSnapshot } from '../../src/domain/journal.ts';
import { pairKey } from '../../src/domain/names.ts';
import { DEFAULT_PARAMETERS } from '../../src/domain/parameters.ts';
import { indexSubject, pairSubject } from '../../src/domain/subjects.ts';
import { openAnswerStore } from '../../src/infra/nats/answer-store.ts';
import { serveCommands } from '../../src/infra/nats/command-service.ts';
import { openEventLog } from '../../src/infra/nats/event-log.ts';
import { systemClock } from '../../src/infra/system/clock.ts';
import { systemRandom } from '../../src/infra/system/random.ts';
import type { EventLog } from '../../src/ports/event-log.ts';
import type { Narrator } from '../../src/ports/narrator.ts';
import type { Ownership } from '../../src/ports/ownership.ts';
import { ByteBudget } from '../../src/replication/byte-budget.ts';
import { ClusterBreaker } from '../../src/replication/cluster-breaker.ts';
import { ClusterWatcher } from '../../src/replication/cluster-watcher.ts';
import { Semaphore } from '../../src/replication/semaphore.ts';
import { fixedOwnership } from './fixed-ownership.ts';
import { memoryAdmin, type MemoryAdmin } from './memory-admin.ts';
import { memoryPositions, type MemoryPositions } from './memory-positions.ts';
import { memoryQuarantine } from './memory-quarantine.ts';
import { MemoryCluster } from './memory-search/memory-cluster.ts';
import { memoryFollower } from './memory-search/memory-follower.ts';
import { memoryLeader } from './memory-search/memory-leader.ts';

export const LEADER = 'main';
export const FOLLOWER = 'replica';
const LATENCY_MS = 2;

export interface ControlPlaneOptions {
  readonly nats: NatsConnection;
  readonly prefix: string;
  readonly stream: string;
  readonly indices: number;
  readonly shards: number;
  /** Owns every slot unless given. */
  readonly ownership?: Ownership;
}

export interface ControlPlane {
  readonly log: EventLog;
  readonly names: readonly string[];
  /** Opens and starts a supervisor, which serves commands when this resolves. */
  start(): Promise<RunningPlane>;
}

export interface RunningPlane {
  readonly supervisor: Supervisor;
  stop(): Promise<void>;
}

interface Side {
  readonly cluster: MemoryCluster;
  readonly admin: MemoryAdmin;
  readonly positions: MemoryPositions;
}

function side(name: string): Side {
  const cluster = new MemoryCluster({ name, monotonicMs: () => systemClock.monotonic() });
  // A call takes as long as to a real server nearby, so that calls gather as they do there.
  cluster.around = async (_call, run) => {
    await systemClock.sleep(LATENCY_MS);
    return run();
  };
  return { cluster, admin: memoryAdmin(cluster), positions: memoryPositions() };
}

/** Journal, marks and positions as they stand after all indices were copied and the supervisor was stopped in order. */
export async function openControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { nats, prefix, stream, indices, shards } = options;
  const log = await openEventLog(nats, { stream, prefix: `${prefix}.journal`, newId: () => systemRandom.id() });
  const sides = { leader: side(LEADER), follower: side(FOLLOWER) };
  const names = Array.from({ length: indices }, (_, at) => `logs-${String(at).padStart(5, '0')}`);
  const js = jetstream(nats);
  for (const name of names) {
    const { events } = await copied(name, { shards, journalId: log.journalId, ...sides });
    await Promise.all(
      events.map(([subject, event]) => js.publish(`${prefix}.journal.${subject}`, JSON.stringify(event))),
    );
  }
  return { log, names, start: () => start(options, log, sides) };
}

interface Copying {
  readonly shards: number;
  readonly journalId: string;
  readonly leader: Side;
  readonly follower: Side;
}

async function copied(
  name: string,
  { shards, journalId, leader, follower }: Copying,
): Promise<{ events: readonly (readonly [subject: string, event: object])[] }> {
  const [from, to] = [leader, follower].map(({ cluster }) => cluster.createIndex(name, { shards }));
  const [source, target] = [present(from, 'a leader index'), present(to, 'a follower index')];
  const ref = { cluster: FOLLOWER, index: name };
  const leaderRef = { cluster: LEADER, index: name };
  const mark: FollowerMark = {
    role: 'follower',
    journalId,
    epoch: 1,
    leader: { ...leaderRef, clusterUuid: `${LEADER}-uuid`, uuid: source.uuid },
    shards,
    overrides: [],
    copied: { settings: [], aliases: [] },
  };
  const { signal } = new AbortController();
  await follower.admin.putMapping(name, { _meta: metaWith({}, mark) }, signal);
  const side = {
    uuid: target.uuid,
    historyUuids: target.shards.map(({ historyUuid }) => historyUuid),
    maxSeqNos: target.shards.map(() => -1),
  };
  const envelope = { version: EVENT_VERSION, atMs: Date.now(), cause: 'cycle', term: 1 };
  const index: IndexSnapshot = {
    state: 'prepared',
    followId: `follow-${name}`,
    leader: leaderRef,
    follower: ref,
    leaderUuid: source.uuid,
    followerUuid: target.uuid,
    shards,
    followerShards: shards,
    aligned: true,
    parameters: DEFAULT_PARAMETERS,
    settings: {},
  };
  const pairs = source.shards.map(({ historyUuid }, shard) => ({ pair: { follower: ref, shard }, historyUuid }));
  await follower.positions.save(
    pairs.map(({ pair, historyUuid }) => ({
      record: {
        pair: pairKey(pair),
        journalId,
        term: 1,
        savedAtMs: Date.now(),
        position: {
          epoch: 1,
          checkpoint: -1,
          ranges: [],
          leader: { uuid: source.uuid, historyUuid, shards },
          follower: side,
          followerCount: 0,
          clean: true,
        },
      },
      token: undefined,
    })),
    signal,
  );
  const run = { traceId: '0'.repeat(31).concat('1'), startedAtMs: Date.now(), transitions: 2 };
  const result: PairSnapshot = {
    state: 'following',
    followId: index.followId,
    resumeTo: 'following',
    desired: 'running',
    epoch: 1,
    checkpoint: -1,
    run,
  };
  const fact = { type: 'BOOTSTRAPPED', checkpoint: -1 };
  return {
    events: [
      [
        indexSubject(ref),
        { entity: 'index', id: systemRandom.id(), ...envelope, fact: { type: 'PREPARED' }, result: index },
      ],
      ...pairs.map(
        ({ pair }) =>
          [
            pairSubject(pair),
            { entity: 'pair', id: systemRandom.id(), ...envelope, pair, fact, from: 'bootstrapping', result },
          ] as const,
      ),
    ],
  };
}

async function start(
  { nats, prefix, stream, ownership }: ControlPlaneOptions,
  log: EventLog,
  sides: { readonly leader: Side; readonly follower: Side },
): Promise<RunningPlane> {
  const narrator = silence();
  const open = ({ cluster, admin, positions }: Side): ClusterAccess => {
    // Nobody changes metadata here, and the fake counts it anew for every question.
    const leader = {
      ...memoryLeader(cluster),
      stateVersion: () => systemClock.sleep(LATENCY_MS).then(() => 'unchanged'),
    };
    const follower = memoryFollower(cluster);
    const breaker = new ClusterBreaker({
      cluster: cluster.name,
      probe: (signal) => memoryLeader(cluster).stateVersion(signal),
      requestTimeoutMs: 30_000,
      clock: systemClock,
      random: systemRandom,
      narrator,
    });
    const watcher = new ClusterWatcher({
      cluster: leader,
      breaker,
      clock: systemClock,
      pollIntervalMs: 500,
      pollIntervalMaxMs: 1000,
    });
    const keeper = new PositionKeeper({
      follower,
      breaker,
      watcher,
      store: positions,
      clock: systemClock,
      narrator,
      journalId: log.journalId,
      intervalMs: 2000,
      unsyncedIntervalMs: 5_000,
    });
    watcher.start();
    keeper.start();
    const views = new Semaphore(8);
    const comparisons = new Semaphore(8);
    const openings = new Semaphore(openingsAtOnce);
    const creations = new Semaphore(CREATIONS_MAX);
    const roles = { leader, follower, admin, positions, quarantine: memoryQuarantine() };
    const bounds = { views, comparisons, openings, creations };
    return { name: cluster.name, ...roles, breaker, watcher, keeper, ...bounds, requestTimeoutMs: 30_000 };
  };
  const clusters = new Map([
    [LEADER, open(sides.leader)],
    [FOLLOWER, open(sides.follower)],
  ]);
  const supervisor = new Supervisor({
    ports: {
      log,
      clock: systemClock,
      random: systemRandom,
      narrator,
      budget: new ByteBudget({ capacityBytes: 128 * 1024 * 1024, capacityOperations: 100_000 }),
      cluster: (name) => present(clusters.get(name), `cluster ${name}`),
      ownership: ownership ?? fixedOwnership({ term: 2 }),
    },
    defaults: DEFAULT_PARAMETERS,
  });
  await supervisor.start();
  const answers = await openAnswerStore(nats, { stream, prefix: `${prefix}.answers`, newId: () => systemRandom.id() });
  const server = await serveCommands(nats, {
    handler: commandService({ surface: supervisor, random: systemRandom, answers }),
    version: '0.0.0',
    schemas: commandJsonSchemas(),
    prefix,
  });
  return {
    supervisor,
    async stop() {
      await Promise.all([server.stop(), supervisor.stop()]);
      for (const { keeper, watcher } of clusters.values()) {
        await keeper.stop();
        await watcher.stop();
      }
    },
  };
}

/** Tells nobody: what telling costs is measured elsewhere. */
function silence(): Narrator {
  let spans = 0;
  return {
    startRun: () => systemRandom.id().replaceAll('-', '').slice(0, 32),
    transition: (_event, traceId) => ({ traceId, spanId: String((spans += 1)).padStart(16, '0') }),
    stateLeft: () => undefined,
    span: () => ({ set: () => undefined, end: () => undefined }),
    count: () => undefined,
    log: () => undefined,
  };
}
