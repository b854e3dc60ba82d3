/** Every fault that a chaos run knows: what it is done to, and how. */
import { setTimeout as delay } from 'node:timers/promises';
import { present } from '../../src/domain/assert.ts';
import type { NetworkFault } from '../support/fault-proxy.ts';
import { until } from '../support/until.ts';
import type { Field, Target } from './field.ts';

export interface FaultKind {
  readonly name: string;
  /** Two faults of one target are never at once. */
  readonly target:
    | 'leader nodes'
    | 'leader link'
    | 'follower node'
    | 'follower link'
    | 'nats server'
    | 'nats link'
    | 'supervisor';
  /** How often it is drawn, beside others. */
  readonly weight: number;
  readonly durationMs: readonly [least: number, most: number];
  /** Not while a node of the leader is still on its way back. */
  readonly needsWholeLeader?: true;
  /** Resolves when the copy has to go on by itself; what goes on in the background then is told to `later`. */
  readonly run: (given: FaultRun) => Promise<void>;
}

export interface FaultRun {
  readonly field: Field;
  readonly index: string;
  readonly durationMs: number;
  readonly random: () => number;
  readonly later: (task: Promise<void>) => void;
}

/** As a service manager does. */
const START_AGAIN_WITHIN_MS = 120_000;
const WAN_BYTES_PER_SECOND = 4_000_000;
const HIT_SHARE = 0.3;

const NETWORK_FAULTS: Readonly<Record<string, NetworkFault>> = {
  'WAN of 100 ms': { kind: 'wan', delayMs: 50, bytesPerSecond: WAN_BYTES_PER_SECOND },
  'resets in mid-response': { kind: 'reset', share: HIT_SHARE },
  'truncated bodies': { kind: 'truncate', share: HIT_SHARE },
  'slow close': { kind: 'slowClose', share: HIT_SHARE, delayMs: 500 },
  'black hole': { kind: 'blackHole' },
};

const LINKS: Readonly<
  Record<string, { target: FaultKind['target']; of: (field: Field, random: () => number) => readonly Target[] }>
> = {
  leader: { target: 'leader link', of: ({ leaders }) => leaders },
  'one leader node': { target: 'leader link', of: ({ leaders }, random) => [pick(leaders, random)] },
  follower: { target: 'follower link', of: ({ follower }) => [follower] },
  NATS: { target: 'nats link', of: ({ nats }) => [nats] },
};

const networkFaults = Object.entries(LINKS).flatMap(([link, { target, of }]) =>
  Object.entries(NETWORK_FAULTS).map(([what, fault]): FaultKind => ({
    name: `${link}: ${what}`,
    target,
    weight: 2,
    durationMs: [1_000, 5_000],
    async run({ field, durationMs, random }) {
      const targets = of(field, random);
      for (const { proxy } of targets) proxy.set(fault);
      await delay(durationMs);
      for (const { proxy } of targets) proxy.set(undefined);
    },
  })),
);

const STOP = { weight: 2, durationMs: [1_000, 10_000] } as const;
const KILL = { durationMs: [0, 3_000] } as const;

export const FAULT_KINDS: readonly FaultKind[] = [
  ...networkFaults,
  {
    name: 'leader: node of a primary killed',
    target: 'leader nodes',
    weight: 2,
    ...KILL,
    needsWholeLeader: true,
    run: async (given) => killLeaderNode(await primaryNode(given), given),
  },
  {
    name: 'leader: small master-only node killed',
    target: 'leader nodes',
    weight: 1,
    ...KILL,
    needsWholeLeader: true,
    run: (given) => killLeaderNode(present(given.field.leaders.at(-1), 'a node'), given),
  },
  {
    name: 'leader: node of a primary stopped',
    target: 'leader nodes',
    ...STOP,
    needsWholeLeader: true,
    run: async (given) => standStill(await primaryNode(given), given.durationMs),
  },
  {
    name: 'follower: killed',
    target: 'follower node',
    weight: 1,
    ...KILL,
    run: ({ field, durationMs }) => killAndRestart(field.follower, durationMs),
  },
  {
    name: 'follower: stopped',
    target: 'follower node',
    ...STOP,
    run: ({ field, durationMs }) => standStill(field.follower, durationMs),
  },
  {
    name: 'NATS: killed',
    target: 'nats server',
    weight: 2,
    ...KILL,
    run: ({ field, durationMs }) => killAndRestart(field.nats, durationMs),
  },
  {
    name: 'NATS: stopped',
    target: 'nats server',
    ...STOP,
    run: ({ field, durationMs }) => standStill(field.nats, durationMs),
  },
  { name: 'supervisor: killed', target: 'supervisor', weight: 3, ...KILL, run: killSupervisor },
  {
    name: 'supervisor: stopped',
    target: 'supervisor',
    ...STOP,
    async run({ field, durationMs }) {
      const { pid } = present(field.world.supervisor, 'a supervisor');
      process.kill(pid, 'SIGSTOP');
      await delay(durationMs);
      process.kill(pid, 'SIGCONT');
    },
  },
];

export function pick<T>(from: readonly T[], random: () => number): T {
  return present(from[Math.floor(random() * from.length)], 'something to pick from');
}

/** With a copy of every shard on both data nodes: with one of them less nothing is lost. */
export async function leaderIsWhole(field: Field): Promise<boolean> {
  if (field.leaders.some(({ up }) => !up)) return false;
  const { status, body } = await field.leaderSide().call('GET', '/_cluster/health?timeout=1s');
  return status === 200 && body['status'] === 'green' && body['number_of_nodes'] === field.leaders.length;
}

/** The node that holds the primary of a random shard. */
export async function primaryNode({
  field,
  index,
  random,
}: Pick<FaultRun, 'field' | 'index' | 'random'>): Promise<Target> {
  const path = `/_cat/shards/${index}?format=json&h=prirep,node`;
  const { body } = await field.leaderSide().call('GET', path);
  const shards = body as unknown as readonly { prirep: string; node: string | null }[];
  const node = pick(
    shards.filter(({ prirep }) => prirep === 'p'),
    random,
  ).node;
  return present(
    field.leaders.find(({ server }) => server.name === node),
    `the node ${node}`,
  );
}

/** The others go on without it, so the copy has to; it comes back in the background. */
async function killLeaderNode(target: Target, { durationMs, later }: FaultRun): Promise<void> {
  target.up = false;
  await target.server.kill('SIGKILL');
  later(comeBack(target, durationMs));
}

async function killAndRestart(target: Target, downMs: number): Promise<void> {
  target.up = false;
  await target.server.kill('SIGKILL');
  await comeBack(target, downMs);
}

async function comeBack(target: Target, downMs: number): Promise<void> {
  await delay(downMs);
  await target.server.restart();
  target.up = true;
}

async function standStill(target: Target, durationMs: number): Promise<void> {
  target.up = false;
  await target.server.kill('SIGSTOP');
  await delay(durationMs);
  await target.server.kill('SIGCONT');
  target.up = true;
}

async function killSupervisor({ field: { world }, durationMs }: FaultRun): Promise<void> {
  await present(world.supervisor, 'a supervisor').kill();
  await delay(durationMs);
  let reason = '';
  await until(
    'a supervisor runs',
    START_AGAIN_WITHIN_MS,
    async () => {
      try {
        if (world.supervisor?.running !== true) await world.start();
        return true;
      } catch (error) {
        reason = String(error);
        return undefined;
      }
    },
    () => reason,
  );
}
