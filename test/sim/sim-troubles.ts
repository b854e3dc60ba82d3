import { present } from '../../src/domain/assert.ts';
import { Failed } from '../../src/domain/failure.ts';
import type { Supervisor } from '../../src/actors/supervisor.ts';
import type { SimCheckers } from './sim-checkers.ts';
import type { SimLeader } from './sim-leader.ts';
import { FOLLOWER, LEADER, type SimWorld } from './sim-world.ts';

/** How often something may happen. */
const PERIOD_MS = 50;

/** What befalls clusters, the process, the journal and the operator, and how it is put right in the end. */
export class SimTroubles {
  readonly #world: SimWorld;
  readonly #leader: SimLeader;
  readonly #checkers: SimCheckers;
  #changing = false;
  #over = false;
  #foreign = 0;
  /** What a command or a start threw, other than `Failed`. */
  defect: Error | undefined;

  constructor(world: SimWorld, leader: SimLeader, checkers: SimCheckers) {
    this.#world = world;
    this.#leader = leader;
    this.#checkers = checkers;
  }

  start(): void {
    this.#later(() => this.#begin(), 0);
    const { clock } = this.#world;
    const tick = (): void => {
      if (this.#over) return;
      this.#befall();
      if (clock.monotonic() % this.#world.options.followerSyncMs < PERIOD_MS)
        for (const shard of this.#world.followerIndex?.shards ?? []) shard.sync();
      clock.setTimeout(tick, PERIOD_MS);
    };
    clock.setTimeout(tick, PERIOD_MS);
  }

  /** A process is being stopped or started. */
  get changing(): boolean {
    return this.#changing;
  }

  /** No more troubles, and those that last are over. */
  end(): void {
    this.#over = true;
    this.#world.network.faulty = false;
    this.#world.down.clear();
  }

  #befall(): void {
    const { random, network, clock, journal, options } = this.#world;
    const { faults } = options;
    const happens = (name: keyof typeof faults): boolean => {
      if (!random.chance(faults[name])) return false;
      network.count(name);
      return true;
    };
    if (happens('leaderFailover')) this.#leader.failOver();
    if (happens('leaderRestore')) this.#leader.restore();
    if (happens('leaderClose') && this.#world.leaderIndex.state === 'open') this.#leader.close();
    if (happens('leaderDown')) this.#goDown(LEADER.cluster, random.between(10, 3000));
    if (happens('followerCrash')) this.#crashFollower();
    if (happens('followerRestore')) this.#restoreFollower();
    if (happens('foreignWrite')) this.#writeToFollower();
    if (happens('quarantineLost')) this.#loseQuarantine();
    if (happens('journal')) journal.failNextAppend(random.pick('lost-ack', 'lost-before', 'lost-after'));
    if (this.#changing || this.#world.life === undefined) return;
    if (happens('crash')) {
      this.#world.life.crash();
      this.#world.life = undefined;
      this.#changing = true;
      clock.setTimeout(() => this.#later(() => this.#begin(), 0), random.between(0, 1500));
    } else if (happens('stop')) this.#later(() => this.#restart(), 0);
    else if (happens('operator')) this.#later(() => this.#command(), 0);
  }

  // --- the follower ---------------------------------------------------------------------------------------------------------

  /** What is not synced may be gone; the primaries start anew under higher terms. */
  #crashFollower(): void {
    const { random, followerIndex: index } = this.#world;
    if (index === undefined) return;
    this.#checkers.mislead();
    for (const shard of index.shards) shard.rollBackTo(random.between(shard.syncedSeqNo, shard.maxSeqNo));
    index.primaryTerms = index.primaryTerms.map((term) => term + 1);
    this.#goDown(FOLLOWER.cluster, random.between(10, 2000));
  }

  #restoreFollower(): void {
    const { random, followerIndex: index } = this.#world;
    if (index === undefined) return;
    this.#checkers.mislead();
    for (const [number, shard] of index.shards.entries()) {
      shard.rollBackTo(random.between(-1, shard.maxSeqNo));
      shard.historyUuid = `${shard.historyUuid}-restored-${number}`;
    }
    index.primaryTerms = index.primaryTerms.map((term) => term + 2);
  }

  #loseQuarantine(): void {
    this.#checkers.quarantineLost();
    this.#world.quarantine.drop();
  }

  #writeToFollower(): void {
    if (this.#world.followerIndex === undefined) return;
    this.#checkers.mislead({ foreign: true });
    this.#foreign += 1;
    this.#world.follower.write(FOLLOWER.index, { id: `foreign-${this.#foreign}`, source: '{}' });
  }

  #goDown(cluster: string, forMs: number): void {
    const { down, clock } = this.#world;
    down.add(cluster);
    clock.setTimeout(() => down.delete(cluster), forMs);
  }

  // --- the process and the operator -----------------------------------------------------------------------------------------

  async #begin(): Promise<void> {
    this.#changing = true;
    const life = this.#world.startLife();
    await life.supervisor.start();
    if (life.supervisor.pairs.length === 0) await this.#follow();
    this.#changing = false;
  }

