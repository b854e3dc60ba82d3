import { hostname } from 'node:os';
import type { NatsConnection } from '@nats-io/nats-core';
import type { SupervisorPorts } from '../actors/cluster-access.ts';
import { keepJournal } from '../actors/journal-keeper.ts';
import { slotOwnership } from '../actors/slot-ownership.ts';
import { Supervisor } from '../actors/supervisor.ts';
import type { Config } from '../config/config.ts';
import { commandJsonSchemas } from '../control/schemas.ts';
import { commandService } from '../control/service.ts';
import type { ServedSurface } from '../domain/commands.ts';
import { failureOf } from '../domain/failure.ts';
import { EVENT_VERSION } from '../domain/journal.ts';
import type { ChildServer } from '../infra/nats/child-server.ts';
import { openAnswerStore } from '../infra/nats/answer-store.ts';
import { serveCommands } from '../infra/nats/command-service.ts';
import { openEventLog } from '../infra/nats/event-log.ts';
import { openLeaseStore } from '../infra/nats/lease-store.ts';
import { systemClock } from '../infra/system/clock.ts';
import { systemRandom } from '../infra/system/random.ts';
import { otelNarrator, type OtelNarrator } from '../infra/telemetry/otel-narrator.ts';
import { extractTrace } from '../infra/telemetry/propagation.ts';
import { startTelemetry, type Telemetry } from '../infra/telemetry/sdk.ts';
import { structuredLog } from '../infra/telemetry/structured-log.ts';
import type { AnswerStore } from '../ports/answer-store.ts';
import type { CommandServer } from '../ports/command-transport.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Ownership } from '../ports/ownership.ts';
import { ByteBudget } from '../replication/byte-budget.ts';
import { configuredFollows } from './configured-follows.ts';
import { answerNames, connectConfigured, copyJournal, journalNames, leaseNames } from './nats.ts';
import { Clusters } from './open-clusters.ts';
import { startOwnServer, tellingTrouble } from './own-nats.ts';
import { peersOver, servePeers } from './peers.ts';
import type { RunningSupervisor } from './program.ts';

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

async function openOwnership(
  { nats, supervisor, clusters }: Config,
  version: string,
  narrator: OtelNarrator,
  { nc, server }: Messaging,
): Promise<Ownership> {
  const store = await openLeaseStore(nc, { ...leaseNames(nats), nowMs: () => systemClock.now() });
  return slotOwnership({
    store,
    clock: systemClock,
    random: systemRandom,
    narrator,
    announcement: {
      supervisor: supervisor.name,
      version,
      clusters: [...clusters.keys()],
      readsEventVersion: EVENT_VERSION,
      requestTimeoutsMs: Object.fromEntries(
        [...clusters].map(([name, { requestTimeoutMs }]) => [name, requestTimeoutMs]),
      ),
    },
    alone: server !== undefined,
  });
}

async function run(
  config: Config,
  version: string,
  telemetry: Telling,
  { nc, server: ownServer }: Messaging,
): Promise<RunningSupervisor> {
  const { narrator } = telemetry;
  const { answers, log } = await openJournal(config.nats, { nc, server: ownServer }, narrator);
  const ownership = await openOwnership(config, version, narrator, { nc, server: ownServer });
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
  const supervisor = new Supervisor({
    ports,
    defaults: config.defaults,
    peers: peersOver(nc, config.nats.subjectPrefix),
    exclusive: ownServer !== undefined,
  });
  await supervisor.start();
  const unobserve = narrator.observeStatus(
    () => supervisor.pairStatuses(),
    () => clusters.outages(),
  );
  const { follow: entries, defaults } = config;
  const follows = configuredFollows({ entries, defaults, surface: supervisor, ...ports });
  const serving = { surface: follows.surface, alone: supervisor.alone, answers, ownership, version };
  const server = await serve(config, narrator, nc, serving);
  narrator.log('info', 'the supervisor runs', { supervisor: config.supervisor.name, version });
  const ending = new AbortController();
  void follows.run(ending.signal);
  const { historyAgeMs: ageMs, historyEvents: events } = config.journal;
  // One of all supervisors is enough.
  const mayRemove = (): boolean => ownership.mayWrite(0);
  const kept = keepJournal(
    { log, clock: systemClock, narrator, retention: { ageMs, events }, mayRemove },
    ending.signal,
  );
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

interface Serving {
  readonly surface: ServedSurface;
  /** What other supervisors may ask. */
  readonly alone: ServedSurface;
  readonly answers: AnswerStore;
  readonly ownership: Ownership;
  readonly version: string;
}

async function serve(
  { nats, supervisor }: Config,
  narrator: OtelNarrator,
  nc: NatsConnection,
  { surface, alone, answers, ownership, version }: Serving,
): Promise<CommandServer> {
  const prefix = nats.subjectPrefix;
  const commands = await serveCommands(nc, {
    handler: commandService({
      surface,
      random: systemRandom,
      answers,
      onAnswerLost: (thrown) =>
        narrator.log('warn', 'an answer was not kept', { failure: failureOf(thrown, 'keep answer') }),
      requestOf: extractTrace,
    }),
    version,
    schemas: commandJsonSchemas(),
    prefix,
    metadata: { supervisor: supervisor.name },
    onStopped: (reason) => narrator.log('error', 'commands do not arrive any more', { reason }),
  });
  const peers = servePeers(nc, { prefix, surface: alone, ownership });
  return {
    async stop() {
      await Promise.all([commands.stop(), peers.stop()]);
    },
  };
}
