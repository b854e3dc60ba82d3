import type { Clock } from '../ports/clock.ts';

/** Adds up for how long something was waited for. */
export class Stopwatch {
  readonly #clock: Clock;
  #ms = 0;
  /** Undefined while it stands. */
  #sinceMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** With what is being waited for now. */
  get ms(): number {
    return this.#ms + (this.#sinceMs === undefined ? 0 : this.#clock.monotonic() - this.#sinceMs);
  }

  /** The same values; what is done about one is not counted. */
  async *waitingFor<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
    const values = source[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#timed(() => values.next());
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await values.return?.();
    }
  }

  async #timed<T>(wait: () => Promise<T>): Promise<T> {
    this.#sinceMs = this.#clock.monotonic();
    try {
      return await wait();
    } finally {
      this.#ms = this.ms;
      this.#sinceMs = undefined;
    }
  }
}
