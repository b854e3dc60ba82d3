import type { PairFact } from '../../src/domain/journal.ts';
import type { PairMachineEvent } from '../../src/machines/shard-pair.ts';

/** The machine's event that an actor records as this fact; undefined for what is recorded past the machine. */
export function machineEvent(fact: PairFact): PairMachineEvent | undefined {
  switch (fact.type) {
    case 'FAILED':
      return { ...fact, delayMs: 0 };
    case 'RESUME':
      return { type: 'RESUME', rebootstrap: fact.rebootstrap };
    case 'EPOCH_RAISED':
      return { type: 'EPOCH_RAISED', epoch: fact.epoch };
    case 'FATAL':
    case 'HISTORY_GONE':
    case 'LEASE_EXPIRED':
    case 'ROLLED_BACK':
      return fact;
    case 'STARTED':
    case 'BOOTSTRAPPED':
    case 'PAUSE':
    case 'PAUSED':
    case 'RECOVERED':
    case 'QUARANTINED':
    case 'QUARANTINE_RETRY':
    case 'REPAIR':
    case 'MASS_DELETE_USED':
      return { type: fact.type };
    case 'REBUILT':
    case 'TAKEN_OVER':
      return undefined;
  }
}
