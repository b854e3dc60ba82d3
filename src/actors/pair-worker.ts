import { failureOf, Failed, type Failure } from '../domain/failure.ts';
import { pairKey } from '../domain/names.ts';
import type { WorkerInput } from '../machines/shard-pair.ts';
import { untilHeld } from './lease.ts';
import type { StateWorker } from './pair-machine.ts';
import type { PairActorOptions } from './pair-actor.ts';
import type { PairSession } from './pair-session.ts';
import { type Telling, tellingOf, tellingOfFailure } from './telling.ts';

export interface PairWorkerOptions extends Pick<
  PairActorOptions,
  'ports' | 'index' | 'pair' | 'parameters' | 'changed'
> {
  readonly session: PairSession;
  /** Attempts since the last success. */
  readonly attempt: () => number;
  /** What came of the work, for the mailbox. `left` is aborted when the state that it comes from has been left, or everything ends. */
  readonly tell: (told: Telling, left: AbortSignal) => Promise<void>;
}

const BUGS_MAX = 3;

interface StateWork {
  readonly left: AbortController;
  mode: WorkerInput['mode'];
}

/** Does the work of one pair's states, one after the other: two never move the same data. */
export class PairWorker implements StateWorker {
  readonly #options: PairWorkerOptions;
  readonly #stopping = new AbortController();
  #work: Promise<void> = Promise.resolve();
  /** Of the state that the machine is in. */
  #current: StateWork | undefined;
  #shuttingDown = false;
  #suspended: Failure | undefined;
  #bugs = 0;
  #nextTryAtMs: number | undefined;

  constructor(options: PairWorkerOptions) {
    this.#options = options;
  }

  /** Aborted when everything ends at once. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  get shuttingDown(): boolean {
    return this.#shuttingDown;
  }

  /** What kept the work from writing; undefined while it goes on. */
  get suspended(): Failure | undefined {
    return this.#suspended;
  }

  get nextTryAtMs(): number | undefined {
    return this.#nextTryAtMs;
  }

  /** For a state that was entered. The one before has been told to end. */
  begin(input: WorkerInput): void {
    const current = { left: new AbortController(), mode: input.mode };
    this.#current = current;
    const before = this.#work;
    this.#work = before.then(() =>
      this.#do({ ...input, mode: this.#shuttingDown ? 'drain' : current.mode }, current.left.signal),
    );
  }

  drain(): void {
    // It may not have begun yet.
    if (this.#current !== undefined) this.#current.mode = 'drain';
    this.#options.session.drain();
  }

  end(): void {
    if (this.#current === undefined) return;
    this.#current.left.abort(new DOMException('the state was left', 'AbortError'));
    this.#current = undefined;
    this.#options.session.wake();
  }

  failed(thrown: unknown): void {
    const failure = failureOf(thrown, 'machine');
    this.#options.ports.narrator.log('error', 'the state machine failed', { pair: this.#key, failure });
  }

  /** Ends at the next safe point, and saves the position. */
  async stop(): Promise<void> {
    this.#shuttingDown = true;
    this.#options.session.drain();
    await this.#work;
  }

  /** Ends at once. */
  kill(): void {
    this.#shuttingDown = true;
    this.#stopping.abort(new DOMException('the pair actor stops', 'AbortError'));
    this.end();
  }

  /** `signal`: the state was left, or everything ends. */
  async #do(input: WorkerInput, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#stopping.signal.aborted) return;
    let told: Telling;
    try {
      const outcome = await this.#options.session.work(input, signal);
      this.#bugs = 0;
      told = tellingOf(outcome);
    } catch (thrown) {
      if (signal.aborted) return;
      const failure = failureOf(thrown, 'pair worker');
      // Nothing has happened to the pair, and nothing is recorded; the work begins anew where it was.
      if (failure.code === 'no_lease') return this.#suspend(failure, input, signal);
      told = this.#failure(failure, thrown);
    }
    // An orderly stop is no event: the pair goes on at the next start.
    if (signal.aborted || (this.#shuttingDown && told.event.type === 'PAUSED')) return;
    // Not awaited: the mailbox moves the machine, which may end this worker.
    void this.#options.tell(told, signal).catch((thrown: unknown) => {
      if (signal.aborted) return;
      const failure = failureOf(thrown, 'append');
      this.#options.ports.narrator.log('error', 'an outcome was not recorded', { pair: this.#key, failure });
    });
  }

  /** Until writes may start again, or there is nothing to wait for: a drain saves what it can. */
  async #suspend(failure: Failure, input: WorkerInput, signal: AbortSignal): Promise<void> {
    const { ports, index, session, changed } = this.#options;
    ports.narrator.log('warn', 'nothing is written now', { pair: this.#key, failure });
    this.#suspended = failure;
    changed();
    const { drained } = session;
    await untilHeld(index.lease, [signal, drained]);
    this.#suspended = undefined;
    if (this.#shuttingDown) return;
    changed();
    await this.#do({ ...input, mode: drained.aborted ? 'drain' : input.mode }, signal);
  }

  #failure(failure: Failure, thrown: unknown): Telling {
    const { ports, parameters, attempt } = this.#options;
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
    const told = tellingOfFailure(failure, {
      fatal,
      attempt: attempt() + 1,
      maxDelayMs: parameters.max_retry_delay_ms,
      random: ports.random.next(),
    });
    if (told.event.type === 'FAILED') this.#nextTryAtMs = ports.clock.now() + told.event.delayMs;
    return told;
  }

  get #key(): string {
    return pairKey(this.#options.pair);
  }
}
