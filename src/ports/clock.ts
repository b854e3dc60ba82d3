/** Time and timers. Production: the system's; simulation: a virtual clock. */
export interface Clock {
  /** Milliseconds since the epoch (wall clock: may jump). For events and display only. */
  now(): number;
  /** Milliseconds of a monotonic clock. For intervals and deadlines. */
  monotonic(): number;
  /** Resolves after `ms`, or rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
}
