import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';

export interface PacedQueueOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Turns given in one window at full pace; more only so that a long queue is empty after `DRAIN_WINDOWS`. */
  readonly perWindow: number;
}

const WINDOW_MS = 100;
/** However many wait, the last one's turn comes about five seconds after the first. */
const DRAIN_WINDOWS = 50;

/**
 * Turns at a limited rate, in random order. After it was shut, the rate begins with one turn a window and doubles with each window, so that
 * what comes back from an outage is not met by everybody at once.
 */
export class PacedQueue {
  readonly #options: PacedQueueOptions;
  #waiting: (() => void)[] = [];
  #shut = false;
  #quota: number;
  #longest = 0;
  #usedInWindow = 0;
  #windowStartedAtMs = Number.NEGATIVE_INFINITY;
  #timer: unknown;

  constructor(options: PacedQueueOptions) {
    this.#options = options;
    this.#quota = options.perWindow;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Nobody's turn comes until `open`. */
  shut(): void {
    this.#shut = true;
    this.#cancel();
  }

  open(): void {
    if (!this.#shut) return;
    this.#shut = false;
    this.#quota = 1;
    this.#longest = this.#waiting.length;
    this.#windowStartedAtMs = this.#options.clock.monotonic();
    this.#usedInWindow = 0;
    this.#release();
  }

  /** Resolves when it is the caller's turn; rejects with the signal's reason. */
  async turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#enterWindow();
    if (!this.#shut && this.#waiting.length === 0 && this.#usedInWindow < this.#quota) {
      this.#usedInWindow += 1;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => {
      this.#waiting = this.#waiting.filter((other) => other !== resolve);
      if (this.#waiting.length === 0) this.#cancel();
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#insert(resolve);
    this.#longest = Math.max(this.#longest, this.#waiting.length);
    this.#schedule();
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #insert(resolve: () => void): void {
    const at = Math.floor(this.#options.random.next() * (this.#waiting.length + 1));
    const moved = this.#waiting[at];
    if (moved === undefined) this.#waiting.push(resolve);
    else {
      this.#waiting[at] = resolve;
      this.#waiting.push(moved);
    }
  }

  #enterWindow(): void {
    const windows = Math.floor((this.#options.clock.monotonic() - this.#windowStartedAtMs) / WINDOW_MS);
    if (windows < 1) return;
    this.#windowStartedAtMs = Number.isFinite(windows)
      ? this.#windowStartedAtMs + windows * WINDOW_MS
      : this.#options.clock.monotonic();
    this.#usedInWindow = 0;
    const full = Math.max(this.#options.perWindow, Math.ceil(this.#longest / DRAIN_WINDOWS));
    this.#quota = Math.min(full, this.#quota * 2);
  }

  #release(): void {
    this.#timer = undefined;
    this.#enterWindow();
    const now = this.#waiting.splice(0, this.#quota - this.#usedInWindow);
    this.#usedInWindow += now.length;
    for (const resolve of now) resolve();
    if (this.#waiting.length === 0) this.#longest = 0;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#shut || this.#timer !== undefined || this.#waiting.length === 0) return;
    const { clock } = this.#options;
    const dueInMs = Math.max(0, this.#windowStartedAtMs + WINDOW_MS - clock.monotonic());
    this.#timer = clock.setTimeout(() => this.#release(), dueInMs);
  }

  #cancel(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
