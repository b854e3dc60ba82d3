import { type Failure, failed } from '../../src/domain/failure.ts';
import { EVENT_VERSION, type Lifecycle, type PairEvent, type PairFact } from '../../src/domain/journal.ts';
import { type PairRef, pairKey } from '../../src/domain/names.ts';
import type { Narrator } from '../../src/ports/narrator.ts';

export const pair: PairRef = { follower: { cluster: 'replica', index: 'cities' }, shard: 0 };

export const unreachable: Failure = failed('cluster_unreachable', {
  op: 'leader search',
  reason: 'connect ECONNREFUSED',
  cluster: 'main',
  status: 503,
}).failure;

export interface LifeStep {
  readonly from: Lifecycle | 'none';
  readonly to: Lifecycle;
  readonly fact: PairFact;
  /** Since the run began. */
  readonly afterMs: number;
  readonly cause?: string;
  readonly by?: string;
}

/** A pair is copied, loses its leader, finds it again, and is paused and resumed by an operator. */
export const life: readonly LifeStep[] = [
  { from: 'none', to: 'bootstrapping', fact: { type: 'STARTED' }, afterMs: 2, cause: 'command:c1', by: 'ada@console' },
  { from: 'bootstrapping', to: 'following', fact: { type: 'BOOTSTRAPPED', checkpoint: 67_616 }, afterMs: 9_400 },
  { from: 'following', to: 'retrying', fact: { type: 'FAILED', failure: unreachable }, afterMs: 15_000 },
  { from: 'retrying', to: 'retrying', fact: { type: 'FAILED', failure: unreachable }, afterMs: 16_300, cause: 'timer' },
  { from: 'retrying', to: 'following', fact: { type: 'RECOVERED' }, afterMs: 19_000, cause: 'timer' },
  {
    from: 'following',
    to: 'following',
    fact: { type: 'PAUSE', commandId: 'c2' },
    afterMs: 26_000,
    cause: 'command:c2',
    by: 'ada@console',
  },
  { from: 'following', to: 'paused', fact: { type: 'PAUSED', checkpoint: 70_119 }, afterMs: 26_120 },
  {
    from: 'paused',
    to: 'following',
    fact: { type: 'RESUME', commandId: 'c3', rebootstrap: false },
    afterMs: 33_000,
    cause: 'command:c3',
    by: 'ada@console',
  },
];

export function transitionOf(
  step: LifeStep,
  run: { readonly traceId: string; readonly startedAtMs: number },
): Omit<PairEvent, 'trace'> {
  const failure = 'failure' in step.fact ? { failure: step.fact.failure } : {};
  return {
    id: `event-${step.afterMs}`,
    version: EVENT_VERSION,
    atMs: run.startedAtMs + step.afterMs,
    cause: step.cause ?? 'cycle',
    ...(step.by !== undefined && { by: step.by }),
    term: 1,
    pair,
    fact: step.fact,
    from: step.from,
    result: {
      state: step.to,
      followId: 'c1',
      resumeTo: step.to === 'bootstrapping' ? 'bootstrapping' : 'following',
      desired: step.fact.type === 'PAUSE' || step.to === 'paused' ? 'paused' : 'running',
      epoch: 1,
      ...failure,
      run: { ...run, transitions: 1 },
    },
  };
}

/** Tells steps of a life as the owner of a pair does; `entered` says since when the state before the first step lasted. */
export function tellLife(
  narrator: Narrator,
  steps: readonly LifeStep[],
  run: { readonly traceId: string; readonly startedAtMs: number },
  enteredAtMs = run.startedAtMs,
): number {
  let entered = enteredAtMs;
  for (const step of steps) {
    const event = transitionOf(step, run);
    narrator.transition(event, run.traceId);
    if (step.from === step.to) continue;
    if (step.from !== 'none')
      narrator.stateLeft({
        pair: pairKey(pair),
        state: step.from,
        enteredAtMs: entered,
        leftAtMs: event.atMs,
        traceId: run.traceId,
      });
    entered = event.atMs;
  }
  return entered;
}
