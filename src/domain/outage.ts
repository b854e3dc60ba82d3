import type { Failure } from './failure.ts';

/** A cluster that does not answer as a whole; there is one for all its pairs. Times are those of the wall clock. */
export interface Outage {
  readonly cluster: string;
  readonly sinceMs: number;
  /** Absent while a probe is under way. */
  readonly nextProbeAtMs?: number;
  /** Probes that failed. */
  readonly probes: number;
  /** Pairs that wait for the cluster. */
  readonly waiting: number;
  /** Of the last probe. */
  readonly failure: Failure;
}
