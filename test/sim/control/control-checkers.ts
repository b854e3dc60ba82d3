import { isDeepStrictEqual } from 'node:util';
import type { PairActor } from '../../../src/actors/pair-actor.ts';
import { parseClaim, slotKey } from '../../../src/actors/slot-records.ts';
import type { CommandResult, IndexStatus } from '../../../src/domain/commands.ts';
import { Failed, type Failure } from '../../../src/domain/failure.ts';
import type { IndexSnapshot, JournalEvent, PairEvent, PairSnapshot } from '../../../src/domain/journal.ts';
import type { PairRef } from '../../../src/domain/names.ts';
import { slotOf } from '../../../src/domain/slots.ts';
import { indexSubject, pairSubject } from '../../../src/domain/subjects.ts';
import type { CommandName } from '../../../src/ports/command-transport.ts';
import type { EventLog } from '../../../src/ports/event-log.ts';
import { Violation } from '../sim-checkers.ts';
import type { Caller } from './control-network.ts';
import { FOLLOWER } from './control-options.ts';
import type { ControlProcess } from './control-process.ts';
import type { ControlPorts, ControlWorld } from './control-world.ts';
import { illegalIndexEvent, illegalPairEvent } from './legal-history.ts';
import { writtenIndices } from './written-indices.ts';

/** A command as a client knows it. */
export interface Asked {
  readonly id: string;
  readonly name: CommandName;
  readonly body: Readonly<Record<string, unknown>>;
  /** For the first time. */
  readonly sentAtMs: number;
}

export type Reply =
  | { readonly ok: true; readonly result: CommandResult | readonly IndexStatus[] }
  | { readonly ok: false; readonly failure: Failure };

interface Stored {
  readonly seq: number;
  readonly atMs: number;
  readonly event: JournalEvent;
}

/** An actor knows of what it appended when it hears of it: at the latest so much later, if it was suspended meanwhile. */
const HEARS_WITHIN_MS = 6000;

const DECISIONS: Partial<Record<CommandName, string>> = {
  follow: 'FOLLOWED',
  unfollow: 'UNFOLLOWED',
  pause: 'PAUSE',
  resume: 'RESUME',
};

/** What must hold at every moment, whatever goes wrong. The journal's own history is kept here, purged or not. */
export class ControlCheckers {
  readonly #world: ControlWorld;
  readonly #stored = new Map<string, Stored[]>();
  readonly #decided = new Set<string>();
  readonly #seen = new WeakMap<PairActor, PairSnapshot>();
  #lastSeq = 0;
  events = 0;
  violation: Violation | undefined;
  readonly transitions = new Map<string, number>();
  readonly made = { histories: 0, folds: 0, answers: 0, writes: 0, ends: 0 };

  constructor(world: ControlWorld) {
    this.#world = world;
  }

  isFollowed(index: string): boolean {
    const state = this.#index(index)?.state;
    return state === 'followed' || state === 'prepared';
  }

  isReleased(index: string): boolean {
    return this.#index(index)?.state === 'released';
  }

  // --- the journal ----------------------------------------------------------------------------------------------------------

  /** Sees every event that is stored, at the server. */
  recording(log: EventLog): EventLog {
    return {
      ...log,
      append: async (subject, event, expectedSeq, signal) => {
        const seq = await log.append(subject, event, expectedSeq, signal);
        // One that was there before is no new event.
        if (seq > this.#lastSeq) this.#store(subject, seq, event);
        return seq;
      },
    };
  }

  /** What the production code is told of its appends. */
  requiring(ports: ControlPorts): ControlPorts {
    const { log } = ports;
    const append: EventLog['append'] = async (subject, event, expectedSeq, signal) => {
      const at = (): Stored | undefined => this.#of(subject).find((stored) => stored.event.id === event.id);
      try {
        const seq = await log.append(subject, event, expectedSeq, signal);
        this.#claim(
          at()?.seq === seq,
          `${event.fact.type} of ${subject} is told to be at ${seq}, and is not in the journal`,
        );
        return seq;
      } catch (thrown) {
        if (thrown instanceof Failed && thrown.failure.code === 'journal_conflict')
          this.#claim(at() === undefined, `${event.fact.type} of ${subject} is told to be in conflict with itself`);
        throw thrown;
      }
    };
    return { ...ports, log: { ...log, append } };
  }

