/** Sequence numbers: a way longer than this is gone in parallel ranges. */
const FAR = 20_000;
/**
 * Who is that far behind a leader that is written to stays so for seconds anyway: the leader is refreshed for it less often, which saves small
 * segments and their merges, and the next step is as much longer. A core that indexes and serves a follower did 0.82 instead of 0.75 of what it did alone.
 */
const FAR_REFRESH_MS = 5000;

/** How many operations, by sequence numbers, are still to be looked at. */
export function farBehind(operations: number): boolean {
  return operations > FAR;
}

/** Least time between two refreshes of the leader. `leastMs`: as the follow command asked for it. */
export function refreshApartMs(operationsBehind: number, leastMs: number): number {
  return farBehind(operationsBehind) ? Math.max(leastMs, FAR_REFRESH_MS) : leastMs;
}
