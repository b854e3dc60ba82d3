import { keepJournal } from '../../../src/actors/journal-keeper.ts';
import { commandService } from '../../../src/control/service.ts';
import { Failed } from '../../../src/domain/failure.ts';
import type { CommandHandler } from '../../../src/ports/command-transport.ts';
import { SimLife } from '../sim-life.ts';
import type { Caller } from './control-network.ts';
import type { ControlWorld } from './control-world.ts';
import { ProcessClock } from './process-clock.ts';

const REQUEST_TIMEOUT_MS = 2000;
const DRAIN_TIMEOUT_MS = 10_000;

/** One supervisor with everything that belongs to it, put together as the program does, and what may befall its process. */
export class ControlProcess implements Caller {
  readonly name: string;
  readonly clock: ProcessClock;
  cutOff = false;
  /** Undefined until the journal was asked. */
  life: SimLife | undefined;
  /** Undefined while it does not serve commands. */
  handler: CommandHandler | undefined;
  stopping = false;
  readonly #world: ControlWorld;
  readonly #ending = new AbortController();
  #kept: Promise<void> | undefined;
  #commands = 0;

  constructor(world: ControlWorld, number: number) {
    this.#world = world;
    this.name = `process ${number}`;
    this.clock = new ProcessClock(world.clock);
  }

  /** As a service manager would have it: a process that cannot start is gone. */
  async start(): Promise<void> {
    const { network, journal, clusters, random, narrator, record, wrap } = this.#world;
    const reached = {
      log: network.over(record(journal.open()), { server: 'journal' }, this),
      answers: network.over(this.#world.answers, { server: 'answers' }, this),
    };
    const { log, answers } = this.#world.require(wrap(reached, this.#world));
    try {
      const term = (await log.lastSeq(this.#ending.signal)) + 1;
      const seen = [...clusters].map(([cluster, ports]) => {
        const called = { server: 'search', cluster } as const;
        const over = <P extends object>(port: P): P => network.over(port, called, this);
        const { leader, follower, admin, positions, quarantine } = ports;
        const all = {
          leader: over(leader),
          follower: over(follower),
          admin: over(admin),
          positions: over(positions),
          quarantine: over(quarantine),
        };
        return [cluster, all] as const;
      });
      const common = { clock: this.clock, log, random, narrator, term };
      this.life = new SimLife({ ...common, clusters: new Map(seen), requestTimeoutMs: REQUEST_TIMEOUT_MS });
      await this.life.supervisor.start();
      this.handler = commandService({ surface: this.life.supervisor, random, answers });
      const retention = { ageMs: 3_600_000, events: 1000 };
      this.#kept = keepJournal({ log, clock: this.clock, narrator, retention }, this.#ending.signal);
    } catch (thrown) {
      if (!(thrown instanceof Failed) && !this.stopping) throw thrown;
      this.#world.told(`${this.name} does not come up`);
      this.crash();
    }
  }

  /** A command is under way: a stop waits for it. */
  async command(work: Promise<unknown>): Promise<void> {
    this.#commands += 1;
    await work;
    this.#commands -= 1;
  }

  /** Gives the number of timers that are left. */
  async stop(): Promise<number> {
    this.stopping = true;
    this.handler = undefined;
    this.#ending.abort(new DOMException('the supervisor stops', 'AbortError'));
    const timer = this.#world.clock.setTimeout(() => this.crash(), DRAIN_TIMEOUT_MS);
    await this.life?.stop();
    while (this.#commands > 0) await this.clock.sleep(20);
    await this.#kept;
    this.#world.clock.clearTimeout(timer);
    const left = this.clock.pending;
    this.crash();
    return left;
  }

  /** Nothing of this process happens any more; what it had sent still runs. */
  crash(): void {
    this.handler = undefined;
    this.clock.die();
    this.#world.gone(this);
  }
}
