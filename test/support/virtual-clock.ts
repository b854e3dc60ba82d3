import type { Clock } from '../../src/ports/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
  state: 'set' | 'ran' | 'cleared';
}

/** Time that stands still until it is told to go on. Timers of one instant run in the order in which they were set. */
export class VirtualClock implements Clock {
  /** A binary heap, the earliest first. */
  readonly #heap: Timer[] = [];
  #pending = 0;
  #nowMs = 0;
  #order = 0;
  /** Timers that have run. */
  steps = 0;

  now(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  // Bound, since the machine's library takes them off the object.
  readonly monotonic = (): number => this.#nowMs;

  readonly setTimeout = (callback: () => void, ms: number): unknown => {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, ms), order: (this.#order += 1), callback, state: 'set' };
    this.#pending += 1;
    this.#heap.push(timer);
    this.#rise(this.#heap.length - 1);
    return timer;
  };

  readonly clearTimeout = (handle: unknown): void => {
    const timer = handle as Timer | undefined;
    if (timer?.state !== 'set') return;
    timer.state = 'cleared';
    this.#pending -= 1;
  };

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.clearTimeout(timer);
        reject(signal?.reason as Error);
      };
      const timer = this.setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Timers that have not run. */
  get pending(): number {
    return this.#pending;
  }

  /** Time of the next timer; undefined when there is none. */
  get nextAtMs(): number | undefined {
    this.#dropCleared();
    return this.#heap[0]?.atMs;
  }

  /** Goes to the next timer and runs it. False: there is none. What it sets off in promises runs when the caller lets it. */
  runNext(): boolean {
    this.#dropCleared();
    const timer = this.#pop();
    if (timer === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    this.steps += 1;
    this.#pending -= 1;
    timer.state = 'ran';
    timer.callback();
    return true;
  }

  /** Runs everything that is due within `ms`, without letting promises run in between. */
  advance(ms: number): void {
    const end = this.#nowMs + ms;
    for (let at = this.nextAtMs; at !== undefined && at <= end; at = this.nextAtMs) this.runNext();
    this.#nowMs = end;
  }

  /** The machine sleeps: what was due meanwhile runs late, in its order. */
  leap(ms: number): void {
    this.#nowMs += ms;
  }

  #dropCleared(): void {
    while (this.#heap[0]?.state === 'cleared') this.#pop();
  }

  #pop(): Timer | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first !== undefined && last !== undefined && first !== last) {
      this.#heap[0] = last;
      this.#sink(0);
    }
    return first;
  }

  #rise(from: number): void {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#swapIfEarlier(at, parent)) return;
      at = parent;
    }
  }

  #sink(from: number): void {
    for (let at = from; ;) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      const child = right < this.#heap.length && this.#earlier(right, left) ? right : left;
      if (child >= this.#heap.length || !this.#swapIfEarlier(child, at)) return;
      at = child;
    }
  }

  #earlier(one: number, other: number): boolean {
    const [a, b] = [this.#heap[one], this.#heap[other]];
    if (a === undefined || b === undefined) return false;
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
  }

  #swapIfEarlier(child: number, parent: number): boolean {
    const [a, b] = [this.#heap[child], this.#heap[parent]];
    if (a === undefined || b === undefined || !this.#earlier(child, parent)) return false;
    this.#heap[parent] = a;
    this.#heap[child] = b;
    return true;
  }
}
