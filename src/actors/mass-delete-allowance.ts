import { failureOf, type Failure } from '../domain/failure.ts';
import type { PairFact } from '../domain/journal.ts';
import type { MassDeleteAllowance } from '../replication/comparison.ts';

type Used = Extract<PairFact, { readonly type: 'MASS_DELETE_USED' }>;

export interface MassDeleteAllowanceOptions {
  /** The command that the journal says allows it. */
  readonly recorded: () => string | undefined;
  /** Resolves when the fact is in the journal. Throws `Failed`. */
  readonly record: (fact: Used) => Promise<void>;
  readonly failed: (failure: Failure) => void;
}

const CONFLICTS_MAX = 8;

/** What the journal says is allowed, less what was used and is not in the journal yet: that may be away. */
export function massDeleteAllowance({ recorded, record, failed }: MassDeleteAllowanceOptions): MassDeleteAllowance {
  let last: string | undefined;
  const tell = async (fact: Used, tries = 1): Promise<void> => {
    try {
      await record(fact);
    } catch (thrown) {
      const failure = failureOf(thrown, 'append');
      // Others decided something else meanwhile: it has been used all the same.
      if (failure.code === 'journal_conflict' && tries < CONFLICTS_MAX) return tell(fact, tries + 1);
      failed(failure);
    }
  };
  return {
    get allowedBy() {
      const commandId = recorded();
      return commandId === last ? undefined : commandId;
    },
    used(commandId, documents) {
      last = commandId;
      void tell({ type: 'MASS_DELETE_USED', commandId, documents });
    },
  };
}
