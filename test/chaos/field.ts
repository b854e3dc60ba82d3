/**
 * What faults are done to: a leader cluster of three nodes (one of them small and without data), a follower node, a NATS server, and
 * supervisors in processes of their own. They reach each node of the clusters through a proxy, and NATS each through one of its own.
 */
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { present } from '../../src/domain/assert.ts';
import type { FollowParameters } from '../../src/domain/parameters.ts';
import { type Guard, startGuard } from '../../stack/guard.ts';
import { startCluster, THREE_NODES } from '../../stack/leader-cluster.ts';
import { startStack, withoutAddresses } from '../../stack/local-stack.ts';
import type { RunningServer } from '../../stack/server-process.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { openWorld, type Side, sideOf, type World } from '../support/replication-world.ts';
import type { SupervisorProcess } from '../support/supervisor-process.ts';

export interface Server {
  readonly server: RunningServer;
  /** False from before a fault of its process until it serves again. */
  up: boolean;
}

export interface Target extends Server {
  readonly proxy: FaultProxy;
}

export interface Supervisor {
  readonly name: string;
  /** Between it and NATS. */
  readonly proxy: FaultProxy;
  readonly process: SupervisorProcess;
  /** False from before it is killed until it runs again. */
  up: boolean;
  /** Again, after its process has ended; resolves when it runs. */
  start(): Promise<void>;
}

export interface Field extends AsyncDisposable {
  readonly world: World;
  readonly leaders: readonly Target[];
  readonly follower: Target;
  readonly nats: Server;
  readonly supervisors: readonly Supervisor[];
  /** A leader node that is up, as an outsider reaches it. */
  leaderSide(): Side;
  readonly folder: string;
  /** Ends whatever it was told of, however this process ends. */
  readonly guard: Guard;
}

export interface FieldOptions {
  readonly log: (line: string) => void;
  /** Two unless told. */
  readonly supervisors?: number;
  /** Where the proxies' decisions come from. */
  readonly random?: () => number;
  /** When it fires everything is killed at once. */
  readonly signal?: AbortSignal;
  readonly defaults?: Partial<FollowParameters>;
}

/** A node that stands still for some 6 s is taken for dead by the others; half a minute is the servers' own default. */
const IMPATIENT = Object.fromEntries(
  ['follower_check', 'leader_check'].flatMap((check) => [
    [`cluster.fault_detection.${check}.interval`, '1s'],
    [`cluster.fault_detection.${check}.timeout`, '3s'],
    [`cluster.fault_detection.${check}.retry_count`, 2],
  ]),
);
/** Of the supervisors; after an unclean end counts are not trusted for so long. */
const REQUEST_TIMEOUT_MS = 5_000;
const FOLLOWER_HEAP_MB = 512;
const SUPERVISORS = 2;

/** How supervisors reach each node of both clusters: through a proxy of its own. */
export interface Way extends AsyncDisposable {
  readonly world: World;
  readonly leaders: readonly FaultProxy[];
  readonly follower: FaultProxy;
}

export interface WayOptions extends Pick<FieldOptions, 'random' | 'defaults'> {
  readonly leaders: readonly RunningServer[];
  readonly follower: RunningServer;
  readonly nats: RunningServer;
  readonly guard: Guard;
}

