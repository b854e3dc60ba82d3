import type { Clock } from '../ports/clock.ts';

/** Tells whoever waits that something has changed. */
export class Changes {
  readonly #clock: Clock;
  readonly #stop: AbortSignal;
  readonly #listeners = new Set<() => void>();

  /** `stop` ends every wait. */
  constructor(clock: Clock, stop: AbortSignal) {
    this.#clock = clock;
    this.#stop = stop;
  }

  tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Until the condition holds after a change, at the latest after `waitMs`. */
  async until(condition: () => boolean, waitMs: number): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        this.#listeners.delete(check);
        this.#clock.clearTimeout(timer);
        this.#stop.removeEventListener('abort', end);
        resolve();
      };
      const check = (): void => {
        if (condition()) end();
      };
      const timer = this.#clock.setTimeout(end, waitMs);
      this.#listeners.add(check);
      this.#stop.addEventListener('abort', end, { once: true });
    });
  }
}
