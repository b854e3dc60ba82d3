import { TRACE_PARENT_HEADER, parseTraceParent } from '@opentelemetry/core';
import type { TraceRef } from '../../domain/journal.ts';

/** Writes the W3C `traceparent` header, so that whoever reads the message can go on with the trace. */
export function injectTrace(trace: TraceRef, headers: Map<string, string>): void {
  headers.set(TRACE_PARENT_HEADER, `00-${trace.traceId}-${trace.spanId}-01`);
}

/** The trace that a message belongs to; undefined when it names none or not in the form of the W3C recommendation. */
export function extractTrace(headers: ReadonlyMap<string, string>): TraceRef | undefined {
  const parent = parseTraceParent(headers.get(TRACE_PARENT_HEADER) ?? '');
  return parent === null ? undefined : { traceId: parent.traceId, spanId: parent.spanId };
}
