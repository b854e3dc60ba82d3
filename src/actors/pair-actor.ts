import { createActor, fromCallback, transition, type Actor, type SnapshotFrom } from 'xstate';
import { assert } from '../domain/assert.ts';
import { backoffMs } from '../domain/backoff.ts';
import { failed, failureOf, Failed, type Failure } from '../domain/failure.ts';
import { EVENT_VERSION, type Lifecycle, type PairEvent, type PairFact, type PairSnapshot } from '../domain/journal.ts';
import { pairKey, type PairRef } from '../domain/names.ts';
import type { Outage } from '../domain/outage.ts';
import type { FollowParameters } from '../domain/parameters.ts';
import { pairSubject } from '../domain/subjects.ts';
import {
  lifecycleOf,
  shardPairMachine,
  type PairMachineEvent,
  type WorkerEvent,
  type WorkerInput,
} from '../machines/shard-pair.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import { causeFields, type EventCause } from './event-cause.ts';
import type { FollowerIndex } from './follower-index.ts';
import { untilReached } from './journal-patience.ts';
import { type Telling, tellingOf } from './telling.ts';
import { PairSession } from './pair-session.ts';

export interface PairActorOptions {
  readonly ports: SupervisorPorts;
  readonly index: FollowerIndex;
  readonly pair: PairRef;
  readonly parameters: FollowParameters;
  /** The folded state and the sequence of its last event; undefined for a new pair. */
  readonly folded: { readonly snapshot: PairSnapshot; readonly seq: number } | undefined;
  /** Last sequence of the pair's subject, from an earlier life if `folded` is undefined. */
  readonly lastSeq: number;
  /** Gives the fate of the pair to whoever waits for it. */
  readonly changed: () => void;
}

type MachineSnapshot = SnapshotFrom<typeof shardPairMachine>;

const RUN_TRANSITIONS_MAX = 200;
const RUN_AGE_MAX_MS = 24 * 3600 * 1000;
const BUGS_MAX = 3;

type Worker = (input: WorkerInput, receive: (listener: () => void) => void) => () => void;

/** One machine for all pairs, since each costs tens of kilobytes; its worker is that of the actor system that invokes it. */
const workers = new WeakMap<object, Worker>();
const MACHINE = shardPairMachine.provide({
  actors: {
    worker: fromCallback<WorkerEvent, WorkerInput>(({ input, receive, system }) => {
      const worker = workers.get(system);
      assert(worker !== undefined, 'every machine has a worker');
      return worker(input, receive);
    }),
  },
});

/**
 * One shard pair: an XState machine whose every input passes through a mailbox that writes ahead. An input is first folded into the
 * machine without effect; if it changes the lifecycle or is a decision, its event is appended with the state that results; only then
 * does the machine move. So decisions are in the journal before their effect (workers start when the machine moves), facts after the
 * effect is durable (workers report when it is), and today's state is the fold of the events.
 */
export class PairActor {
  readonly #options: PairActorOptions;
  readonly #session: PairSession;
  readonly #key: string;
  readonly #subject: string;
  readonly #stopping = new AbortController();
  #machine: Actor<typeof shardPairMachine>;
  #seq: number;
  #recorded: PairSnapshot | undefined;
  #stateEnteredAtMs: number;
  #mailbox: Promise<unknown> = Promise.resolve();
  #worker: Promise<void> = Promise.resolve();
  #shuttingDown = false;
  #bugs = 0;
  #nextTryAtMs: number | undefined;

