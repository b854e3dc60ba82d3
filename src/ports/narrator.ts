import type { Failure } from '../domain/failure.ts';
import type { PairEvent, TraceRef } from '../domain/journal.ts';

export type CycleKind = 'cycle' | 'bootstrap-range' | 'delete-scan' | 'recount' | 'position-save' | 'metadata-sync';

export interface CycleSpan {
  set(attributes: Readonly<Record<string, string | number | boolean>>): void;
  end(failure?: Failure): void;
}

/**
 * One telling of what happens: log line, span and metric at once, so that nothing is silent or told twice.
 * Never given secrets or document content.
 */
export interface Narrator {
  /** A new trace for a run of a pair, linked to the trace before, if any. */
  startRun(pair: string, previousTraceId: string | undefined): string;
  /**
   * A transition, at once a short span in the run's trace named `pair.<from> -> <to>`; gives its context for the event. Called with
   * the event before it is appended (its `trace` is the answer of this call).
   */
  transition(event: Omit<PairEvent, 'trace'>, traceId: string): TraceRef;
  /** The span of a state's whole duration, told when it is left. */
  stateLeft(details: {
    pair: string;
    state: string;
    enteredAtMs: number;
    leftAtMs: number;
    traceId: string;
    parentSpanId?: string;
  }): void;
  /** A sampled trace of its own, linked to the pair's run. */
  span(kind: CycleKind, pair: string, traceId: string | undefined): CycleSpan;
  count(metric: string, value: number, attributes?: Readonly<Record<string, string | number>>): void;
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: Readonly<Record<string, unknown>>): void;
}
