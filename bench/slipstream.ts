/** Slipstream as a user runs it: `slipstream start` as a process of its own, `slipstream follow` beside it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import { type Control, natsControl } from '../demo/control.ts';
import { slipstreamIn, type SlipstreamCommand, type SupervisorProcess } from '../demo/supervisor-process.ts';
import type { PairStatus } from '../src/domain/commands.ts';
import { pairSubject } from '../src/domain/subjects.ts';
import { decodeEvent } from '../src/infra/nats/journal-codec.ts';
import { peakMib } from './process-cost.ts';
import { builtProgram } from './built-program.ts';
import type { World } from './world.ts';

const LEADER = 'leader';
const FOLLOWER = 'follower';
const PREFIX = 'slipstream';
const ANSWERS_WITHIN_MS = 30_000;
const FOLLOWS_WITHIN_MS = 3_600_000;
const POLL_MS = 100;

export interface Slipstream extends AsyncDisposable {
  readonly pid: number;
  /** Fires when the supervisor ends by itself. */
  readonly lost: AbortSignal;
  /** Resolves when every document is there, durable, settings restored, and the pair is following. */
  follow(leaderIndex: string, followerIndex: string): Promise<void>;
  unfollow(followerIndex: string): Promise<void>;
  status(followerIndex: string): Promise<PairStatus>;
  peakMib(): number;
}

/** Resolves when the supervisor answers. */
export async function startSlipstream(world: World): Promise<Slipstream> {
  const { guard, nats, signal } = world;
  const program = await builtProgram(signal);
  const command = await slipstreamIn(world.stack.folder, { config: configOf(world), guard, program });
  const supervisor = command.start();
  const ended = AbortSignal.any([signal, supervisor.lost]);
  try {
    await untilAnswering(nats, ended);
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
  return {
    pid: supervisor.pid,
    lost: supervisor.lost,
    peakMib: () => peakMib(supervisor.pid),
    async status(followerIndex) {
      const [pair] = await controlOf(nats, followerIndex).pairs();
      if (pair === undefined) throw new Error(`the supervisor knows nothing of ${followerIndex}`);
      return pair;
    },
    async follow(leaderIndex, followerIndex) {
      const following = whenFollowing(world, followerIndex, ended);
      // When the command fails nobody waits for the other.
      following.catch(() => undefined);
      await run(command, supervisor, ['follow', `${LEADER}:${leaderIndex}`, `${FOLLOWER}:${followerIndex}`], ended);
      await following;
    },
    unfollow: (followerIndex) =>
      run(command, supervisor, ['unfollow', `${FOLLOWER}:${followerIndex}`, '--wait'], ended),
    [Symbol.asyncDispose]: async () => void (await supervisor.stop()),
  };
}

function configOf({ leader, follower, natsUrl }: World): string {
  return `clusters:
  ${LEADER}: { url: '${leader.url}' }
  ${FOLLOWER}: { url: '${follower.url}' }
nats:
  servers: ${natsUrl}
  subjectPrefix: ${PREFIX}
telemetry:
  traces: { exporter: none }
`;
}

function controlOf(nats: NatsConnection, followerIndex: string): Control {
  return natsControl({ nats, prefix: PREFIX, follower: { cluster: FOLLOWER, index: followerIndex } });
}

async function untilAnswering(nats: NatsConnection, signal: AbortSignal): Promise<void> {
  const control = controlOf(nats, 'any');
  const deadlineMs = performance.now() + ANSWERS_WITHIN_MS;
  for (;;) {
    const answers = await control.pairs().then(
      () => true,
      () => false,
    );
    if (answers) return;
    if (performance.now() > deadlineMs) throw new Error('the supervisor does not answer');
    await delay(POLL_MS, undefined, { signal });
  }
}

async function run(
  command: SlipstreamCommand,
  supervisor: SupervisorProcess,
  args: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { code, stdout, stderr } = await command.run(args, signal);
  if (code === 0) return;
  const log = (await supervisor.logTail()).join('\n');
  throw new Error(`slipstream ${args.join(' ')} ended with exit code ${code}\n${stdout}${stderr}\n${log}`);
}

/** Listens to the journal: asking for the status would cost the supervisor what is measured here. */
function whenFollowing({ nats, log }: World, followerIndex: string, signal: AbortSignal): Promise<void> {
  const pair = { follower: { cluster: FOLLOWER, index: followerIndex }, shard: 0 };
  return new Promise((resolve, reject) => {
    const end = (act: () => void): void => {
      subscription.unsubscribe();
      clearTimeout(timer);
      act();
    };
    const timer = setTimeout(
      () => end(() => reject(new Error(`${followerIndex} is not following`))),
      FOLLOWS_WITHIN_MS,
    );
    signal.addEventListener('abort', () => end(() => reject(signal.reason as Error)), { once: true });
    const subscription = nats.subscribe(`${PREFIX}.journal.${pairSubject(pair)}`, {
      callback: (error, message) => {
        if (error !== null) return end(() => reject(error));
        const { event } = decodeEvent(message.subject, 0, message.data);
        if (event.result.state === 'following') end(resolve);
        const told = `${followerIndex}: ${JSON.stringify(event.fact)}`;
        if (event.result.state === 'fatal') end(() => reject(new Error(told)));
        if (event.result.state === 'retrying') log(`slipstream tries again: ${told}`);
      },
    });
  });
}
