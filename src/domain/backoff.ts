/**
 * Exponential back-off with full jitter (Elastic CCR 2.6, with the documented cap): uniform in [0, min(capMs, 50 ms * 2^(attempt-1))].
 * Never gives up; zero is possible.
 *
 * @param uniform uniform in [0, 1)
 * @param attempt from 1
 */
export function backoffMs(attempt: number, capMs: number, uniform: number): number {
  const ceiling = Math.min(capMs, 50 * 2 ** Math.min(attempt - 1, 24));
  return Math.floor(uniform * (ceiling + 1));
}
