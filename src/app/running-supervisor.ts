import { hostname } from 'node:os';
import type { NatsConnection } from '@nats-io/nats-core';
import type { ClusterAccess, SupervisorPorts } from '../actors/cluster-access.ts';
import { keepJournal } from '../actors/journal-keeper.ts';
import { PositionKeeper } from '../actors/position-keeper.ts';
import { Supervisor } from '../actors/supervisor.ts';
import type { Config } from '../config/config.ts';
import { commandJsonSchemas } from '../control/schemas.ts';
import { commandService } from '../control/service.ts';
import { failureOf } from '../domain/failure.ts';
import type { Outage } from '../domain/outage.ts';
import type { ChildServer } from '../infra/nats/child-server.ts';
import { openAnswerStore } from '../infra/nats/answer-store.ts';
import { serveCommands } from '../infra/nats/command-service.ts';
import { openEventLog } from '../infra/nats/event-log.ts';
import type { OpenCluster } from '../infra/search/open-cluster.ts';
import { systemClock } from '../infra/system/clock.ts';
import { systemRandom } from '../infra/system/random.ts';
import { otelNarrator, type OtelNarrator } from '../infra/telemetry/otel-narrator.ts';
import { extractTrace } from '../infra/telemetry/propagation.ts';
import { startTelemetry, type Telemetry } from '../infra/telemetry/sdk.ts';
import { structuredLog } from '../infra/telemetry/structured-log.ts';
import type { AnswerStore } from '../ports/answer-store.ts';
import type { EventLog } from '../ports/event-log.ts';
import { ByteBudget } from '../replication/byte-budget.ts';
import { ClusterBreaker } from '../replication/cluster-breaker.ts';
import { ClusterWatcher } from '../replication/cluster-watcher.ts';
import { Semaphore } from '../replication/semaphore.ts';
import { configuredCluster, openConfigured } from './clusters.ts';
import { configuredFollows } from './configured-follows.ts';
import { answerNames, connectConfigured, copyJournal, journalNames } from './nats.ts';
import { refuseSecond } from './one-supervisor.ts';
import { startOwnServer, tellingTrouble } from './own-nats.ts';
import type { RunningSupervisor } from './program.ts';

/** A flush every two seconds would cost a bootstrap much of its speed. */
const FLUSH_INTERVAL_MS = 10_000;
/** Points in time open at once on one leader cluster. */
const VIEWS_MAX = 8;
const EXIT_NOT_DRAINED = 75;

/** Builds a supervisor out of the configuration and runs it. The only place where everything is put together. */
export async function startSupervisor(
  config: Config,
  version: string,
  signal: AbortSignal,
): Promise<RunningSupervisor> {
  const telemetry = await openTelemetry(config, version);
  let server: ChildServer | undefined;
  let nc: NatsConnection | undefined;
  try {
    server = await startOwnServer(config, telemetry.narrator, signal);
    nc = await connectConfigured(config.nats, `slipstream ${config.supervisor.name}`, (state) => {
      if (state.kind !== 'connected')
        // It comes back by itself for ever, and is closed only by us.
        telemetry.narrator.log(state.kind === 'closed' ? 'info' : 'warn', 'NATS connection', {
          state: state.kind,
          ...('reason' in state ? { reason: state.reason } : {}),
        });
    });
    await refuseSecond(config.nats, nc, 'start');
    return await run(config, version, telemetry, { nc, server });
  } catch (thrown) {
    await nc?.close();
    await server?.stop();
    await telemetry.sdk.shutdown();
    throw thrown;
  }
}

/** The connection, and the server behind it where that is our own. */
interface Messaging {
  readonly nc: NatsConnection;
  readonly server: ChildServer | undefined;
}

interface Telling {
  readonly sdk: Telemetry;
  readonly narrator: OtelNarrator;
}

async function openTelemetry(config: Config, version: string): Promise<Telling> {
  const { traces, logLevel } = config.telemetry;
  const instanceId = `${config.supervisor.name}@${hostname()}`;
  const log = structuredLog({ level: logLevel, base: { service: 'slipstream', instance: instanceId } });
  const sdk = await startTelemetry({
    exporter: traces.exporter,
    endpoint: traces.endpoint,
    serviceName: 'slipstream',
    serviceVersion: version,
    instanceId,
    warn: (message) => log.warn(message),
    monotonicMs: () => systemClock.monotonic(),
  });
  return { sdk, narrator: otelNarrator({ telemetry: sdk, log, clock: systemClock, random: systemRandom }) };
}

