import { createActor, fromTransition, type Actor, type AnyActorRef } from 'xstate';
import { assert } from '../domain/assert.ts';
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

const workers = new WeakMap<AnyActorRef, StateWorker>();

function workerOf(actor: AnyActorRef): StateWorker {
  const worker = workers.get(actor);
  assert(worker !== undefined, 'a pair has a worker before its machine starts');
  return worker;
}

/** One for all pairs: an actor finds its worker by itself. */
const MACHINE = shardPairMachine.provide({
  actions: {
    beginWork: ({ self }, input) => workerOf(self).begin(input),
    drain: ({ self }) => workerOf(self).drain(),
    endWork: ({ self }) => workerOf(self).end(),
  },
});

/**
 * The parent of all pairs that share a clock. An actor without a parent brings a system of its own, with registries and scheduler: 2 KB for each of ten
 * thousand, which none of them uses. It hears when one of them fails, and has nothing to do then: the pair tells its worker.
 */
const parents = new WeakMap<Clock, AnyActorRef>();

function parentOf(clock: Clock): AnyActorRef {
  let parent = parents.get(clock);
  if (parent === undefined) {
    const deaf = fromTransition((state: undefined) => state, undefined);
    parent = createActor(deaf, { clock }).start();
    parents.set(clock, parent);
  }
  return parent;
}

/** How XState ends a child; only its parent's actions may do so otherwise. */
const END = { type: 'xstate.stop' } as unknown as PairMachineEvent;

/** The XState actor of one pair. Its work is done by actions and not by an actor that it invokes: one actor less for each of ten thousand. */
export class PairMachine {
  readonly #actor: Actor<typeof shardPairMachine>;
  readonly #worker: StateWorker;
  #stopped = false;

  /** Not started yet. */
  constructor(input: PairInput, worker: StateWorker, clock: Clock) {
    this.#worker = worker;
    this.#actor = createActor(MACHINE, { input, parent: parentOf(clock) });
    workers.set(this.#actor, worker);
    this.#actor.subscribe({ error: (thrown) => worker.failed(thrown) });
  }

  get context(): PairContext {
    return this.snapshot.context;
  }

  get snapshot(): MachineSnapshot {
    return this.#actor.getSnapshot();
  }

  start(): void {
    this.#actor.start();
  }

  /** For good. */
  stop(): void {
    this.#stopped = true;
    this.#actor.send(END);
    this.#worker.end();
  }

  send(event: PairMachineEvent): void {
    if (!this.#stopped) this.#actor.send(event);
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
  'MASS_DELETE_USED',
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
