import type { FailureCode } from '../../../src/domain/failure.ts';
import { type ControlFaults, FOLLOWER, LEADER } from './control-options.ts';
import type { ControlProcess } from './control-process.ts';
import type { ControlWorld } from './control-world.ts';

/** How often something may happen. */
const PERIOD_MS = 100;
const ILLS = [
  'shard_unavailable',
  'mapping_conflict',
  'history_changed',
  'lease_expired',
  'follower_rolled_back',
] as const;

/** What befalls processes, servers and clocks, and how it is put right in the end. */
export class ControlTroubles {
  readonly #world: ControlWorld;
  #over = false;
  /** What a start or a stop threw. */
  defect: Error | undefined;

  constructor(world: ControlWorld) {
    this.#world = world;
  }

  start(): void {
    const { clock, random, options } = this.#world;
    this.#begin();
    const tick = (): void => {
      if (this.#over) return;
      this.#befall();
      clock.setTimeout(tick, PERIOD_MS);
    };
    clock.setTimeout(tick, PERIOD_MS);
    const write = (): void => {
      if (this.#over) return;
      this.#world.writeDocument();
      clock.setTimeout(write, random.between(1, options.documentPauseMs));
    };
    clock.setTimeout(write, 1);
  }

  /** No more troubles, and those that last are over. */
  end(): void {
    this.#over = true;
    const { network, ills, down, processes } = this.#world;
    network.faulty = false;
    network.journalFull = false;
    ills.clear();
    down.clear();
    this.#world.corrected = true;
    for (const process of processes) {
      process.cutOff = false;
      process.clock.goOn();
    }
    this.keepAlive();
  }

  /** So many processes are there all the time; one that ends makes room for the next. */
  keepAlive(): void {
    if (this.#world.processes.length < this.#world.options.supervisors) this.#begin();
  }

  /** In order, and the next one starts. */
  restart(process: ControlProcess): void {
    if (process.stopping || process.handler === undefined) return;
    this.#world.told(`${process.name} is stopped`);
    this.#guard(process.stop().then(() => undefined));
  }

  #begin(): void {
    const process = this.#world.startProcess();
    this.#world.told(`${process.name} starts`);
    this.#guard(process.start());
  }

  #befall(): void {
    const { random, network, clock, journal, options, processes } = this.#world;
    const happens = (name: keyof ControlFaults): boolean => {
      if (!random.chance(options.faults[name])) return false;
      this.#world.told(name);
      return true;
    };
    if (random.chance(0.3)) this.keepAlive();
    if (happens('illness')) this.#world.ills.set(this.#world.anyIndex(), random.pick<FailureCode>(...ILLS));
    if (random.chance(0.1)) this.#world.ills.clear();
    if (happens('clusterAway')) this.#for(random.between(10, 2000), this.#world.down, random.pick(LEADER, FOLLOWER));
    if (happens('journalFull')) {
      network.journalFull = true;
      clock.setTimeout(() => (network.journalFull = false), random.between(10, 2000));
    }
    if (happens('purge')) {
      const retention = { ageMs: random.pick(12_000, 3_600_000), events: 1000, pauseMs: 0 };
      void journal
        .open()
        .purge(retention, AbortSignal.any([]))
        .then((removed) => removed > 0 && network.count('purge removes'));
      network.count('purge');
    }
    if (happens('resurrection') && this.#world.leases.resurrect()) network.count('an ended key stands again');
    const process = processes[random.below(processes.length)];
    if (process !== undefined) this.#befallProcess(process, happens);
  }

  #befallProcess(process: ControlProcess, happens: (name: keyof ControlFaults) => boolean): void {
    const { random, network, clock, options, slots } = this.#world;
    if (happens('clockJump')) {
      const ms = random.pick(-1, 1) * random.pick(10, 60_000, 86_400_000);
      network.count(`clock ${ms < 0 ? 'back' : 'forward'}`);
      process.clock.jump(ms);
    }
    if (happens('partition') && !process.cutOff) {
      network.count('partition');
      process.cutOff = true;
      clock.setTimeout(() => (process.cutOff = false), random.between(10, 4000));
    }
    if (happens('suspension') && !process.clock.suspended) {
      // With a wall clock that is set back meanwhile nothing would tell the process how long it was away.
      const standsStill = options.faults.clockJump === 0 && random.chance(0.5);
      network.count(`suspension${standsStill ? ', also of its monotonic clock' : ''}`);
      process.clock.suspend({ standsStill });
      clock.setTimeout(() => process.clock.goOn(), random.between(10, 4000));
    }
    if (happens('shun')) {
      network.count('slot shunned');
      process.ownership?.shun(slots[random.below(slots.length)] ?? 0);
    }
    if (happens('kill')) {
      network.count('crash');
      process.crash();
    } else if (happens('restart')) {
      network.count('restart');
      this.restart(process);
    }
  }

  #for(ms: number, set: Set<string>, member: string): void {
    set.add(member);
    this.#world.clock.setTimeout(() => set.delete(member), ms);
  }

  #guard(work: Promise<void>): void {
    work.catch((thrown: unknown) => {
      this.defect ??= thrown instanceof Error ? thrown : new Error(String(thrown));
    });
  }
}
