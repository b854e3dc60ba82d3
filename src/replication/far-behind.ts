/** Sequence numbers: a way longer than this is gone in parallel ranges. */
const FAR = 20_000;
/** Of the time, for refreshes of a leader that is far ahead. */
const REFRESH_SHARE = 0.1;
const APART_MAX_MS = 5000;

/** How many operations, by sequence numbers, are still to be looked at. */
export function farBehind(operations: number): boolean {
  return operations > FAR;
}

export interface RefreshPace {
  readonly operationsBehind: number;
  /** How long the last one took. */
  readonly refreshMs: number;
  /** As the follow command asked for it. */
  readonly leastMs: number;
}

/**
 * Least time between two refreshes of the leader for new operations. Who is far behind a leader for which they are dear stays so for seconds anyway:
 * it is refreshed less often, which saves small segments and their merges, and the next step is as much longer.
 */
export function refreshApartMs({ operationsBehind, refreshMs, leastMs }: RefreshPace): number {
  if (!farBehind(operationsBehind)) return leastMs;
  return Math.max(leastMs, Math.min(APART_MAX_MS, refreshMs / REFRESH_SHARE));
}
