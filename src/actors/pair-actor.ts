import { transition } from 'xstate';
import { backoffMs } from '../domain/backoff.ts';
import { failed, failureOf, type Failure } from '../domain/failure.ts';
import type { PairEvent, PairFact, PairSnapshot } from '../domain/journal.ts';
import { pairKey, type PairRef } from '../domain/names.ts';
import type { Outage } from '../domain/outage.ts';
import type { FollowParameters } from '../domain/parameters.ts';
import { pairSubject } from '../domain/subjects.ts';
import { lifecycleOf, shardPairMachine, type PairMachineEvent } from '../machines/shard-pair.ts';
import type { StoredEvent } from '../ports/event-log.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import type { ResumeOptions, Target } from './command-outcome.ts';
import { causeFields, type EventCause } from './event-cause.ts';
import { writtenVersion } from './event-version.ts';
import type { FollowerIndex } from './follower-index.ts';
import { untilReached } from './journal-patience.ts';
import { whyNotHeld } from './lease.ts';
import { DECISIONS, isAt, PairMachine } from './pair-machine.ts';
import { type MachineSnapshot, resultOf } from './pair-result.ts';
import { PairSession } from './pair-session.ts';
import { PairWorker } from './pair-worker.ts';
import { commandEvent, type Telling } from './telling.ts';

export interface PairActorOptions {
  readonly ports: SupervisorPorts;
  readonly index: FollowerIndex;
  readonly pair: PairRef;
  readonly parameters: FollowParameters;
  /** The folded state and the sequence of its last event; undefined for a new pair. */
  readonly folded: { readonly snapshot: PairSnapshot; readonly seq: number } | undefined;
  /** Last sequence of the pair's subject, from an earlier life if `folded` is undefined. */
  readonly lastSeq: number;
  /** The owner before may still append: it is to be refused from the start on. */
  readonly fence: boolean;
  /** A command has decided for the pair already, as far as the live reading of the journal has come. */
  readonly decided: (cause: string) => boolean;
  /** Gives the fate of the pair to whoever waits for it. */
  readonly changed: () => void;
  /** The journal tells of an owner with a later term. */
  readonly superseded: () => void;
}

/** Appends of one event that others came before. */
const CONFLICTS_MAX = 8;

/**
 * One shard pair: an XState machine whose every input passes through a mailbox that writes ahead. An input is first folded into the
 * machine without effect; if it changes the lifecycle or is a decision, its event is appended with the state that results; only then
 * does the machine move. So decisions are in the journal before their effect (workers start when the machine moves), facts after the
 * effect is durable (workers report when it is), and today's state is the fold of the events.
 */
export class PairActor implements Target {
  readonly #options: PairActorOptions;
  readonly #session: PairSession;
  readonly #worker: PairWorker;
  #machine: PairMachine;
  #seq: number;
  #recorded: PairSnapshot | undefined;
  /** Of what was in the journal before anything was appended under our term. */
  #startedSeq: number;
  #stateEnteredAtMs: number;
  #mailbox: Promise<unknown> = Promise.resolve();
  #started = false;
  /** Of the last command that others decided for it. */
  #adopted: string | undefined;

