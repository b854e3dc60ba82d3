import type { Clock } from '../../ports/clock.ts';

export interface Deadline extends Disposable {
  /** Aborted by the caller's signal or when the time is up. */
  readonly signal: AbortSignal;
  readonly expired: boolean;
  readonly timeoutMs: number;
}

/** `AbortSignal.any` and `AbortSignal.timeout` in one, on the given clock, leaving nothing behind on the caller's (long-lived) signal. */
export function startDeadline(clock: Clock, timeoutMs: number, signal: AbortSignal): Deadline {
  const stop = new AbortController();
  let expired = false;
  const timer = clock.setTimeout(() => {
    expired = true;
    stop.abort();
  }, timeoutMs);
  const onAbort = (): void => stop.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    timeoutMs,
    signal: stop.signal,
    get expired() {
      return expired;
    },
    [Symbol.dispose]() {
      clock.clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    },
  };
}
