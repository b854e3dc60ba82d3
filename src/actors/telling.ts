import { backoffMs } from '../domain/backoff.ts';
import type { Failure } from '../domain/failure.ts';
import type { PairFact } from '../domain/journal.ts';
import type { PairMachineEvent } from '../machines/shard-pair.ts';
import type { WorkOutcome } from './pair-session.ts';

/** One happening, as the machine hears of it and as the journal keeps it. */
export interface Telling {
  readonly event: PairMachineEvent;
  readonly fact: PairFact;
}

export function tellingOf(outcome: WorkOutcome): Telling {
  switch (outcome.type) {
    case 'PAUSED':
    case 'BOOTSTRAPPED':
      return { event: { type: outcome.type }, fact: outcome };
    case 'RECOVERED':
      return { event: outcome, fact: outcome };
  }
}

/** A failure that ended the work. `fatal`: for whoever knows more than its kind says. */
export function tellingOfFailure(
  failure: Failure,
  retry: { readonly fatal: boolean; readonly attempt: number; readonly maxDelayMs: number; readonly random: number },
): Telling {
  switch (failure.code) {
    case 'history_changed':
      return { event: { type: 'HISTORY_GONE', failure }, fact: { type: 'HISTORY_GONE', failure } };
    case 'lease_expired':
      return { event: { type: 'LEASE_EXPIRED', failure }, fact: { type: 'LEASE_EXPIRED', failure } };
    case 'follower_rolled_back':
      return { event: { type: 'ROLLED_BACK', failure }, fact: { type: 'ROLLED_BACK', failure } };
    default: {
      if (retry.fatal) return { event: { type: 'FATAL', failure }, fact: { type: 'FATAL', failure } };
      const delayMs = Math.max(failure.retryAfterMs ?? 0, backoffMs(retry.attempt, retry.maxDelayMs, retry.random));
      return { event: { type: 'FAILED', failure, delayMs }, fact: { type: 'FAILED', failure } };
    }
  }
}

/** What a command that another supervisor accepted means to the machine; undefined for everything else. */
export function commandEvent(fact: PairFact): PairMachineEvent | undefined {
  switch (fact.type) {
    case 'PAUSE':
    case 'QUARANTINE_RETRY':
      return { type: fact.type };
    case 'RESUME':
      return { type: 'RESUME', rebootstrap: fact.rebootstrap };
    default:
      return undefined;
  }
}
