import type { HrTime } from '@opentelemetry/api';

/**
 * Places the events of each trace on a time axis on which they stand in the order in which they happened, one microsecond apart
 * at least, even where the wall clock jumped back. After such a jump events keep their distance from each other.
 */
export interface TraceTimeline {
  /** @returns microseconds since the epoch at which to show the next event of the trace. */
  place(traceId: string, atMs: number): number;
  /** Where an event of that time stands, as far as this process remembers; else where the wall clock puts it. */
  placed(traceId: string, atMs: number): number;
}

interface Trace {
  newestUs: number;
  shiftUs: number;
  /** The events that do not stand at their own time: few or none. */
  readonly moved: Map<number, number>;
}

const MOVED_MAX = 50;

/** @param tracesMax the longest unused trace is forgotten above that. */
export function traceTimeline(tracesMax = 10_000): TraceTimeline {
  const traces = new Map<string, Trace>();
  return {
    place(traceId, atMs) {
      const atUs = Math.round(atMs * 1000);
      const trace = traces.get(traceId) ?? { newestUs: Number.NEGATIVE_INFINITY, shiftUs: 0, moved: new Map() };
      let placedUs = atUs;
      if (placedUs <= trace.newestUs) placedUs = atUs + trace.shiftUs;
      if (placedUs <= trace.newestUs) placedUs = trace.newestUs + 1;
      trace.newestUs = placedUs;
      trace.shiftUs = placedUs - atUs;
      if (placedUs !== atUs) keepNewest(trace.moved, atMs, placedUs, MOVED_MAX);
      keepNewest(traces, traceId, trace, tracesMax);
      return placedUs;
    },
    placed: (traceId, atMs) => traces.get(traceId)?.moved.get(atMs) ?? Math.round(atMs * 1000),
  };
}

function keepNewest<K, V>(map: Map<K, V>, key: K, value: V, max: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > max && oldest !== undefined) map.delete(oldest);
}

/** Times go to OpenTelemetry as pairs only: of a plain number it guesses whether it counts from the start of the process. */
export function hrTime(us: number): HrTime {
  const seconds = Math.floor(us / 1_000_000);
  return [seconds, (us - seconds * 1_000_000) * 1000];
}
