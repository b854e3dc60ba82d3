import type { CommandName } from '../../../src/ports/command-transport.ts';
import type { Asked, ControlCheckers, Reply } from './control-checkers.ts';
import { FOLLOWER, LEADER } from './control-options.ts';
import type { ControlProcess } from './control-process.ts';
import type { ControlWorld } from './control-world.ts';

const TIMEOUT_MS = 1200;
const ASK_AGAIN_MS = 200;
/** Nobody repeats a command for longer: what the journal holds of it may be purged later. */
const PATIENCE_MS = 6000;
const TRIES_MAX = 5;

/** Operators and their tools: they command by drawing lots, and repeat what is not answered. */
export class ControlClients {
  readonly #world: ControlWorld;
  readonly #checkers: ControlCheckers;
  #over = false;
  /** Commands that somebody still waits for. */
  #waiting = 0;

  constructor(world: ControlWorld, checkers: ControlCheckers) {
    this.#world = world;
    this.#checkers = checkers;
  }

  start(): void {
    const { clock, random, options, indices } = this.#world;
    for (const index of indices) clock.setTimeout(() => this.#follow(index), random.between(5, 300));
    const next = (): void => {
      if (this.#over) return;
      this.#command();
      clock.setTimeout(next, random.between(1, options.commandPauseMs));
    };
    clock.setTimeout(next, 400);
  }

  end(): void {
    this.#over = true;
  }

  get quiet(): boolean {
    return this.#over && this.#waiting === 0;
  }

  #command(): void {
    const { random } = this.#world;
    const index = this.#world.anyIndex();
    const name = random.pick<CommandName>(
      'pause',
      'pause',
      'pause',
      'pause',
      'resume',
      'resume',
      'resume',
      'resume',
      'unfollow',
      'follow',
      'status',
      'list',
      'quarantine-retry',
    );
    if (name === 'follow' || !this.#checkers.isFollowed(index)) this.#follow(index);
    else if (name === 'list') this.#ask(name, {});
    else if (name === 'unfollow') this.#ask(name, { follower: { cluster: FOLLOWER, index: `${index}-copy` } });
    else {
      const named = random.pick(`${index}-copy`, `${index}-copy`, 'logs-*', '*');
      const shard = named.includes('*') || random.chance(0.5) ? {} : { shard: random.below(2) };
      const wait = name === 'status' || random.chance(0.7) ? {} : { waitMs: 300 };
      const rebootstrap = name === 'resume' && random.chance(0.2) ? { rebootstrap: true } : {};
      const brake = name === 'resume' && random.chance(0.2) ? { allowMassDelete: true } : {};
      this.#ask(name, { follower: { cluster: FOLLOWER, index: named }, ...shard, ...wait, ...rebootstrap, ...brake });
    }
  }

  #follow(index: string): void {
    const { follower, options } = this.#world;
    // A copy that was given back is in the way of a new one: its owner deletes it.
    if (this.#checkers.isReleased(index)) follower.deleteIndex(`${index}-copy`);
    this.#ask('follow', {
      leader: { cluster: LEADER, index },
      follower: { cluster: FOLLOWER, index: `${index}-copy` },
      parameters: { on_missing_history: options.onMissingHistory, max_retry_delay_ms: 500 },
    });
  }

  #ask(name: CommandName, body: Readonly<Record<string, unknown>>): void {
    const { random, clock } = this.#world;
    const id = random.id();
    const query = name === 'status' || name === 'list';
    const text = JSON.stringify(query ? body : { ...body, commandId: id, by: 'ada' });
    const asked: Asked = { id, name, body, sentAtMs: clock.monotonic() };
    this.#waiting += 1;
    this.#try(asked, text, 1);
  }

  /** One question, and what comes of it. */
  #try(asked: Asked, text: string, tries: number): void {
    const { clock, random, network } = this.#world;
    let settled = false;
    const settle = (reply: Reply | undefined): void => {
      if (settled) return;
      settled = true;
      clock.clearTimeout(timer);
      const again = reply === undefined || !isLasting(reply);
      const curious = reply !== undefined && !again && !this.#over && random.chance(0.2);
      const late = clock.monotonic() - asked.sentAtMs > PATIENCE_MS || this.#over;
      if (tries >= TRIES_MAX || late || !(again || curious)) {
        this.#waiting -= 1;
        return;
      }
      network.count(curious ? 'command repeated after its answer' : 'command repeated without an answer');
      clock.setTimeout(() => this.#try(asked, text, tries + 1), ASK_AGAIN_MS);
    };
    const timer = clock.setTimeout(() => settle(undefined), TIMEOUT_MS);
    const { processes } = this.#world;
    const process = processes[random.below(processes.length)];
    if (process === undefined) return;
    const hears = (body: string): void => {
      const reply = JSON.parse(body) as Reply;
      this.#checkers.heard(asked, reply, process);
      settle(reply);
    };
    this.#send(process, asked.name, text, hears);
  }

  #send(process: ControlProcess, name: CommandName, text: string, hears: (body: string) => void): void {
    const { clock, random, network, options } = this.#world;
    const faulty = network.faulty && random.chance(options.faults.command);
    const kind = faulty ? random.pick('lost', 'answer lost', 'twice', 'slow') : undefined;
    if (kind !== undefined) network.count(`command ${kind}`);
    if (kind === 'lost') return;
    const listens = kind === 'answer lost' ? () => undefined : hears;
    const afterMs = kind === 'slow' ? random.between(100, 800) : 1;
    clock.setTimeout(() => this.#deliver(process, name, text, listens), afterMs);
    if (kind === 'twice')
      clock.setTimeout(() => this.#deliver(process, name, text, () => undefined), random.between(1, 1000));
  }

  #deliver(process: ControlProcess, name: CommandName, text: string, hears: (body: string) => void): void {
    process.answers(process.handler, { name, body: text }, hears);
  }
}

/** Asking again would give the same. */
function isLasting(reply: Reply): boolean {
  if (!reply.ok)
    return (
      (reply.failure.kind === 'refused' && reply.failure.code !== 'command_timeout') || reply.failure.kind === 'fatal'
    );
  return !('pairs' in reply.result) || reply.result.accepted;
}