  constructor(options: PairActorOptions) {
    this.#options = options;
    this.#seq = options.folded?.seq ?? options.lastSeq;
    this.#startedSeq = this.#seq;
    this.#recorded = options.folded?.snapshot;
    this.#stateEnteredAtMs = options.ports.clock.now();
    this.#session = new PairSession({
      ports: options.ports,
      index: options.index,
      pair: options.pair,
      parameters: options.parameters,
      recorded: () => this.#recorded,
      record: async ({ event, fact }) => this.#send(event, fact, { cause: 'cycle' }, 'for ever'),
      startedSeq: () => this.#startedSeq,
      told: () => ({ eventSeq: this.#seq, desired: this.#recorded?.desired }),
      changed: options.changed,
    });
    this.#worker = new PairWorker({
      ...options,
      session: this.#session,
      attempt: () => this.#machine.context.attempt,
      tell: (told, left) => this.#tell(told, left),
    });
    this.#machine = this.#createMachine();
  }

  get pair(): PairRef {
    return this.#options.pair;
  }

  get #key(): string {
    return pairKey(this.#options.pair);
  }

  get #subject(): string {
    return pairSubject(this.#options.pair);
  }

  /** Sequence of the newest event of the pair's subject, as far as this actor knows. */
  get seq(): number {
    return this.#seq;
  }

  get session(): PairSession {
    return this.#session;
  }

  get parameters(): FollowParameters {
    return this.#options.parameters;
  }

  /** The state that the journal holds. Undefined before the first event. */
  get snapshot(): PairSnapshot | undefined {
    return this.#recorded;
  }

  /** Attempts since the last success, and when the next one is due; not journalled. */
  get retry(): {
    readonly attempt: number;
    readonly nextTryAtMs: number | undefined;
    readonly failure: Failure | undefined;
  } {
    const { attempt, failure } = this.#machine.context;
    return {
      attempt,
      nextTryAtMs: this.#recorded?.state === 'retrying' ? this.#worker.nextTryAtMs : undefined,
      failure,
    };
  }

  /** Of the cluster that a retrying pair waits for. */
  get outage(): Outage | undefined {
    return this.#recorded?.state === 'retrying' ? this.#options.index.away?.outage : undefined;
  }

  /** Why nothing may be written now; undefined for a pair that works, or is not to. */
  get suspended(): Failure | undefined {
    if (this.#recorded?.state === 'paused' || this.#recorded?.state === 'fatal') return undefined;
    return this.#worker.suspended ?? whyNotHeld(this.#options.index.lease);
  }

  /** Takes up the folded state, or starts a new life. */
  async start(cause: EventCause): Promise<void> {
    if (this.#options.fence && this.#recorded !== undefined) await this.#inTurn(() => this.#takeOver());
    if (this.#worker.stopping.aborted) return;
    this.#started = true;
    this.#machine.start();
    if (this.#recorded !== undefined) return;
    try {
      await this.#send({ type: 'STARTED' }, { type: 'STARTED' }, cause, 'for ever');
    } catch (thrown) {
      // Whoever took a command for it meanwhile has recorded that it exists.
      if (failureOf(thrown, 'start').code !== 'journal_conflict' || this.snapshot === undefined) throw thrown;
    }
  }

  /** An event of this pair as the journal shows it: what others have accepted takes effect. */
  observed(stored: StoredEvent): void {
    if (stored.seq < this.#seq || this.#worker.shuttingDown) return;
    this.#inTurn(async () => this.#adopt(stored)).catch((thrown: unknown) => {
      const failure = failureOf(thrown, 'fold');
      this.#options.ports.narrator.log('error', 'an event was not taken in', { pair: this.#key, failure });
    });
  }

  /** Accepted when it returns: the decision is in the journal. Throws `Failed` when the journal cannot be reached. */
  async pause(commandId: string, cause: EventCause): Promise<void> {
    await this.#send({ type: 'PAUSE' }, { type: 'PAUSE', commandId }, cause, 'once');
  }

  async resume(options: ResumeOptions, cause: EventCause): Promise<void> {
    const { rebootstrap } = options;
    await this.#send({ type: 'RESUME', rebootstrap }, { type: 'RESUME', ...options }, cause, 'once');
  }

  /** Documents in quarantine now, or when it last ran. */
  get quarantined(): number {
    return this.#session.quarantine?.size ?? this.#recorded?.quarantined ?? 0;
  }

  get quarantineTried(): boolean {
    return this.quarantined === 0 || this.#session.quarantineTried;
  }

  /** Accepted when it returns. A pair that does not run tries again when it is resumed. */
  async retryQuarantine(commandId: string, cause: EventCause): Promise<void> {
    // Something may be on its way into it.
    if (this.quarantined === 0) return this.#session.retryQuarantine();
    await this.#send({ type: 'QUARANTINE_RETRY' }, { type: 'QUARANTINE_RETRY', commandId }, cause, 'once');
    this.#session.retryQuarantine();
  }

  /** Accepted, and on its way, when it returns. Whoever asked hears of the outcome from the session. */
  async recordRepair(commandId: string, documents: number, cause: EventCause): Promise<void> {
    await this.#send({ type: 'REPAIR' }, { type: 'REPAIR', commandId, documents }, cause, 'once');
  }

  /** Ends without an event: the journal still says what is wanted. Work ends at the next safe point, positions are saved. */
  async stop(): Promise<void> {
    await this.#worker.stop();
    this.kill();
    await this.#mailbox.catch(() => undefined);
  }

  /** Ends at once. */
  kill(): void {
    this.#worker.kill();
    this.#machine.stop();
    this.#session.end();
  }

  // --- the machine and its worker -------------------------------------------------------------------------------------------

  #createMachine(): PairMachine {
    const { ports, parameters } = this.#options;
    const delayMs = backoffMs(4, parameters.max_retry_delay_ms, ports.random.next());
    const input = { snapshot: this.#recorded, onMissingHistory: parameters.on_missing_history, delayMs };
    return new PairMachine(input, this.#worker, ports.clock);
  }

  /** With the cluster thousands of pairs begin to retry: their events do not reach the journal all at once. */
  async #tell({ event, fact }: Telling, left: AbortSignal): Promise<void> {
    if (event.type === 'FAILED' && this.outage === undefined) await this.#options.index.away?.failureTurn(left);
    await this.#send(event, fact, { cause: 'cycle' }, 'for ever', left);
  }

  // --- the mailbox ----------------------------------------------------------------------------------------------------------

  async #send(
    event: PairMachineEvent,
    fact: PairFact,
    cause: EventCause,
    persistence: 'once' | 'for ever',
    /** Aborted when the state that this comes from has been left: it is no news then. */
    left?: AbortSignal,
  ): Promise<void> {
    await this.#inTurn(async () => {
      if (left?.aborted !== true) await this.#handle(event, fact, cause, persistence);
    });
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#mailbox.then(work);
    this.#mailbox = turn.catch(() => undefined);
    await turn;
  }

  /** Others may have come first: then it is decided anew, on what they decided. */
  async #handle(
    event: PairMachineEvent,
    fact: PairFact,
    cause: EventCause,
    persistence: 'once' | 'for ever',
  ): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      if (this.#worker.stopping.aborted) throw this.#ended(event.type);
      // The same command, which another supervisor runs as well, since it was repeated.
      if (persistence === 'once' && (this.#adopted === cause.cause || this.#options.decided(cause.cause))) return;
      const machine = this.#machine;
      try {
        await this.#record(event, fact, cause, persistence);
        break;
      } catch (thrown) {
        if (failureOf(thrown, 'append').code !== 'journal_conflict') throw thrown;
        const before = this.#seq;
        await this.#catchUp();
        // What a worker found out is no news to the one that begins anew.
        const obsolete = persistence === 'for ever' && this.#machine !== machine;
        if (obsolete || this.#seq === before || tries === CONFLICTS_MAX) throw thrown;
      }
    }
    this.#machine.send(event);
    this.#options.changed();
    this.#options.index.changed();
  }

  async #record(
    event: PairMachineEvent,
    fact: PairFact,
    cause: EventCause,
    persistence: 'once' | 'for ever',
  ): Promise<void> {
    const { ports } = this.#options;
    const [after] = transition(shardPairMachine, this.#machine.snapshot, event);
    const state = lifecycleOf(after.value);
    const from = this.#recorded?.state ?? 'none';
    const repeated = event.type === 'PAUSE' && this.#recorded?.desired === 'paused';
    if (state === from && (!DECISIONS.has(event.type) || repeated)) return;
    const untold = this.#eventOf(fact, cause, this.#resultOf(after, fact));
    const recorded = { ...untold, trace: ports.narrator.transition(untold, untold.result.run.traceId) };
    await this.#append(recorded, persistence);
    this.#take(recorded);
  }

  #eventOf(fact: PairFact, cause: EventCause, result: PairSnapshot): Omit<PairEvent, 'trace'> {
    const { ports, index, pair } = this.#options;
    return {
      id: ports.random.id(),
      version: writtenVersion(ports.ownership),
      atMs: ports.clock.now(),
      ...causeFields(cause),
      term: index.lease.term,
      pair,
      fact,
      from: this.#recorded?.state ?? 'none',
      result,
    };
  }

  #resultOf(after: MachineSnapshot, fact: PairFact): PairSnapshot {
    const { ports, index } = this.#options;
    const { followId } = index.snapshot;
    const before = { pair: this.#key, followId, recorded: this.#recorded, quarantined: this.quarantined };
    return resultOf(ports, after, fact, before);
  }

  #take({ from, result, atMs }: Pick<PairEvent, 'from' | 'result' | 'atMs'>): void {
    if (from !== 'none' && from !== result.state) {
      this.#options.ports.narrator.stateLeft({
        pair: this.#key,
        state: from,
        enteredAtMs: this.#stateEnteredAtMs,
        leftAtMs: atMs,
        traceId: this.#recorded?.run.traceId ?? result.run.traceId,
      });
    }
    if (from !== result.state) this.#stateEnteredAtMs = atMs;
    this.#recorded = result;
  }

  async #append(event: PairEvent, persistence: 'once' | 'for ever'): Promise<void> {
    const { log } = this.#options.ports;
    const append = async (): Promise<number> =>
      log.append(this.#subject, { entity: 'pair', ...event }, this.#seq, this.#worker.stopping);
    try {
      this.#seq = await (persistence === 'once' ? append() : this.#untilReached(append));
    } catch (thrown) {
      if (this.#worker.stopping.aborted) throw this.#ended(event.fact.type);
      // Whoever asked is told now; whether it was accepted is what the journal says.
      if (failureOf(thrown, 'append').ambiguous === true) this.#inTurn(() => this.#catchUp()).catch(() => undefined);
      throw thrown;
    }
  }

  /** Whether the event was stored is what the journal says. */
  #ended(event: string): Error {
    return failed('no_lease', { op: event, reason: `${this.#key} has just been given up here`, ambiguous: true });
  }

  /** The first event under our term: what the owner before appends from here on, expecting to be alone, is refused. */
  async #takeOver(): Promise<void> {
    const fact = { type: 'TAKEN_OVER' } as const;
    while (this.#recorded !== undefined && !this.#worker.stopping.aborted) {
      try {
        return await this.#append(this.#eventOf(fact, { cause: 'start' }, this.#recorded), 'for ever');
      } catch (thrown) {
        if (failureOf(thrown, 'take over').code !== 'journal_conflict') throw thrown;
        await this.#catchUp();
      }
    }
  }

  // --- what others appended -------------------------------------------------------------------------------------------------

  async #catchUp(): Promise<void> {
    const { log } = this.#options.ports;
    const { stopping: signal } = this.#worker;
    const behind = await this.#untilReached(async () =>
      Array.fromAsync(log.read(this.#subject, { fromSeq: this.#seq + 1, follow: false }, signal)),
    );
    for (const stored of behind) this.#adopt(stored);
  }

  /** A command moves the machine as if it had been given here; after anything else it begins anew from what is recorded. */
  #adopt({ seq, event }: StoredEvent): void {
    const { ports, index, superseded } = this.#options;
    if (seq < this.#seq || event.entity !== 'pair' || this.#worker.stopping.aborted) return;
    if (seq === this.#seq) {
      // Appended here: the view of the journal keeps the same record, and one copy of it is enough.
      if (event.result.followId === this.#recorded?.followId) this.#recorded = event.result;
      return;
    }
    if (event.term > index.lease.term) return superseded();
    // The owner before was still at it.
    if (event.term < index.lease.term) this.#startedSeq = seq;
    // What arrived late of an earlier life of the same name is no state of this one.
    if (event.result.followId !== index.snapshot.followId) {
      this.#seq = seq;
      return;
    }
    const command = commandEvent(event.fact);
    if (command !== undefined) this.#adopted = event.cause;
    const foretold =
      command === undefined ? undefined : transition(shardPairMachine, this.#machine.snapshot, command)[0];
    this.#take(event);
    this.#seq = seq;
    if (command !== undefined && foretold !== undefined && isAt(foretold, event.result)) {
      this.#machine.send(command);
      if (command.type === 'QUARANTINE_RETRY') this.#session.retryQuarantine();
    } else {
      ports.narrator.log('warn', 'another supervisor decided for this pair', { pair: this.#key, term: event.term });
      this.#machine.stop();
      this.#session.close();
      this.#machine = this.#createMachine();
      if (this.#started) this.#machine.start();
    }
    this.#options.changed();
    index.changed();
  }

  async #untilReached<T>(ask: () => Promise<T>): Promise<T> {
    return untilReached(this.#options.ports, this.#key, ask, this.#worker.stopping);
  }
}
