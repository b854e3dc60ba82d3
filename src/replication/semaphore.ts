/** So many at once; first come, first served. */
export class Semaphore {
  readonly #permits: (waiting: number) => number;
  readonly #waiters: (() => void)[] = [];
  #underWay = 0;

  /** `permits` as a function: of how many wait. */
  constructor(permits: number | ((waiting: number) => number)) {
    this.#permits = typeof permits === 'number' ? () => permits : permits;
  }

  async use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#take(signal);
    try {
      return await work();
    } finally {
      this.#underWay -= 1;
      this.#grant();
    }
  }

  get free(): boolean {
    return this.#waiters.length === 0 && this.#underWay < this.#permits(0);
  }

  /** Gives back what was taken when it is called; undefined: none is free. */
  tryTake(): (() => void) | undefined {
    if (!this.free) return undefined;
    this.#underWay += 1;
    let taken = true;
    return () => {
      if (taken) this.#underWay -= 1;
      taken = false;
      this.#grant();
    };
  }

  #grant(): void {
    while (this.#waiters.length > 0 && this.#underWay < this.#permits(this.#waiters.length)) {
      this.#underWay += 1;
      this.#waiters.shift()?.();
    }
  }

  async #take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.free) {
      this.#underWay += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const granted = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(granted), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(granted);
    });
  }
}
