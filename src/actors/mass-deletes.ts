import { failureOf } from '../domain/failure.ts';
import type { PairFact } from '../domain/journal.ts';
import { pairKey, type PairRef } from '../domain/names.ts';
import type { MassDeleteAllowance } from '../replication/comparison.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import type { PairJournal } from './telling.ts';

export interface MassDeletesOptions extends PairJournal {
  readonly ports: Pick<SupervisorPorts, 'narrator'>;
  readonly pair: PairRef;
}

const CONFLICTS_MAX = 8;

/** What the journal says is allowed, less what was used and is not in the journal yet: that may be away. */
export class MassDeletes implements MassDeleteAllowance {
  readonly #options: MassDeletesOptions;
  #last: string | undefined;

  constructor(options: MassDeletesOptions) {
    this.#options = options;
  }

  get allowedBy(): string | undefined {
    const commandId = this.#options.recorded()?.massDeleteAllowedBy;
    return commandId === this.#last ? undefined : commandId;
  }

  used(commandId: string, documents: number): void {
    this.#last = commandId;
    void this.#tell({ type: 'MASS_DELETE_USED', commandId, documents });
  }

  async #tell(fact: Extract<PairFact, { readonly type: 'MASS_DELETE_USED' }>, tries = 1): Promise<void> {
    const { ports, pair, record } = this.#options;
    try {
      await record({ event: { type: fact.type }, fact });
    } catch (thrown) {
      const failure = failureOf(thrown, 'append');
      // Others decided something else meanwhile: it has been used all the same.
      if (failure.code === 'journal_conflict' && tries < CONFLICTS_MAX) return this.#tell(fact, tries + 1);
      ports.narrator.log('warn', 'a mass delete was not recorded', { pair: pairKey(pair), failure });
    }
  }
}
