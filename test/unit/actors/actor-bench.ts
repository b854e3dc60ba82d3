import assert from 'node:assert/strict';
import { present } from '../../../src/domain/assert.ts';
import { type Failure, Failed } from '../../../src/domain/failure.ts';
import type { Lifecycle, PairEvent } from '../../../src/domain/journal.ts';
import { pairSubject } from '../../../src/domain/subjects.ts';
import type { PairActor } from '../../../src/actors/pair-actor.ts';
import { drawOptions, type SimOptions } from '../../sim/sim-options.ts';
import { FOLLOWER, LEADER, type PortWrapper, SimWorld } from '../../sim/sim-world.ts';

/** Everything as in production over clusters in memory, without any trouble but what a test makes. */
export interface ActorBench {
  readonly world: SimWorld;
  /** Runs timers until the condition holds. */
  until(condition: () => boolean, what: string): Promise<void>;
  /** The same for work that needs timers to run. */
  run<T>(work: Promise<T>): Promise<T>;
  follow(): Promise<void>;
  put(id: string): void;
  pair(shard?: number): PairActor;
  state(): Lifecycle | undefined;
  /** The process is gone, and another one starts. */
  crash(): Promise<void>;
  /** What the journal holds of a pair. */
  events(shard?: number): Promise<readonly PairEvent[]>;
  pause(): Promise<void>;
  resume(options?: { rebootstrap?: boolean }): Promise<void>;
  /** Checked after every timer. */
  onStep: () => void;
}

const STEPS_MAX = 20_000;

export function actorBench(parts: Partial<SimOptions> = {}, wrap?: PortWrapper): ActorBench {
  const drawn = drawOptions(1);
  const none = Object.fromEntries(
    Object.keys(drawn.faults).map((name) => [name, 0]),
  ) as unknown as SimOptions['faults'];
  const options = {
    ...drawn,
    leaderShards: 1,
    followerShards: 1,
    leaderFormula: 'mod' as const,
    latencyMs: 5,
    refusedShare: 0,
    refusalsEnd: 'never' as const,
    parameters: {},
  };
  const world = new SimWorld({ ...options, faults: none, ...parts }, wrap);
  let documents = 0;
  const asked = new Map<string, number>();
  /** Another one each time, or it would be the same command once more. */
  const nextId = (name: string): string => {
    const times = (asked.get(name) ?? 0) + 1;
    asked.set(name, times);
    return times === 1 ? name : `${name}-${times}`;
  };

  const tick = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    bench.onStep();
  };
  const supervisor = (): SimWorld['life'] & object => present(world.life, 'a living process');
  const bench: ActorBench = {
    world,
    onStep: () => undefined,
    async until(condition, what) {
      for (let steps = 0; !condition(); steps += 1) {
        assert.ok(steps < STEPS_MAX && world.clock.runNext(), `it never came to ${what}`);
        await tick();
      }
    },
    async run(work) {
      let ended = false;
      const end = (): void => void (ended = true);
      work.then(end, end);
      await tick();
      await bench.until(() => ended, 'an end');
      return work;
    },
    async follow() {
      world.startLife();
      await bench.run(supervisor().supervisor.start());
      const command = { leader: LEADER, follower: FOLLOWER, parameters: world.options.parameters };
      await bench.run(supervisor().supervisor.follow({ ...command, commandId: 'c-follow' }));
    },
    put(id) {
      documents += 1;
      world.leader.write(LEADER.index, { id, source: JSON.stringify({ n: documents, fields: 0 }) });
    },
    pair: (shard = 0) => present(supervisor().supervisor.pairs[shard], `pair ${shard}`),
    state: () => world.life?.supervisor.pairs[0]?.snapshot?.state,
    async crash() {
      supervisor().crash();
      world.startLife();
      await bench.run(supervisor().supervisor.start());
    },
    async events(shard = 0) {
      const found: PairEvent[] = [];
      const subject = pairSubject({ follower: FOLLOWER, shard });
      const { signal } = new AbortController();
      for await (const { event } of world.journal.open().read(subject, { fromSeq: 1, follow: false }, signal))
        if (event.entity === 'pair') found.push(event);
      return found;
    },
    async pause() {
      await bench.run(supervisor().supervisor.pause({ follower: FOLLOWER, commandId: nextId('c-pause'), by: 'ada' }));
    },
    async resume({ rebootstrap = false } = {}) {
      await bench.run(
        supervisor().supervisor.resume({ follower: FOLLOWER, commandId: nextId('c-resume'), rebootstrap }),
      );
    },
  };
  return bench;
}

/** What a command was refused with. */
export async function refusalOf(work: Promise<unknown>): Promise<Failure> {
  try {
    await work;
  } catch (thrown) {
    if (thrown instanceof Failed) return thrown.failure;
    throw thrown;
  }
  assert.fail('it should have been refused');
}
