import { createActor, fromCallback, type Actor } from 'xstate';
import { assert } from '../domain/assert.ts';
import type { PairSnapshot } from '../domain/journal.ts';
import {
  lifecycleOf,
  shardPairMachine,
  type PairInput,
  type PairMachineEvent,
  type WorkerEvent,
  type WorkerInput,
} from '../machines/shard-pair.ts';
import type { Clock } from '../ports/clock.ts';
import type { MachineSnapshot } from './pair-result.ts';

export type PairMachine = Actor<typeof shardPairMachine>;
/** Begins the work of a state; gives what ends it. */
export type BeginWork = (input: WorkerInput, receive: (listener: () => void) => void) => () => void;

/** One machine for all pairs, since each costs tens of kilobytes; its worker is that of the actor system that invokes it. */
const workers = new WeakMap<object, BeginWork>();
const MACHINE = shardPairMachine.provide({
  actors: {
    worker: fromCallback<WorkerEvent, WorkerInput>(({ input, receive, system }) => {
      const begin = workers.get(system);
      assert(begin !== undefined, 'every machine has a worker');
      return begin(input, receive);
    }),
  },
});

/** Not started yet. */
export function createPairMachine(
  input: PairInput,
  { clock, begin, failed }: { clock: Clock; begin: BeginWork; failed: (thrown: unknown) => void },
): PairMachine {
  const machine = createActor(MACHINE, {
    input,
    clock: {
      setTimeout: (callback, ms) => clock.setTimeout(callback, ms),
      clearTimeout: (handle) => clock.clearTimeout(handle),
    },
  });
  workers.set(machine.system, begin);
  machine.subscribe({ error: failed });
  return machine;
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
