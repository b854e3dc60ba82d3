import type { Clock } from '../ports/clock.ts';

/** Work that begins after the call, and once for all calls that come within `waitMs` of the first. */
export function gathered<T>(clock: Clock, waitMs: number, work: () => Promise<T>): (signal: AbortSignal) => Promise<T> {
  let waiting: Promise<T> | undefined;
  return (signal) =>
    (waiting ??= clock
      .sleep(waitMs, signal)
      .finally(() => {
        waiting = undefined;
      })
      .then(work));
}
