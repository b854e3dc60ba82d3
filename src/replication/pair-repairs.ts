import { failed } from '../domain/failure.ts';
import type { RepairKey, RepairOutcome } from '../domain/repair.ts';

interface Asked {
  readonly keys: readonly RepairKey[];
  readonly done: (outcomes: readonly RepairOutcome[]) => void;
}

const DOCUMENTS_MAX = 20_000;
/** Of one repair that fails. Whoever asked is told that it is not effective. */
const TRIES_MAX = 5;

/** Documents of one pair that an operator wants put right; done by its replicator between two cycles. */
export class PairRepairs {
  #asked: readonly Asked[] = [];
  #tries = 0;

  get pending(): boolean {
    return this.#asked.length > 0;
  }

  /** Resolves when all of them were looked at, whatever came of it; in the order of the keys. Throws at once when too many wait. */
  ask(keys: readonly RepairKey[]): Promise<readonly RepairOutcome[]> {
    const waiting = this.#asked.reduce((sum, { keys: { length } }) => sum + length, 0);
    if (waiting + keys.length > DOCUMENTS_MAX)
      throw failed('command_timeout', {
        op: 'repair',
        reason: `${waiting} documents of this pair wait for their repair already`,
      });
    return new Promise((resolve) => {
      this.#asked = [...this.#asked, { keys, done: resolve }];
    });
  }

  /** What fails is tried again, a few times: a document that cannot be asked for must not keep the pair from following. */
  async run(repair: (keys: readonly RepairKey[]) => Promise<readonly RepairOutcome[]>): Promise<void> {
    for (let next = this.#asked[0]; next !== undefined; next = this.#asked[0]) {
      this.#tries += 1;
      try {
        next.done(await repair(next.keys));
      } catch (thrown) {
        if (this.#tries >= TRIES_MAX) this.#end();
        throw thrown;
      }
      this.#end();
    }
  }

  #end(): void {
    this.#asked = this.#asked.slice(1);
    this.#tries = 0;
  }
}
