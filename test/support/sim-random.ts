import type { Random } from '../../src/ports/random.ts';
import { seededRandom } from './seeded-random.ts';

/** Draws of a simulation: the same seed gives the same draws. */
export class SimRandom implements Random {
  readonly #uniform: () => number;
  #ids = 0;

  constructor(seed: number) {
    this.#uniform = seededRandom(seed);
  }

  next(): number {
    return this.#uniform();
  }

  id(): string {
    this.#ids += 1;
    return `id-${String(this.#ids).padStart(6, '0')}-${Math.floor(this.#uniform() * 2 ** 32).toString(36)}`;
  }

  chance(probability: number): boolean {
    return this.#uniform() < probability;
  }

  /** A whole number in [0, end). */
  below(end: number): number {
    return Math.floor(this.#uniform() * end);
  }

  /** A whole number in [from, to]. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  pick<T>(first: T, ...rest: readonly T[]): T {
    return [first, ...rest][this.below(rest.length + 1)] ?? first;
  }
}
