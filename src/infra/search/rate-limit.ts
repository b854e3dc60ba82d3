import type { Clock } from '../../ports/clock.ts';

export interface RateLimit {
  /** Resolves when the average is below the limit again; rejects with the signal's reason. */
  admit(signal: AbortSignal): Promise<void>;
  spend(bytes: number): void;
}

/**
 * A token bucket of one second that may go into debt: the size of an answer is known only when it has come, so the next request waits
 * until the debt is paid. The average over time is exact.
 */
export function createRateLimit(bytesPerSecond: number, clock: Clock): RateLimit {
  let tokens = bytesPerSecond;
  let filledAt = clock.monotonic();
  const fill = (): void => {
    const now = clock.monotonic();
    tokens = Math.min(bytesPerSecond, tokens + ((now - filledAt) / 1000) * bytesPerSecond);
    filledAt = now;
  };
  return {
    async admit(signal) {
      for (fill(); tokens < 0; fill()) await clock.sleep(Math.ceil((-tokens / bytesPerSecond) * 1000), signal);
    },
    spend(bytes) {
      fill();
      tokens -= bytes;
    },
  };
}
