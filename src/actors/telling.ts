import { backoffMs } from '../domain/backoff.ts';
import type { Failure, FailureCode } from '../domain/failure.ts';
import type { PairFact, PairSnapshot } from '../domain/journal.ts';
import type { PairMachineEvent } from '../machines/shard-pair.ts';
import type { WorkOutcome } from './pair-session.ts';

/** One happening, as the machine hears of it and as the journal keeps it. */
export interface Telling {
  readonly event: PairMachineEvent;
  readonly fact: PairFact;
}

/** The journal as the parts of one pair's session know it. */
export interface PairJournal {
  /** Undefined before the first event. */
  readonly recorded: () => PairSnapshot | undefined;
  /** Resolves when it is in the journal, however long that is away. Throws `Failed`. */
  readonly record: (told: Telling) => Promise<void>;
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
  const type = MEANINGS.get(failure.code) ?? (retry.fatal ? 'FATAL' : undefined);
  if (type !== undefined) return { event: { type, failure }, fact: { type, failure } };
  const delayMs = Math.max(failure.retryAfterMs ?? 0, backoffMs(retry.attempt, retry.maxDelayMs, retry.random));
  return { event: { type: 'FAILED', failure, delayMs }, fact: { type: 'FAILED', failure } };
}

const MEANINGS = new Map<FailureCode, 'HISTORY_GONE' | 'LEASE_EXPIRED' | 'ROLLED_BACK'>([
  ['history_changed', 'HISTORY_GONE'],
  ['lease_expired', 'LEASE_EXPIRED'],
  ['follower_rolled_back', 'ROLLED_BACK'],
]);

/** What a command that another supervisor accepted means to the machine; undefined for everything else. */
export function commandEvent(fact: PairFact): PairMachineEvent | undefined {
  if (fact.type === 'PAUSE' || fact.type === 'QUARANTINE_RETRY') return { type: fact.type };
  return fact.type === 'RESUME' ? { type: 'RESUME', rebootstrap: fact.rebootstrap } : undefined;
}
