import { assign, setup } from 'xstate';
import type { Failure } from '../domain/failure.ts';
import type { Lifecycle, PairSnapshot } from '../domain/journal.ts';

/**
 * The life of one shard pair. The machine decides lifecycle only; moving data is the work that a running state begins when it is entered, and
 * that ends when it is left. Both are named as actions; whoever moves the machine carries them out.
 *
 *     bootstrapping --BOOTSTRAPPED--> following
 *     bootstrapping, following --FAILED--> retrying --RECOVERED--> where it came from
 *     bootstrapping, following, retrying --FATAL, HISTORY_GONE, LEASE_EXPIRED--> fatal (or bootstrapping, by policy)
 *     bootstrapping, following, retrying, fatal --PAUSE ... PAUSED--> paused --RESUME--> where it came from
 *
 * `PAUSE` is a decision: the worker is told to drain, and `PAUSED` follows when it has stopped and its position is saved.
 */
export type PairMachineEvent =
  | { readonly type: 'STARTED' }
  | { readonly type: 'BOOTSTRAPPED' }
  | { readonly type: 'FAILED'; readonly failure: Failure; readonly delayMs: number }
  | { readonly type: 'RECOVERED' }
  | { readonly type: 'FATAL'; readonly failure: Failure }
  | { readonly type: 'HISTORY_GONE'; readonly failure: Failure }
  | { readonly type: 'LEASE_EXPIRED'; readonly failure: Failure }
  | { readonly type: 'ROLLED_BACK'; readonly failure: Failure }
  | { readonly type: 'EPOCH_RAISED'; readonly epoch: number }
  | { readonly type: 'QUARANTINED' }
  | { readonly type: 'QUARANTINE_RETRY' }
  | { readonly type: 'REPAIR' }
  | { readonly type: 'MASS_DELETE_USED' }
  | { readonly type: 'PAUSE' }
  | { readonly type: 'PAUSED' }
  | { readonly type: 'RESUME'; readonly rebootstrap: boolean };

export interface PairContext {
  readonly resumeTo: 'bootstrapping' | 'following';
  readonly desired: 'running' | 'paused';
  readonly failure: Failure | undefined;
  /** Attempts since the last success; not journalled. */
  readonly attempt: number;
  readonly delayMs: number;
  readonly epoch: number;
  /** The worker has to raise the epoch before it copies. */
  readonly raiseEpoch: boolean;
  /** How often, since the start, the position was declared void: each time the worker copies from the beginning. */
  readonly scratches: number;
  readonly onMissingHistory: 'rebootstrap' | 'fail';
  /** The state that the journal recorded, to be taken up at the start. */
  readonly recorded: Lifecycle | undefined;
}

export interface PairInput {
  /** The folded state; undefined for a pair that has just been created. */
  readonly snapshot: PairSnapshot | undefined;
  readonly onMissingHistory: 'rebootstrap' | 'fail';
  /** How long a pair found in `retrying` waits for its next attempt. */
  readonly delayMs: number;
}

/** `run` goes on until drained or failed; `attempt` is one try after a failure; `drain` only saves the position. */
export interface WorkerInput {
  readonly mode: 'run' | 'attempt' | 'drain';
  readonly goal: 'bootstrapping' | 'following';
  readonly epoch: number;
  readonly raiseEpoch: boolean;
  readonly scratches: number;
}