  /** As a user does: again, until it is accepted. */
  async #follow(): Promise<void> {
    const { life, options, clock } = this.#world;
    const settings = { 'index.number_of_shards': options.followerShards };
    try {
      await life?.supervisor.follow({ leader: LEADER, follower: FOLLOWER, parameters: options.parameters, settings });
    } catch (thrown) {
      if (!(thrown instanceof Failed)) {
        if (this.#changing) return;
        throw thrown;
      }
      if (thrown.failure.code === 'already_followed') return;
      clock.setTimeout(() => this.#later(() => this.#followAgain(), 0), 200);
    }
  }

  async #followAgain(): Promise<void> {
    if (this.#world.life === undefined || this.#world.life.supervisor.pairs.length > 0) return;
    await this.#follow();
  }

  async #restart(): Promise<void> {
    const { life } = this.#world;
    if (life === undefined) return;
    this.#changing = true;
    await life.stop();
    this.left(life.clock.pending);
    await this.#begin();
  }

  /** Fails the simulation when a process that was stopped left timers behind. */
  left(timers: number): void {
    if (timers > 0) throw new Error(`${timers} timers are left after a stop`);
  }

  async #command(): Promise<void> {
    const { life, random, options } = this.#world;
    if (life === undefined || life.supervisor.pairs.length === 0) return;
    const shard = random.chance(0.5) ? {} : { shard: random.below(options.leaderShards) };
    const command = { follower: FOLLOWER, ...shard, waitMs: random.pick(0, 500) };
    try {
      if (random.chance(0.5)) await life.supervisor.pause(command);
      else await life.supervisor.resume(command);
    } catch (thrown) {
      // A command that a stop overtakes ends with it.
      if (!(thrown instanceof Failed) && !this.#changing) throw thrown;
    }
  }

  /** Everybody wants everything to run. */
  async resumeAll(): Promise<void> {
    const { life, clock } = this.#world;
    const { supervisor } = present(life, 'a living process');
    while (supervisor.pairs.some(({ snapshot }) => snapshot?.desired === 'paused')) {
      // A fault of the journal that was waiting for its append may still meet this one.
      await supervisor.resume({ follower: FOLLOWER }).catch(ignoreFailed);
      await clock.sleep(1000);
    }
  }

  /** The operator corrects the follower's mapping, which the pairs notice, or something that they cannot notice, and says so. `hopeless`: nothing will be taken any more. */
  async correct(hopeless: () => boolean): Promise<void> {
    const { life, refusals, clock, options } = this.#world;
    if (options.refusalsEnd === 'never') return;
    refusals.correct();
    if (options.refusalsEnd === 'mapping') return this.#world.touchFollowerMapping();
    const { supervisor } = present(life, 'a living process');
    while (!hopeless() && !(await tried(supervisor))) await clock.sleep(1000);
  }

  /** Work that takes a while; a process that died in the middle never ends it. */
  #later(work: () => Promise<void>, afterMs: number): void {
    this.#world.clock.setTimeout(() => {
      work().catch((thrown: unknown) => {
        this.defect ??= thrown instanceof Error ? thrown : new Error(String(thrown));
      });
    }, afterMs);
  }
}

async function tried(supervisor: Supervisor): Promise<boolean> {
  try {
    return (await supervisor.retryQuarantine({ follower: FOLLOWER, waitMs: 10_000 })).effective;
  } catch (thrown) {
    ignoreFailed(thrown);
    return false;
  }
}

function ignoreFailed(thrown: unknown): void {
  if (!(thrown instanceof Failed)) throw thrown;
}