  constructor(options: PairActorOptions) {
    this.#options = options;
    this.#key = pairKey(options.pair);
    this.#subject = pairSubject(options.pair);
    this.#seq = options.folded?.seq ?? options.lastSeq;
    this.#recorded = options.folded?.snapshot;
    this.#stateEnteredAtMs = options.ports.clock.now();
    this.#session = new PairSession({
      ports: options.ports,
      index: options.index,
      pair: options.pair,
      parameters: options.parameters,
      traceId: () => this.#recorded?.run.traceId,
      startedSeq: this.#seq,
      told: () => ({ eventSeq: this.#seq, desired: this.#recorded?.desired }),
      epochRaised: async (epoch, reason) => {
        await this.#send(
          { type: 'EPOCH_RAISED', epoch },
          { type: 'EPOCH_RAISED', epoch, reason },
          { cause: 'cycle' },
          'for ever',
        );
      },
      quarantineRecorded: () => this.#recorded?.quarantined ?? 0,
      quarantined: async (documents) =>
        this.#send({ type: 'QUARANTINED' }, { type: 'QUARANTINED', documents }, { cause: 'cycle' }, 'for ever'),
      changed: options.changed,
    });
    this.#machine = this.#createMachine();
  }

  get pair(): PairRef {
    return this.#options.pair;
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
    const { attempt, failure } = this.#machine.getSnapshot().context;
    return { attempt, nextTryAtMs: this.#recorded?.state === 'retrying' ? this.#nextTryAtMs : undefined, failure };
  }

  /** Of the cluster that a retrying pair waits for. */
  get outage(): Outage | undefined {
    return this.#recorded?.state === 'retrying' ? this.#options.index.away?.outage : undefined;
  }

  /** Takes up the folded state, or starts a new life. */
  async start(cause: EventCause): Promise<void> {
    this.#machine.start();
    if (this.#recorded === undefined) await this.#send({ type: 'STARTED' }, { type: 'STARTED' }, cause, 'for ever');
  }

  /** Accepted when it returns: the decision is in the journal. Throws `Failed` when the journal cannot be reached. */
  async pause(commandId: string, cause: EventCause): Promise<void> {
    await this.#decide({ type: 'PAUSE' }, { type: 'PAUSE', commandId }, cause);
  }

  async resume(
    options: { commandId: string; rebootstrap: boolean; allowMassDelete: boolean },
    cause: EventCause,
  ): Promise<void> {
    const { commandId, rebootstrap, allowMassDelete } = options;
    if (allowMassDelete) this.#session.allowMassDelete(true);
    try {
      await this.#decide({ type: 'RESUME', rebootstrap }, { type: 'RESUME', commandId, rebootstrap }, cause);
    } catch (thrown) {
      // A decision that is not recorded is none.
      if (allowMassDelete) this.#session.allowMassDelete(false);
      throw thrown;
    }
  }

  /** Documents in quarantine now, or when it last ran. */
  get quarantined(): number {
    return this.#session.quarantine?.size ?? this.#recorded?.quarantined ?? 0;
  }

  /** Accepted when it returns. A pair that does not run tries again when it is resumed. */
  async retryQuarantine(commandId: string, cause: EventCause): Promise<void> {
    await this.#decide({ type: 'QUARANTINE_RETRY' }, { type: 'QUARANTINE_RETRY', commandId }, cause);
    this.#session.retryQuarantine();
  }

  /** Ends without an event: the journal still says what is wanted. Work ends at the next safe point, positions are saved. */
  async stop(): Promise<void> {
    this.#shuttingDown = true;
    this.#session.drain();
    await this.#worker;
    this.kill();
    await this.#mailbox.catch(() => undefined);
  }

  /** Ends at once. */
  kill(): void {
    this.#shuttingDown = true;
    this.#stopping.abort(new DOMException('the pair actor stops', 'AbortError'));
    this.#machine.stop();
    this.#session.end();
  }

  // --- the machine and its worker -------------------------------------------------------------------------------------------

  #createMachine(): Actor<typeof shardPairMachine> {
    const { ports, parameters } = this.#options;
    const machine = createActor(MACHINE, {
      input: {
        snapshot: this.#recorded,
        onMissingHistory: parameters.on_missing_history,
        delayMs: backoffMs(4, parameters.max_retry_delay_ms, ports.random.next()),
      },
      clock: {
        setTimeout: (callback, ms) => ports.clock.setTimeout(callback, ms),
        clearTimeout: (handle) => ports.clock.clearTimeout(handle),
      },
    });
    workers.set(machine.system, (input, receive) => this.#invoke(input, receive));
    machine.subscribe({
      error: (thrown) =>
        ports.narrator.log('error', 'the state machine failed', {
          pair: this.#key,
          failure: failureOf(thrown, 'machine'),
        }),
    });
    return machine;
  }

  #invoke(input: WorkerInput, receive: (listener: () => void) => void): () => void {
    const left = new AbortController();
    let { mode } = input;
    receive(() => {
      // It may not have begun yet.
      mode = 'drain';
      this.#session.drain();
    });
    const before = this.#worker;
    // The one before has been told to end; two never move the same data.
    this.#worker = before.then(() => this.#work({ ...input, mode: this.#shuttingDown ? 'drain' : mode }, left.signal));
    return () => left.abort(new DOMException('the state was left', 'AbortError'));
  }

  async #work(input: WorkerInput, left: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([left, this.#stopping.signal]);
    if (signal.aborted) return;
    let told: Telling;
    try {
      const outcome = await this.#session.work(input, signal);
      this.#bugs = 0;
      told = tellingOf(outcome);
    } catch (thrown) {
      if (signal.aborted) return;
      told = this.#failure(failureOf(thrown, 'pair worker'), thrown);
    }
    // An orderly stop is no event: the pair goes on at the next start.
    if (signal.aborted || (this.#shuttingDown && told.event.type === 'PAUSED')) return;
    // Not awaited: the mailbox moves the machine, which may end this worker.
    void this.#tell(told, left, signal).catch((thrown: unknown) => {
      if (!signal.aborted)
        this.#options.ports.narrator.log('error', 'an outcome was not recorded', {
          pair: this.#key,
          failure: failureOf(thrown, 'append'),
        });
    });
  }

  /** With the cluster thousands of pairs begin to retry: their events do not reach the journal all at once. */
  async #tell({ event, fact }: Telling, left: AbortSignal, signal: AbortSignal): Promise<void> {
    if (event.type === 'FAILED' && this.outage === undefined) await this.#options.index.away?.failureTurn(signal);
    await this.#send(event, fact, { cause: 'cycle' }, 'for ever', left);
  }

  #failure(failure: Failure, thrown: unknown): Telling {
    const { ports, parameters } = this.#options;
    if (!(thrown instanceof Failed)) {
      this.#bugs += 1;
      ports.narrator.log('error', 'a defect', {
        pair: this.#key,
        failure,
        stack: thrown instanceof Error ? thrown.stack : undefined,
      });
    }
    const fatal =
      failure.code === 'bug'
        ? this.#bugs >= BUGS_MAX
        : failure.kind === 'fatal' || failure.kind === 'corrupt' || failure.kind === 'refused';
    if (failure.code === 'history_changed')
      return { event: { type: 'HISTORY_GONE', failure }, fact: { type: 'HISTORY_GONE', failure } };
    if (failure.code === 'lease_expired')
      return { event: { type: 'LEASE_EXPIRED', failure }, fact: { type: 'LEASE_EXPIRED', failure } };
    if (failure.code === 'follower_rolled_back')
      return { event: { type: 'ROLLED_BACK', failure }, fact: { type: 'ROLLED_BACK', failure } };
    if (fatal) return { event: { type: 'FATAL', failure }, fact: { type: 'FATAL', failure } };
    const attempt = this.#machine.getSnapshot().context.attempt + 1;
    const delayMs = Math.max(
      failure.retryAfterMs ?? 0,
      backoffMs(attempt, parameters.max_retry_delay_ms, ports.random.next()),
    );
    this.#nextTryAtMs = ports.clock.now() + delayMs;
    return { event: { type: 'FAILED', failure, delayMs }, fact: { type: 'FAILED', failure } };
  }

  // --- the mailbox ----------------------------------------------------------------------------------------------------------

  /** An unfollow or a stop may overtake it; whether it was decided is then what the journal says. */
  async #decide(event: PairMachineEvent, fact: PairFact, cause: EventCause): Promise<void> {
    try {
      await this.#send(event, fact, cause, 'once');
    } catch (thrown) {
      if (!this.#stopping.signal.aborted || thrown instanceof Failed) throw thrown;
      throw failed(
        'command_timeout',
        { op: event.type.toLowerCase(), reason: `${this.#key} is being stopped` },
        thrown,
      );
    }
  }

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

  async #handle(
    event: PairMachineEvent,
    fact: PairFact,
    cause: EventCause,
    persistence: 'once' | 'for ever',
  ): Promise<void> {
    const { narrator, clock } = this.#options.ports;
    this.#stopping.signal.throwIfAborted();
    const before = this.#machine.getSnapshot();
    const [after] = transition(shardPairMachine, before, event);
    const state = lifecycleOf(after.value);
    assert(state !== undefined, `${event.type} leads to one of the five states`);
    const from = this.#recorded?.state ?? 'none';
    const decision =
      event.type === 'PAUSE' ||
      event.type === 'RESUME' ||
      event.type === 'EPOCH_RAISED' ||
      event.type === 'QUARANTINED' ||
      event.type === 'QUARANTINE_RETRY' ||
      event.type === 'HISTORY_GONE' ||
      event.type === 'LEASE_EXPIRED' ||
      event.type === 'ROLLED_BACK';
    const repeated = event.type === 'PAUSE' && this.#recorded?.desired === 'paused';
    if (state !== from || (decision && !repeated)) {
      const result = this.#resultOf(after, state, fact);
      const untold: Omit<PairEvent, 'trace'> = {
        id: this.#options.ports.random.id(),
        version: EVENT_VERSION,
        atMs: clock.now(),
        ...causeFields(cause),
        term: this.#options.ports.term,
        pair: this.#options.pair,
        fact,
        from,
        result,
      };
      const recorded: PairEvent = { ...untold, trace: narrator.transition(untold, result.run.traceId) };
      await this.#append(recorded, persistence);
      if (from !== 'none' && from !== state) {
        narrator.stateLeft({
          pair: this.#key,
          state: from,
          enteredAtMs: this.#stateEnteredAtMs,
          leftAtMs: recorded.atMs,
          traceId: this.#recorded?.run.traceId ?? result.run.traceId,
        });
      }
      if (from !== state) this.#stateEnteredAtMs = recorded.atMs;
      this.#recorded = result;
    }
    this.#machine.send(event);
    this.#options.changed();
    this.#options.index.changed();
  }

  #resultOf(after: MachineSnapshot, state: Lifecycle, fact: PairFact): PairSnapshot {
    const { context } = after;
    const checkpoint = 'checkpoint' in fact && fact.checkpoint >= 0 ? fact.checkpoint : this.#recorded?.checkpoint;
    const failure = state === 'retrying' || state === 'fatal' ? context.failure : undefined;
    const { quarantined } = this;
    return {
      state,
      followId: this.#options.index.snapshot.followId,
      resumeTo: context.resumeTo,
      desired: context.desired,
      epoch: context.epoch,
      ...(context.raiseEpoch ? { raiseEpoch: true } : {}),
      ...(checkpoint === undefined ? {} : { checkpoint }),
      ...(failure === undefined ? {} : { failure }),
      ...(quarantined === 0 ? {} : { quarantined }),
      run: this.#run(fact),
    };
  }

  /** One trace for a run: from start or resume until pause, stop or fatal; a new one, linked, when it gets long. */
  #run(fact: PairFact): PairSnapshot['run'] {
    const { clock, narrator } = this.#options.ports;
    const run = this.#recorded?.run;
    const begins =
      run === undefined ||
      (fact.type === 'RESUME' && (this.#recorded?.state === 'paused' || this.#recorded?.state === 'fatal'));
    if (begins || run.transitions >= RUN_TRANSITIONS_MAX || clock.now() - run.startedAtMs > RUN_AGE_MAX_MS) {
      return { traceId: narrator.startRun(this.#key, run?.traceId), startedAtMs: clock.now(), transitions: 1 };
    }
    return { ...run, transitions: run.transitions + 1 };
  }

  async #append(event: PairEvent, persistence: 'once' | 'for ever'): Promise<void> {
    const { log } = this.#options.ports;
    const append = async (): Promise<number> =>
      log.append(this.#subject, { entity: 'pair', ...event }, this.#seq, this.#stopping.signal);
    try {
      this.#seq = await (persistence === 'once' ? append() : this.#untilReached(append));
    } catch (thrown) {
      const { code, ambiguous } = failureOf(thrown, 'append');
      if (code === 'journal_conflict' && (await this.#refold()) === 'earlier life')
        return this.#append(event, persistence);
      // Whoever asked is told now; whether it was accepted is what the journal says.
      else if (ambiguous === true) this.#inTurn(async () => void (await this.#refold())).catch(() => undefined);
      throw thrown;
    }
  }

  /** If the journal says more than this actor appended: its state is what the journal says now, and work begins anew from there. */
  async #refold(): Promise<'earlier life' | undefined> {
    const { log, narrator, term } = this.#options.ports;
    const latest = await this.#untilReached(async () => log.latestOf(this.#subject, this.#stopping.signal));
    if (latest?.event.entity !== 'pair' || latest.seq <= this.#seq) return undefined;
    this.#seq = latest.seq;
    // What arrived late of an earlier life of the same name is no state of this one.
    if (latest.event.result.followId !== this.#options.index.snapshot.followId) return 'earlier life';
    if (latest.event.term !== term)
      narrator.log('warn', 'another supervisor decided for this pair', { pair: this.#key, term: latest.event.term });
    this.#machine.stop();
    this.#session.close();
    this.#recorded = latest.event.result;
    this.#machine = this.#createMachine();
    this.#machine.start();
    this.#options.changed();
    return undefined;
  }

  async #untilReached<T>(ask: () => Promise<T>): Promise<T> {
    return untilReached(this.#options.ports, this.#key, ask, this.#stopping.signal);
  }
}
