import type { Clock } from '../ports/clock.ts';

/** Work that begins after the call, and once for all calls that come within `waitMs` of the first. */
export function gathered<T>(clock: Clock, work: () => Promise<T>): (signal: AbortSignal, waitMs: number) => Promise<T> {
  let waiting: Promise<T> | undefined;
  return (signal, waitMs) =>
    (waiting ??= clock
      .sleep(waitMs, signal)
      .finally(() => {
        waiting = undefined;
      })
      .then(work));
}
