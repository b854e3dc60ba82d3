/** Every fault that a chaos run knows: what it is done to, and how. */
import { setTimeout as delay } from 'node:timers/promises';
import { present } from '../../src/domain/assert.ts';
import type { NetworkFault } from '../support/fault-proxy.ts';
import { until } from '../support/until.ts';
import type { Field, Server, Supervisor, Target } from './field.ts';

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
  /** Not while a node of the leader, or a supervisor, is still on its way back. */
  readonly needs?: 'whole leader' | 'every supervisor';
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

/** Again and again, as a service manager does. */
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

const NETWORK_MS = [1_000, 5_000] as const;

interface Link {
  readonly target: FaultKind['target'];
  readonly durationMs?: FaultKind['durationMs'];
  readonly of: (field: Field, random: () => number) => readonly Pick<Target, 'proxy'>[];
}

const LINKS: Readonly<Record<string, Link>> = {
  leader: { target: 'leader link', of: ({ leaders }) => leaders },
  'one leader node': { target: 'leader link', of: ({ leaders }, random) => [pick(leaders, random)] },
  follower: { target: 'follower link', of: ({ follower }) => [follower] },
  NATS: { target: 'nats link', of: ({ supervisors }) => supervisors },
  'NATS, for one supervisor': {
    target: 'nats link',
    // The longer ones outlast its session: what it owned goes to the others.
    durationMs: [1_000, 15_000],
    of: ({ supervisors }, random) => [pick(supervisors, random)],
  },
};

const networkFaults = Object.entries(LINKS).flatMap(([link, { target, durationMs: within = NETWORK_MS, of }]) =>
  Object.entries(NETWORK_FAULTS).map(([what, fault]): FaultKind => ({
    name: `${link}: ${what}`,
    target,
    weight: 2,
    durationMs: within,
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
    needs: 'whole leader',
    run: async (given) => killLeaderNode(await primaryNode(given), given),
  },
  {
    name: 'leader: small master-only node killed',
    target: 'leader nodes',
    weight: 1,
    ...KILL,
    needs: 'whole leader',
    run: (given) => killLeaderNode(present(given.field.leaders.at(-1), 'a node'), given),
  },
  {
    name: 'leader: node of a primary stopped',
    target: 'leader nodes',
    ...STOP,
    needs: 'whole leader',
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
  {
    name: 'one supervisor: killed',
    target: 'supervisor',
    weight: 3,
    durationMs: [0, 15_000],
    needs: 'every supervisor',
    run: ({ field, random, ...given }) => killSupervisor(pick(field.supervisors, random), given),
  },
  {
    name: 'all supervisors: killed',
    target: 'supervisor',
    weight: 1,
    ...KILL,
    needs: 'every supervisor',
    async run({ field, ...given }) {
      await Promise.all(field.supervisors.map((supervisor) => killSupervisor(supervisor, given)));
    },
  },
  {
    name: 'one supervisor: stopped',
    target: 'supervisor',
    weight: 2,
    durationMs: [1_000, 20_000],
    needs: 'every supervisor',
    run: ({ field, durationMs, random }) => suspend([pick(field.supervisors, random)], durationMs),
  },
  {
    name: 'all supervisors: stopped',
    target: 'supervisor',
    weight: 1,
    durationMs: [1_000, 20_000],
    needs: 'every supervisor',
    run: ({ field, durationMs }) => suspend(field.supervisors, durationMs),
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

async function killAndRestart(target: Server, downMs: number): Promise<void> {
  target.up = false;
  await target.server.kill('SIGKILL');
  await comeBack(target, downMs);
}

async function comeBack(target: Server, downMs: number): Promise<void> {
  await delay(downMs);
  await target.server.restart();
  target.up = true;
}

async function standStill(target: Server, durationMs: number): Promise<void> {
  target.up = false;
  await target.server.kill('SIGSTOP');
  await delay(durationMs);
  await target.server.kill('SIGCONT');
  target.up = true;
}

/** Others, where there are any, take up what it had; it is started again in the background. */
async function killSupervisor(
  supervisor: Supervisor,
  { durationMs, later }: Pick<FaultRun, 'durationMs' | 'later'>,
): Promise<void> {
  supervisor.up = false;
  await supervisor.process.kill();
  later(startAgain(supervisor, durationMs));
}

async function startAgain(supervisor: Supervisor, downMs: number): Promise<void> {
  await delay(downMs);
  let reason = '';
  await until(
    `${supervisor.name} runs`,
    START_AGAIN_WITHIN_MS,
    async () => {
      try {
        if (!supervisor.process.running) await supervisor.start();
        return true;
      } catch (error) {
        reason = String(error);
        return undefined;
      }
    },
    () => reason,
  );
  supervisor.up = true;
}

async function suspend(supervisors: readonly Supervisor[], durationMs: number): Promise<void> {
  for (const {
    process: { pid },
  } of supervisors)
    process.kill(pid, 'SIGSTOP');
  await delay(durationMs);
  for (const {
    process: { pid },
  } of supervisors)
    process.kill(pid, 'SIGCONT');
}
