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