async function openJournal(
  nats: Config['nats'],
  { nc, server }: Messaging,
  narrator: OtelNarrator,
): Promise<{ answers: AnswerStore; log: EventLog }> {
  const newId = (): string => systemRandom.id();
  const answers = await openAnswerStore(nc, { ...answerNames(nats), newId });
  const log = tellingTrouble(await openEventLog(nc, { ...journalNames(nats), newId }), () => server?.trouble());
  await copyJournal(nc, nats, narrator);
  return { answers, log };
}

async function run(
  config: Config,
  version: string,
  telemetry: Telling,
  { nc, server: ownServer }: Messaging,
): Promise<RunningSupervisor> {
  const { narrator } = telemetry;
  const { answers, log } = await openJournal(config.nats, { nc, server: ownServer }, narrator);
  const clusters = new Clusters(config, { log, narrator });
  const { bufferSizeBytes, bufferOperations } = config.supervisor;
  const ports: SupervisorPorts = {
    log,
    clock: systemClock,
    random: systemRandom,
    narrator,
    budget: new ByteBudget({ capacityBytes: bufferSizeBytes, capacityOperations: bufferOperations }),
    cluster: (name) => clusters.access(name),
    ownership,
  };
  const supervisor = new Supervisor({ ports, defaults: config.defaults });
  await supervisor.start();
  const unobserve = narrator.observeStatus(
    () => supervisor.pairStatuses(),
    () => clusters.outages(),
  );
  const { follow: entries, defaults } = config;
  const follows = configuredFollows({ entries, defaults, surface: supervisor, ...ports });
  const server = await serveCommands(nc, {
    handler: commandService({
      surface: follows.surface,
      random: systemRandom,
      answers,
      onAnswerLost: (thrown) =>
        narrator.log('warn', 'an answer was not kept', { failure: failureOf(thrown, 'keep answer') }),
      requestOf: extractTrace,
    }),
    version,
    schemas: commandJsonSchemas(),
    prefix: config.nats.subjectPrefix,
    metadata: { supervisor: config.supervisor.name },
    onStopped: (reason) => narrator.log('error', 'commands do not arrive any more', { reason }),
  });
  narrator.log('info', 'the supervisor runs', { supervisor: config.supervisor.name, version });
  const ending = new AbortController();
  void follows.run(ending.signal);
  const { historyAgeMs: ageMs, historyEvents: events } = config.journal;
  const kept = keepJournal({ log, clock: systemClock, narrator, retention: { ageMs, events } }, ending.signal);
  const { promise: stopped, resolve } = Promise.withResolvers<number>();
  let stopping = false;
  const drain = async (): Promise<number> => {
    ending.abort();
    // Together: commands that wait for something are ended by the supervisor's stop.
    const ended = Promise.all([server.stop(), supervisor.stop()]);
    const drained = await Promise.race([
      ended.then(() => true),
      systemClock.sleep(config.supervisor.drainTimeoutMs).then(() => false),
    ]);
    if (!drained) supervisor.kill();
    await Promise.all([clusters.close(), kept]);
    unobserve();
    narrator.log('info', drained ? 'the supervisor has stopped' : 'the supervisor was stopped before it had drained');
    await nc.drain().catch(() => undefined);
    await ownServer?.stop();
    await telemetry.sdk.shutdown();
    return drained ? 0 : EXIT_NOT_DRAINED;
  };
  return {
    stopped,
    ...(ownServer === undefined ? {} : { ownServer: { url: ownServer.url, dataFolder: ownServer.dataFolder } }),
    stop: (reason) => {
      if (stopping) return;
      stopping = true;
      narrator.log('info', 'the supervisor stops', { reason });
      drain().then(resolve, (thrown: unknown) => {
        narrator.log('error', 'the stop failed', { failure: failureOf(thrown, 'stop') });
        resolve(EXIT_NOT_DRAINED);
      });
    },
  };
}

/** Clusters are opened when they are first needed. */
class Clusters {
  readonly #config: Config;
  readonly #shared: { readonly log: EventLog; readonly narrator: OtelNarrator };
  readonly #open = new Map<string, { readonly access: ClusterAccess; readonly cluster: OpenCluster }>();

  constructor(config: Config, shared: { log: EventLog; narrator: OtelNarrator }) {
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
      flushIntervalMs: FLUSH_INTERVAL_MS,
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