  #store(subject: string, seq: number, event: JournalEvent): void {
    this.#lastSeq = seq;
    this.events += 1;
    const history = this.#of(subject);
    const before = history.at(-1)?.event;
    const { type } = event.fact;
    const what = `${type} of ${subject} at ${seq}`;
    this.#world.told(
      `${what}: ${'from' in event ? `${event.from} -> ` : ''}${event.result.state} by ${event.cause} of ${event.result.followId} term ${event.term}`,
    );
    this.#claim((before?.term ?? 0) <= event.term, `${what} has term ${event.term}, the one before it ${before?.term}`);
    const wrong =
      event.entity === 'index'
        ? illegalIndexEvent(before?.entity === 'index' ? before.result : undefined, event)
        : illegalPairEvent(before?.entity === 'pair' ? before.result : undefined, event, this.#policy(event));
    this.#claim(wrong === undefined, `${what}: ${wrong}`);
    this.made.histories += 1;
    // That a pair began is no decision of the command that needed it.
    if (event.cause.startsWith('command:') && type !== 'STARTED') {
      const key = `${event.cause} ${type} ${subject}`;
      this.#claim(!this.#decided.has(key), `${what} was decided twice for ${event.cause}`);
      this.#decided.add(key);
    }
    // As it is read from the journal: without what is undefined.
    history.push({
      seq,
      atMs: this.#world.clock.monotonic(),
      event: JSON.parse(JSON.stringify(event)) as JournalEvent,
    });
    this.#stored.set(subject, history);
    const name = event.entity === 'index' ? `index ${type}` : `${event.from} ${type} ${event.result.state}`;
    this.transitions.set(name, (this.transitions.get(name) ?? 0) + 1);
  }

  #policy(event: PairEvent): 'rebootstrap' | 'fail' {
    const index = this.#of(indexSubject(event.pair.follower)).at(-1)?.event;
    return index?.entity === 'index' ? index.result.parameters.on_missing_history : 'fail';
  }

  // --- what lives -----------------------------------------------------------------------------------------------------------

  /** Every actor's state is the record of an event of its subject: that which it knows last. */
  now(): void {
    for (const { life } of this.#world.processes)
      for (const actor of life?.supervisor.pairs ?? []) {
        const { snapshot, pair, seq } = actor;
        if (snapshot === undefined || this.#seen.get(actor) === snapshot) continue;
        const subject = pairSubject(pair);
        const { event } = this.#of(subject).find((stored) => stored.seq === seq) ?? {};
        this.#claim(
          event !== undefined && isDeepStrictEqual(event.result, JSON.parse(JSON.stringify(snapshot))),
          `${subject} lives as ${JSON.stringify(snapshot)} at ${seq}, and the journal says ${JSON.stringify(event?.result)}`,
        );
        this.#seen.set(actor, snapshot);
        this.made.folds += 1;
      }
    this.#owners();
    const { defect } = this.#world;
    this.#claim(defect === undefined, `the production code tells of a defect: ${defect}`);
  }

  /** Never two at once, and whoever writes has the slot by the word of the store itself. */
  #owners(): void {
    for (const slot of this.#world.slots) {
      const writers = this.#world.processes.filter(
        ({ clock, ownership }) => !clock.suspended && ownership?.mayWrite(slot) === true,
      );
      this.#claim(
        writers.length <= 1,
        `${writers.map(({ name }) => name).join(' and ')} may write slot ${slot} at once`,
      );
    }
  }

  /** Sees every call to a search cluster when it is sent. */
  sent(caller: Caller, cluster: string, method: string, args: readonly unknown[]): void {
    if (cluster !== FOLLOWER) return;
    for (const index of writtenIndices(method, args)) {
      const slot = slotOf({ cluster, index });
      const { session } = (caller as ControlProcess).ownership ?? {};
      const names = parseClaim(this.#world.leases.entry(slotKey(slot))?.value ?? '').session;
      this.#claim(
        session !== undefined && names === session,
        `${method} of ${index} by ${session}, and slot ${slot} is of ${names}`,
      );
      this.made.writes += 1;
    }
  }

  /** Undefined: everything is as the journal wants it; otherwise what is not. */
  unsettled(): string | undefined {
    const { processes, options } = this.#world;
    if (processes.length < options.supervisors || processes.some(({ handler }) => handler === undefined))
      return 'somebody does not serve';
    const actors = processes.flatMap(({ life }) => life?.supervisor.pairs ?? []);
    for (const name of this.#world.indices) {
      const index = this.#index(name);
      const here = actors.filter(({ pair }) => pair.follower.index === `${name}-copy`);
      if (index === undefined || index.state === 'released' || index.state === 'unfollowed') {
        // What could not be released is left for the next owner.
        const left = index?.state === 'unfollowed' && options.lastStart === 'none';
        if (!left && here.length > 0) return `${name} is ${index?.state}, and has actors`;
        if (!left && index?.state === 'unfollowed') return `${name} is not released`;
        continue;
      }
      if (here.length !== index.shards) return `${name} has ${here.length} actors of ${index.shards}`;
      for (const actor of here) {
        const wrong = this.#restless(actor, index);
        if (wrong !== undefined) return `${pairSubject(actor.pair)} ${wrong}`;
      }
    }
    return undefined;
  }

  #restless({ snapshot, pair, seq, session }: PairActor, index: IndexSnapshot): string | undefined {
    const newest = this.#of(pairSubject(pair)).at(-1);
    if (newest?.seq !== seq) return `knows event ${seq}, and the journal ends at ${newest?.seq}`;
    if (snapshot?.followId !== index.followId) return 'has not begun';
    const { state, desired } = snapshot;
    if (state === 'fatal') return undefined;
    if (desired === 'paused') return state === 'paused' ? undefined : `is ${state}, and was paused`;
    if (state !== 'following') return `is ${state}, and is to run`;
    return session.replicator === undefined ? 'follows without moving anything' : undefined;
  }

  /** The journal itself still ends with what was stored last in every subject. */
  async end(): Promise<void> {
    const newest = await this.#world.journal.open().latest(AbortSignal.any([]));
    for (const [subject, history] of this.#stored) {
      const last = newest.find((stored) => stored.subject === subject);
      this.#claim(
        last?.seq === history.at(-1)?.seq,
        `${subject} ended at ${history.at(-1)?.seq}, and is at ${last?.seq}`,
      );
      this.made.ends += 1;
    }
  }

  // --- answers --------------------------------------------------------------------------------------------------------------

  /** What was told to be accepted is in the journal, or needed no decision. */
  heard(asked: Asked, reply: Reply, process: ControlProcess): void {
    this.made.answers += 1;
    if (!reply.ok) {
      this.#world.told(`${asked.name} ${asked.id} is refused: ${reply.failure.code}: ${reply.failure.reason}`);
      this.#claim(
        reply.failure.code !== 'bug' || process.stopping,
        `${asked.name} is answered ${reply.failure.reason}`,
      );
      return;
    }
    if (!('pairs' in reply.result)) return this.#told(asked, reply.result as readonly IndexStatus[]);
    const { pairs, accepted } = reply.result;
    this.#world.told(`${asked.name} ${asked.id} ${JSON.stringify(asked.body)} is accepted: ${accepted}`);
    const { index } = asked.body['follower'] as { index: string };
    if (asked.name === 'follow' || asked.name === 'unfollow') {
      const ref = indexSubject({ cluster: FOLLOWER, index });
      if (accepted) this.#claim(this.#indexDecided(asked, ref), `${asked.name} ${asked.id} was accepted, and is lost`);
      return;
    }
    for (const pair of pairs) {
      this.#claim(
        pair.failure?.code !== 'bug' || process.stopping,
        `${asked.name} is answered ${pair.failure?.reason} for shard ${pair.shard}`,
      );
      if (pair.accepted)
        this.#claim(
          this.#pairDecided(
            asked,
            pairSubject({ follower: { cluster: FOLLOWER, index: pair.index ?? index }, shard: pair.shard }),
          ),
          `${asked.name} ${asked.id} was accepted for shard ${pair.shard} of ${pair.index ?? index}, and is lost`,
        );
    }
  }

  /** It has been followed, and not begun: the newest event, if there is any, is of an earlier life. */
  #isNew(pair: PairRef): boolean {
    const last = this.#of(pairSubject(pair)).at(-1)?.event;
    return last?.result.followId !== this.#of(indexSubject(pair.follower)).at(-1)?.event.result.followId;
  }

  /** States that are told are those that the journal recorded. */
  #told(asked: Asked, indices: readonly IndexStatus[]): void {
    for (const { pairs = [] } of indices)
      for (const { follower, shard, state } of pairs)
        this.#claim(
          this.#during(pairSubject({ follower, shard }), asked.sentAtMs, (event) => event.result.state === state) ||
            (state === 'bootstrapping' && this.#isNew({ follower, shard })),
          `status tells of ${state}, which ${follower.index}/${shard} was not`,
        );
  }

  #indexDecided({ id, name, sentAtMs }: Asked, subject: string): boolean {
    if (this.#decided.has(`command:${id} ${DECISIONS[name]} ${subject}`)) return true;
    // A follow that was accepted although its answer was lost is the same as one that is asked for anew.
    const wanted = name === 'follow' ? ['followed', 'prepared'] : ['unfollowed', 'released'];
    const done = (event: JournalEvent): boolean => wanted.includes(event.result.state);
    return this.#during(subject, sentAtMs, done);
  }

  #pairDecided({ id, name, body, sentAtMs }: Asked, subject: string): boolean {
    if (name === 'quarantine-retry' || this.#decided.has(`command:${id} ${DECISIONS[name]} ${subject}`)) return true;
    // Of a pair that runs it is wanted all the same.
    if (body['allowMassDelete'] === true) return false;
    const needless = ({ entity, result }: JournalEvent): boolean => {
      if (entity !== 'pair') return false;
      const { desired, state } = result as PairSnapshot;
      return name === 'pause'
        ? desired === 'paused'
        : desired === 'running' && (state === 'following' || state === 'bootstrapping');
    };
    return this.#during(subject, sentAtMs, needless);
  }

  /** Whether it held of the newest event of a subject, as far as its actor knew, at any time since then. */
  #during(subject: string, askedAtMs: number, holds: (event: JournalEvent) => boolean): boolean {
    const sinceMs = askedAtMs - HEARS_WITHIN_MS;
    const history = this.#of(subject);
    return history.some(
      ({ event }, at) => (history[at + 1]?.atMs ?? Number.POSITIVE_INFINITY) >= sinceMs && holds(event),
    );
  }

  #of(subject: string): Stored[] {
    return this.#stored.get(subject) ?? [];
  }

  #index(name: string): IndexSnapshot | undefined {
    const event = this.#of(indexSubject({ cluster: FOLLOWER, index: `${name}-copy` })).at(-1)?.event;
    return event?.entity === 'index' ? event.result : undefined;
  }

  /** The first one is kept: what is thrown inside a port is an answer to its caller. */
  #claim(holds: boolean, otherwise: string): asserts holds {
    if (holds) return;
    this.violation ??= new Violation(`at ${this.#world.clock.monotonic()} ms: ${otherwise}`);
    throw this.violation;
  }
}