/** What is done to its proxies befalls nobody else. No supervisor is started. */
export async function openWay({ leaders, follower, nats, guard, random, defaults }: WayOptions): Promise<Way> {
  await using opening = new AsyncDisposableStack();
  const proxyOf = async (server: RunningServer): Promise<FaultProxy> =>
    opening.use(await startFaultProxy({ serverPort: portOf(server), ...(random === undefined ? {} : { random }) }));
  const before = { leaders: await Promise.all(leaders.map(proxyOf)), follower: await proxyOf(follower) };
  const seenAt = ({ port }: FaultProxy): string => `http://127.0.0.1:${port}`;
  const world = opening.use(
    await openWorld({
      leader: { url: leaders.at(-1)?.url ?? '', seenAt: before.leaders.map(seenAt) },
      follower: { url: follower.url, seenAt: seenAt(before.follower) },
      natsUrl: nats.url,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      commandTimeoutMs: 3_000,
      guard,
      ...(defaults === undefined ? {} : { defaults }),
    }),
  );
  const open = opening.move();
  return { ...before, world, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

function portOf({ url }: RunningServer): number {
  return Number(new URL(url).port);
}

/** Starts everything, the supervisors included. */
export async function openField(options: FieldOptions): Promise<Field> {
  const { log, signal } = options;
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-field-'));
  const guard = startGuard();
  guard.own(folder);
  const cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  cleanUp.defer(() => guard.sweep());
  const interrupt = (): void => void guard.sweep();
  signal?.addEventListener('abort', interrupt);
  cleanUp.defer(() => signal?.removeEventListener('abort', interrupt));
  try {
    signal?.throwIfAborted();
    return await startAll({ ...options, ...(signal === undefined ? {} : { signal }), log, folder, guard, cleanUp });
  } catch (error) {
    await cleanUp.disposeAsync();
    throw error;
  }
}

type Starting = FieldOptions & { folder: string; guard: Guard; cleanUp: AsyncDisposableStack };

async function startAll({ folder, guard, cleanUp, ...options }: Starting): Promise<Field> {
  await chmod(folder, 0o755);
  const [own, shared] = [join(folder, 'own'), join(folder, 'leader')];
  for (const each of [own, shared]) await mkdir(each);
  const common = { log: options.log, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  const environment = withoutAddresses(process.env);
  const started = await Promise.allSettled([
    startCluster({ nodes: THREE_NODES, settings: IMPATIENT, folder: shared, environment, ...common }),
    startStack({
      parts: ['follower', 'nats'],
      folder: own,
      environment,
      follower: { heapMb: FOLLOWER_HEAP_MB },
      ...common,
    }),
  ]);
  for (const each of started) if (each.status === 'fulfilled') cleanUp.defer(() => each.value.stop());
  const [cluster, stack] = started;
  if (cluster.status === 'rejected') throw cluster.reason;
  if (stack.status === 'rejected') throw stack.reason;
  const { random, defaults } = options;
  const nats: Server = { server: stack.value.server('nats'), up: true };
  const way = cleanUp.use(
    await openWay({
      leaders: cluster.value.nodes,
      follower: stack.value.server('follower'),
      nats: nats.server,
      guard,
      ...(random === undefined ? {} : { random }),
      ...(defaults === undefined ? {} : { defaults }),
    }),
  );
  const { world } = way;
  const leaders = way.leaders.map((proxy, at) => ({
    server: present(cluster.value.nodes[at], 'a node'),
    proxy,
    up: true,
  }));
  const follower: Target = { server: stack.value.server('follower'), proxy: way.follower, up: true };
  const proxyOfNats = async (): Promise<FaultProxy> =>
    cleanUp.use(
      await startFaultProxy({ serverPort: portOf(nats.server), ...(random === undefined ? {} : { random }) }),
    );
  const names = Array.from({ length: options.supervisors ?? SUPERVISORS }, (_, at) => `supervisor-${at + 1}`);
  // Together, so that none has to give up what it has only just taken.
  const supervisors = await Promise.all(names.map(async (name) => startSupervisor(world, name, await proxyOfNats())));
  options.signal?.throwIfAborted();
  return {
    world,
    leaders,
    follower,
    nats,
    supervisors,
    folder,
    guard,
    leaderSide() {
      const up = leaders.findLast((target) => target.up);
      if (up === undefined) throw new Error('no leader node is up');
      return sideOf({ url: up.server.url });
    },
    [Symbol.asyncDispose]: () => cleanUp.disposeAsync(),
  };
}

async function startSupervisor(world: World, name: string, proxy: FaultProxy): Promise<Supervisor> {
  const natsSeenAt = `nats://127.0.0.1:${proxy.port}`;
  let process = await world.startNamed(name, { natsSeenAt });
  return {
    name,
    proxy,
    up: true,
    get process() {
      return process;
    },
    async start() {
      process = await world.startNamed(name, { natsSeenAt });
    },
  };
}
