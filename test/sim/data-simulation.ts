import type { StoredEvent } from '../../src/ports/event-log.ts';
import { SimCheckers, Violation } from './sim-checkers.ts';
import { SimLeader } from './sim-leader.ts';
import type { SimOptions } from './sim-options.ts';
import { SimTroubles } from './sim-troubles.ts';
import { type PortWrapper, SimWorld } from './sim-world.ts';
import { duringSteps, settled } from './in-steps.ts';

export interface SimReport {
  readonly seed: number;
  /** What did not hold; undefined: everything did. */
  readonly violation: string | undefined;
  /** It ended with a pair that had found two documents in one place, and said so. */
  readonly collided: boolean;
  readonly steps: number;
  readonly virtualMs: number;
  readonly lives: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly checks: Readonly<Record<string, number>>;
  /** The same for the same seed. */
  readonly trace: string;
  /** Everything that was recorded. */
  readonly journal: () => AsyncIterable<StoredEvent>;
  /** The last things that were told, for whoever looks for the cause. */
  readonly story: readonly string[];
}

const TROUBLED_MS = 8000;
const HEALED_WITHIN_MS = 15 * 60_000;
const STEPS_MAX = 400_000;

/** Runs one seed to its end: troubles first, then none, and everything has to come right. Never throws for a violation. */
export async function simulate(options: SimOptions, wrap?: PortWrapper): Promise<SimReport> {
  const world = new SimWorld(options, wrap);
  world.releasedInOrder = false;
  const leader = new SimLeader(world);
  const checkers = new SimCheckers(world, leader);
  const troubles = new SimTroubles(world, leader, checkers);
  const ending = await play({ world, leader, checkers, troubles }).catch((thrown: unknown) => ({
    violation: thrown instanceof Violation ? thrown.message : told(thrown),
    collided: false,
  }));
  return {
    seed: options.seed,
    ...ending,
    steps: world.clock.steps,
    virtualMs: world.clock.monotonic(),
    lives: world.lives,
    faults: world.network.drawn,
    checks: checkers.made,
    trace: world.trace.toString(16).padStart(8, '0'),
    journal: () => world.journal.open().read('>', { fromSeq: 1, follow: false }, AbortSignal.any([])),
    story: storyOf(world),
  };
}

interface Stage {
  readonly world: SimWorld;
  readonly leader: SimLeader;
  readonly checkers: SimCheckers;
  readonly troubles: SimTroubles;
}

async function play(stage: Stage): Promise<Pick<SimReport, 'violation' | 'collided'>> {
  const { world, leader, checkers, troubles } = stage;
  const { clock } = world;
  leader.start();
  troubles.start();
  await step(stage, () => clock.monotonic() >= TROUBLED_MS && leader.done);
  troubles.end();
  const deadlineMs = clock.monotonic() + HEALED_WITHIN_MS;
  // Requests that still run late have landed by then.
  const quietMs = clock.monotonic() + world.options.zombieMs + 3 * world.options.requestTimeoutMs;
  const living = (): boolean => !troubles.changing && (world.life?.supervisor.pairs.length ?? 0) > 0;
  await step(stage, () => clock.monotonic() >= quietMs && living());
  await duringSteps((end) => step(stage, end), troubles.resumeAll());
  await duringSteps(
    (end) => step(stage, end),
    troubles.correct(() => checkers.collided()),
  );
  await step(stage, () => {
    if (checkers.collided()) return true;
    if (clock.monotonic() > deadlineMs) throw new Violation(`it does not come right: ${stateOf(world)}`);
    return world.leaderIndex.state === 'open' && converged(world);
  });
  const collided = checkers.collided();
  if (!collided) {
    checkers.identical();
    checkers.beliefs();
  }
  const life = world.life;
  if (life === undefined) throw new Violation('nothing lives');
  await duringSteps((end) => step(stage, end), life.stop());
  troubles.left(life.clock.pending);
  if (life.budget.usedBytes !== 0) throw new Violation(`${life.budget.usedBytes} bytes of the budget are still held`);
  return { violation: undefined, collided };
}

/** Runs timer after timer, with everything that they set off, until the end is reached. */
async function step({ world, checkers, troubles }: Stage, end: () => boolean): Promise<void> {
  for (let polledMs = -1; ;) {
    if (world.clock.monotonic() > polledMs + 20) {
      if (end()) return;
      polledMs = world.clock.monotonic();
    }
    if (!world.clock.runNext()) {
      if (end()) return;
      throw new Violation(`nothing is left to happen: ${stateOf(world)}`);
    }
    await settled();
    checkers.resurrections();
    checkers.now();
    if (checkers.violation !== undefined) throw checkers.violation;
    if (troubles.defect !== undefined) throw troubles.defect;
    if (world.clock.steps > STEPS_MAX) throw new Violation(`no end after ${STEPS_MAX} steps: ${stateOf(world)}`);
  }
}

function converged({ life, leaderIndex, options }: SimWorld): boolean {
  const pairs = life?.supervisor.pairs ?? [];
  return (
    pairs.length > 0 &&
    pairs.every(({ session: { replicator, lastSeen }, snapshot, pair }) => {
      if (replicator === undefined || snapshot?.state !== 'following' || snapshot.desired !== 'running') return false;
      const maxSeqNo = leaderIndex.shards[pair.shard]?.maxSeqNo ?? -1;
      const { checkpoint, outstandingDeletes, followerCount = -1, leaderCount, quarantine } = replicator.progress;
      const complete = replicator.settled && checkpoint >= maxSeqNo && outstandingDeletes === 0;
      // In the middle of a step that has just counted again, the counts need not agree.
      if (options.refusalsEnd !== 'never' && quarantine.size > 0) return false;
      return complete && followerCount + quarantine.withoutCopy === leaderCount && !replicator.needsStep(lastSeen);
    })
  );
}

function stateOf({ life, leaderIndex }: SimWorld): string {
  if (life === undefined) return 'nothing lives';
  return life.supervisor.pairs
    .map(({ pair, snapshot, session: { replicator }, retry }) => {
      const progress = replicator?.progress;
      const { failure } = retry;
      return [
        `pair ${pair.shard} ${snapshot?.state}/${snapshot?.desired}`,
        `at ${progress?.checkpoint} of ${leaderIndex.shards[pair.shard]?.maxSeqNo}`,
        `documents ${progress?.followerCount} and ${progress?.quarantine.withoutCopy} refused of ${progress?.leaderCount}`,
        replicator?.settled === true ? 'settled' : 'not settled',
        failure === undefined ? '' : `${failure.code}: ${failure.reason}`,
      ].join(' ');
    })
    .join('; ');
}

function storyOf({ narrator }: SimWorld): readonly string[] {
  const transitions = narrator.transitions.map(({ event }) => {
    const why = 'failure' in event.fact ? ` ${event.fact.failure.code}: ${event.fact.failure.reason}` : '';
    return `${event.atMs - 1_700_000_000_000} pair ${event.pair.shard} ${event.from} -> ${event.result.state} by ${event.fact.type}${why}`;
  });
  const logs = narrator.logs.map(({ level, message, fields }) => `${level} ${message} ${JSON.stringify(fields)}`);
  return [...transitions.slice(-30), ...logs.slice(-20)];
}

function told(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