export const shardPairMachine = setup({
  types: {
    context: {} as PairContext,
    events: {} as PairMachineEvent,
    input: {} as PairInput,
  },
  delays: { backoff: ({ context }) => context.delayMs },
  guards: {
    wantsPause: ({ context }) => context.desired === 'paused',
    copiesAnew: ({ context }) => context.onMissingHistory === 'rebootstrap',
    resumesToFollowing: ({ context, event }) =>
      context.resumeTo === 'following' && !(event.type === 'RESUME' && event.rebootstrap),
    asksRebootstrap: ({ event }) => event.type === 'RESUME' && event.rebootstrap,
    recordedAs: ({ context }, params: { state: Lifecycle }) => context.recorded === params.state,
    wasFollowing: ({ context }) => context.resumeTo === 'following',
  },
  actions: {
    wantPause: assign({ desired: 'paused' }),
    wantRun: assign({ desired: 'running' }),
    beginWork: (_, _input: WorkerInput) => undefined,
    endWork: () => undefined,
    drain: () => undefined,
    recordFailure: assign(({ context, event }) => {
      if (!('failure' in event)) return {};
      return { failure: event.failure, attempt: context.attempt + 1, delayMs: 'delayMs' in event ? event.delayMs : 0 };
    }),
    clearFailure: assign({ failure: undefined, attempt: 0, delayMs: 0 }),
    copyFromScratch: assign(({ context }) => ({
      scratches: context.scratches + 1,
      resumeTo: 'bootstrapping' as const,
    })),
    copyUnderNewEpoch: assign(({ context }) => underNewEpoch(context)),
    takeEpoch: assign(({ context, event }) =>
      event.type === 'EPOCH_RAISED' ? { epoch: event.epoch, raiseEpoch: false } : { epoch: context.epoch },
    ),
    nowBootstrapping: assign({ resumeTo: 'bootstrapping' }),
    nowFollowing: assign({ resumeTo: 'following', raiseEpoch: false }),
    resumeAsAsked: assign(({ context, event }) => {
      const resumed = { desired: 'running' as const, failure: undefined, attempt: 0, delayMs: 0 };
      return event.type === 'RESUME' && event.rebootstrap ? { ...resumed, ...underNewEpoch(context) } : resumed;
    }),
  },
}).createMachine({
  id: 'shard-pair',
  context: ({ input: { snapshot, onMissingHistory, delayMs } }) => ({
    resumeTo: snapshot?.resumeTo ?? 'bootstrapping',
    desired: snapshot?.desired ?? 'running',
    failure: snapshot?.failure,
    attempt: 0,
    delayMs,
    epoch: snapshot?.epoch ?? 1,
    raiseEpoch: snapshot?.raiseEpoch ?? false,
    scratches: 0,
    onMissingHistory,
    recorded: snapshot?.state,
  }),
  initial: 'folded',
  on: {
    EPOCH_RAISED: { actions: 'takeEpoch' },
    // Recorded, and no matter of the lifecycle.
    QUARANTINED: {},
    QUARANTINE_RETRY: {},
    REPAIR: {},
    MASS_DELETE_USED: {},
  },
  states: {
    /** Left at once: the state that the journal recorded is taken up, without an event of its own. */
    folded: {
      always: [
        { guard: { type: 'recordedAs', params: { state: 'bootstrapping' } }, target: 'bootstrapping' },
        { guard: { type: 'recordedAs', params: { state: 'following' } }, target: 'following' },
        { guard: { type: 'recordedAs', params: { state: 'retrying' } }, target: 'retrying' },
        { guard: { type: 'recordedAs', params: { state: 'paused' } }, target: 'paused' },
        { guard: { type: 'recordedAs', params: { state: 'fatal' } }, target: 'fatal' },
      ],
      on: {
        STARTED: 'bootstrapping',
      },
    },
    bootstrapping: {
      entry: [
        'nowBootstrapping',
        { type: 'beginWork', params: ({ context }) => workerInput(context, 'run', 'bootstrapping') },
      ],
      exit: 'endWork',
      on: {
        BOOTSTRAPPED: { target: 'following' },
        FAILED: { target: 'retrying', actions: 'recordFailure' },
        FATAL: { target: 'fatal', actions: 'recordFailure' },
        HISTORY_GONE: [
          { guard: 'copiesAnew', target: 'bootstrapping', reenter: true, actions: 'copyUnderNewEpoch' },
          { target: 'fatal', actions: 'recordFailure' },
        ],
        LEASE_EXPIRED: [
          { guard: 'copiesAnew', target: 'bootstrapping', reenter: true, actions: 'copyUnderNewEpoch' },
          { target: 'fatal', actions: 'recordFailure' },
        ],
        ROLLED_BACK: { target: 'bootstrapping', reenter: true, actions: 'copyFromScratch' },
        PAUSE: { actions: ['wantPause', 'drain'] },
        PAUSED: [
          { guard: 'wantsPause', target: 'paused' },
          { target: 'bootstrapping', reenter: true },
        ],
        RESUME: [
          { guard: 'asksRebootstrap', target: 'bootstrapping', reenter: true, actions: 'resumeAsAsked' },
          { actions: 'wantRun' },
        ],
      },
    },
    following: {
      entry: ['nowFollowing', { type: 'beginWork', params: ({ context }) => workerInput(context, 'run', 'following') }],
      exit: 'endWork',
      on: {
        FAILED: { target: 'retrying', actions: 'recordFailure' },
        FATAL: { target: 'fatal', actions: 'recordFailure' },
        HISTORY_GONE: [
          { guard: 'copiesAnew', target: 'bootstrapping', actions: 'copyUnderNewEpoch' },
          { target: 'fatal', actions: 'recordFailure' },
        ],
        LEASE_EXPIRED: [
          { guard: 'copiesAnew', target: 'bootstrapping', actions: 'copyUnderNewEpoch' },
          { target: 'fatal', actions: 'recordFailure' },
        ],
        ROLLED_BACK: { target: 'bootstrapping', actions: 'copyFromScratch' },
        PAUSE: { actions: ['wantPause', 'drain'] },
        PAUSED: [
          { guard: 'wantsPause', target: 'paused' },
          { target: 'following', reenter: true },
        ],
        RESUME: [
          { guard: 'asksRebootstrap', target: 'bootstrapping', actions: 'resumeAsAsked' },
          { actions: 'wantRun' },
        ],
      },
    },
    retrying: {
      initial: 'waiting',
      on: {
        RECOVERED: [
          { guard: 'wasFollowing', target: 'following', actions: 'clearFailure' },
          { target: 'bootstrapping', actions: 'clearFailure' },
        ],
        BOOTSTRAPPED: { target: 'following', actions: 'clearFailure' },
        FATAL: { target: 'fatal', actions: 'recordFailure' },
        HISTORY_GONE: [
          { guard: 'copiesAnew', target: 'bootstrapping', actions: ['clearFailure', 'copyUnderNewEpoch'] },
          { target: 'fatal', actions: 'recordFailure' },
        ],
        LEASE_EXPIRED: [
          { guard: 'copiesAnew', target: 'bootstrapping', actions: ['clearFailure', 'copyUnderNewEpoch'] },
          { target: 'fatal', actions: 'recordFailure' },
        ],
        ROLLED_BACK: { target: 'bootstrapping', actions: ['clearFailure', 'copyFromScratch'] },
        PAUSED: [{ guard: 'wantsPause', target: 'paused' }, { target: '.waiting' }],
        RESUME: [
          { guard: 'asksRebootstrap', target: 'bootstrapping', actions: 'resumeAsAsked' },
          { target: '.attempting', actions: 'wantRun' },
        ],
      },
      states: {
        waiting: {
          always: { guard: 'wantsPause', target: 'draining' },
          after: { backoff: 'attempting' },
          on: {
            PAUSE: { target: 'draining', actions: 'wantPause' },
          },
        },
        attempting: {
          entry: { type: 'beginWork', params: ({ context }) => workerInput(context, 'attempt', context.resumeTo) },
          exit: 'endWork',
          on: {
            FAILED: { target: 'waiting', actions: 'recordFailure' },
            PAUSE: { actions: ['wantPause', 'drain'] },
          },
        },
        draining: {
          entry: { type: 'beginWork', params: ({ context }) => workerInput(context, 'run', context.resumeTo) },
          exit: 'endWork',
        },
      },
    },
    paused: {
      entry: 'clearFailure',
      on: {
        PAUSE: {},
        RESUME: [
          { guard: 'resumesToFollowing', target: 'following', actions: 'resumeAsAsked' },
          { target: 'bootstrapping', actions: 'resumeAsAsked' },
        ],
      },
    },
    fatal: {
      on: {
        PAUSE: { target: 'paused', actions: 'wantPause' },
        RESUME: [
          { guard: 'resumesToFollowing', target: 'following', actions: 'resumeAsAsked' },
          { target: 'bootstrapping', actions: 'resumeAsAsked' },
        ],
      },
    },
  },
});

function workerInput(context: PairContext, mode: 'run' | 'attempt', goal: WorkerInput['goal']): WorkerInput {
  // A pause that was accepted before a restart takes effect first of all.
  return {
    mode: context.desired === 'paused' ? 'drain' : mode,
    goal,
    epoch: context.epoch,
    raiseEpoch: context.raiseEpoch,
    scratches: context.scratches,
  };
}

function underNewEpoch(context: PairContext): { raiseEpoch: true; scratches: number; resumeTo: 'bootstrapping' } {
  return { raiseEpoch: true, scratches: context.scratches + 1, resumeTo: 'bootstrapping' };
}

/** The lifecycle state of a machine state's value. */
export function lifecycleOf(value: string | Record<string, unknown>): Lifecycle | undefined {
  const name = typeof value === 'string' ? value : Object.keys(value)[0];
  return name === 'bootstrapping' ||
    name === 'following' ||
    name === 'retrying' ||
    name === 'paused' ||
    name === 'fatal'
    ? name
    : undefined;
}
