import { initialTransition, transition } from 'xstate';
import type { PairSnapshot } from '../domain/journal.ts';
import {
  lifecycleOf,
  shardPairMachine,
  type PairContext,
  type PairInput,
  type PairMachineEvent,
  type WorkerInput,
} from '../machines/shard-pair.ts';
import type { Clock } from '../ports/clock.ts';
import type { MachineSnapshot } from './pair-result.ts';

/** Does the work of a state. One at a time: `end` comes before the next `begin`. */
export interface StateWorker {
  begin(input: WorkerInput): void;
  /** Ends at the next safe point. */
  drain(): void;
  /** The state was left. */
  end(): void;
  /** A transition could not be made. */
  failed(thrown: unknown): void;
}

type Actions = ReturnType<typeof transition<typeof shardPairMachine>>[1];

/**
 * Moves the machine of one pair by its pure transitions, and carries out what they ask for. There are ten thousand of them: an XState actor with
 * the actor that it invokes costs 5 KB, this one a tenth.
 */
export class PairMachine {
  readonly #worker: StateWorker;
  readonly #clock: Clock;
  #at: Pick<MachineSnapshot, 'value' | 'context'>;
  #started = false;
  #stopped = false;
  /** What is to be done at the start. */
  #due: Actions;
  #timer: unknown;

  /** Not started yet. */
  constructor(input: PairInput, worker: StateWorker, clock: Clock) {
    this.#worker = worker;
    this.#clock = clock;
    const [{ value, context }, actions] = initialTransition(shardPairMachine, input);
    this.#at = { value, context };
    this.#due = actions;
  }

  get context(): PairContext {
    return this.#at.context;
  }

  /** Made anew: XState's own is six times the size of what it is made of. */
  get snapshot(): MachineSnapshot {
    return shardPairMachine.resolveState(this.#at);
  }

  start(): void {
    this.#started = true;
    this.#carryOut(this.#due.splice(0));
  }

  /** For good. */
  stop(): void {
    this.#stopped = true;
    this.#forgetTimer();
    this.#worker.end();
  }

  send(event: PairMachineEvent): void {
    if (this.#stopped) return;
    try {
      const [{ value, context }, actions] = transition(shardPairMachine, this.snapshot, event);
      this.#at = { value, context };
      if (this.#started) this.#carryOut(actions);
      else this.#due.push(...actions);
    } catch (thrown) {
      this.#worker.failed(thrown);
    }
  }

  #carryOut(actions: Actions): void {
    const worker = this.#worker;
    for (const action of actions) {
      if (action.type === 'beginWork') worker.begin(action.params as WorkerInput);
      else if (action.type === 'drain') worker.drain();
      else if (action.type === 'endWork') worker.end();
      else if (action.type === 'xstate.raise' && action.params.delay !== undefined) {
        const { event, delay } = action.params;
        this.#timer = this.#clock.setTimeout(() => this.send(event as PairMachineEvent), delay);
      }
      // The one timer there is, of the state that was left.
      else if (`${action.type}` === 'xstate.cancel') this.#forgetTimer();
    }
  }

  #forgetTimer(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Recorded even where they leave the state as it is. */
export const DECISIONS: ReadonlySet<PairMachineEvent['type']> = new Set([
  'PAUSE',
  'RESUME',
  'EPOCH_RAISED',
  'QUARANTINED',
  'QUARANTINE_RETRY',
  'REPAIR',
  'HISTORY_GONE',
  'LEASE_EXPIRED',
  'ROLLED_BACK',
] satisfies PairMachineEvent['type'][]);

/** Whether the machine has come to what an event records. */
export function isAt({ context, value }: MachineSnapshot, recorded: PairSnapshot): boolean {
  const { desired, resumeTo, epoch, raiseEpoch } = context;
  return (
    lifecycleOf(value) === recorded.state &&
    desired === recorded.desired &&
    resumeTo === recorded.resumeTo &&
    epoch === recorded.epoch &&
    raiseEpoch === (recorded.raiseEpoch ?? false)
  );
}
