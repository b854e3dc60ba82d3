import { keepJournal } from '../../../src/actors/journal-keeper.ts';
import type { Peers } from '../../../src/actors/owners-pages.ts';
import { slotOwnership } from '../../../src/actors/slot-ownership.ts';
import { commandClient } from '../../../src/control/client.ts';
import { commandService } from '../../../src/control/service.ts';
import { shortAnswers } from '../../../src/control/short-answers.ts';
import { Failed, failed } from '../../../src/domain/failure.ts';
import type { CommandHandler, CommandName } from '../../../src/ports/command-transport.ts';
import type { Ownership } from '../../../src/ports/ownership.ts';
import type { MemoryLink } from '../../support/memory-leases.ts';
import { SimLife } from '../sim-life.ts';
import type { Caller } from './control-network.ts';
import { FOLLOWER, LEADER, SLOTS } from './control-options.ts';
import type { ControlWorld } from './control-world.ts';
import { ProcessClock } from './process-clock.ts';

const REQUEST_TIMEOUT_MS = 2000;
const DRAIN_TIMEOUT_MS = 10_000;
const PEER_TIMEOUT_MS = 1000;
const MAX_REPLY_BYTES = 1024 * 1024;
/** Shorter than in production, so that little time is spent waiting for the end of a session. */
const TIMINGS = { renewEveryMs: 300, sessionTtlMs: 1200, windowMs: 800 };

/** One supervisor with everything that belongs to it, put together as the program does, and what may befall its process. */
export class ControlProcess implements Caller {
  readonly name: string;
  readonly clock: ProcessClock;
  ownership: Ownership | undefined;
  /** What other supervisors ask. */
  peerHandler: CommandHandler | undefined;
  #cutOff = false;
  #leases: MemoryLink | undefined;
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

  get cutOff(): boolean {
    return this.#cutOff;
  }

  set cutOff(cutOff: boolean) {
    this.#cutOff = cutOff;
    if (this.#leases !== undefined) this.#leases.cut = cutOff;
  }

  #openOwnership(): Ownership {
    const { leases, network, random, narrator } = this.#world;
    const { clock } = this;
    this.#leases = leases.open({
      fate: () => network.leaseFate(this),
      watchDelayMs: () => (random.chance(0.1) ? random.between(1, 100) : 0),
      arrive: () => new Promise((resolve) => clock.hear(resolve)),
    });
    this.#leases.cut = this.#cutOff;
    const announcement = {
      supervisor: this.name,
      version: '0.0.0',
      clusters: [LEADER, FOLLOWER],
      readsEventVersion: 1,
    };
    const options = { store: this.#leases, clock, random, narrator, announcement, slots: SLOTS, ...TIMINGS };
    return slotOwnership(options);
  }

  /** The others, as this one reaches them. */
  readonly #peers: Peers = (session, waitMs = 0) =>
    commandClient({
      transport: { request: (name, body, { timeoutMs }) => this.#askPeer(session, { name, body }, timeoutMs) },
      clock: this.clock,
      random: this.#world.random,
      timeoutMs: PEER_TIMEOUT_MS + waitMs,
    });

  #askPeer(session: string, { name, body }: { name: CommandName; body: string }, timeoutMs: number): Promise<string> {
    const { clock, processes } = this.#world;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const op = { op: name, reason: `${session} did not answer` };
    const timer = this.clock.setTimeout(() => reject(failed('command_timeout', op)), timeoutMs);
    const peer = processes.find(({ ownership }) => ownership?.session === session);
    clock.setTimeout(() => {
      if (this.cutOff || peer === undefined) return;
      peer.answers(peer.peerHandler, { name, body }, (answer) => this.clock.hear(() => resolve(answer)));
    }, 1);
    return promise.finally(() => this.clock.clearTimeout(timer));
  }

  /** A request reaches the process, if it can; what it answers comes back, if it can. */
  answers(
    handler: CommandHandler | undefined,
    { name, body }: { name: CommandName; body: string },
    hears: (body: string) => void,
  ): void {
    const { clock } = this.#world;
    this.clock.hear(() => {
      if (this.cutOff || handler === undefined) return;
      const answered = handler({ name, body, trace: new Map(), maxReplyBytes: MAX_REPLY_BYTES }).then((answer) => {
        if (this.clock.alive && !this.cutOff) clock.setTimeout(() => hears(answer.body), 1);
      });
      void this.#command(answered);
    });
  }

  /** As a service manager would have it: a process that cannot start is gone. */
  async start(): Promise<void> {
    const { network, journal, clusters, random, narrator, record, wrap } = this.#world;
    const reached = {
      log: network.over(record(journal.open()), { server: 'journal' }, this),
      answers: network.over(this.#world.answers, { server: 'answers' }, this),
      ownership: this.#openOwnership(),
    };
    const { log, answers, ownership } = this.#world.require(wrap(reached, this.#world));
    this.ownership = ownership;
    try {
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
      const common = { clock: this.clock, log, random, narrator, ownership, peers: this.#peers, term: 0 };
      this.life = new SimLife({ ...common, clusters: new Map(seen), requestTimeoutMs: REQUEST_TIMEOUT_MS });
      await this.life.supervisor.start();
      this.peerHandler = commandService({ surface: this.life.supervisor.alone, random, answers: shortAnswers() });
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
  async #command(work: Promise<unknown>): Promise<void> {
    this.#commands += 1;
    await work;
    this.#commands -= 1;
  }

  /** Gives the number of timers that are left. */
  async stop(): Promise<number> {
    this.stopping = true;
    this.handler = undefined;
    this.peerHandler = undefined;
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
    this.peerHandler = undefined;
    this.clock.die();
    this.#world.gone(this);
  }
}
