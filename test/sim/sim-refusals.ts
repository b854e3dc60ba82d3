import type { DocumentWrite } from '../support/memory-search/memory-shard.ts';
import type { SimOptions } from './sim-options.ts';

/**
 * Which documents the follower refuses. What is refused depends on the document alone, so that it is refused again whenever it is sent, until the
 * mapping is corrected.
 */
export class SimRefusals {
  readonly #share: number;
  #corrected = false;

  constructor({ refusedShare }: SimOptions) {
    this.#share = refusedShare;
  }

  /** Everything is taken from now on. */
  correct(): void {
    this.#corrected = true;
  }

  readonly refuses = (write: Pick<DocumentWrite, 'source'>): boolean => !this.#corrected && this.everRefused(write);

  everRefused({ source }: Pick<DocumentWrite, 'source'>): boolean {
    if (source === undefined || this.#share === 0) return false;
    const { n } = JSON.parse(source) as { n?: number };
    // Spread evenly over the sources, whatever their number.
    return n !== undefined && (n * 0.618_033_988_75) % 1 < this.#share;
  }
}
