import {
  type Context,
  type Link,
  ROOT_CONTEXT,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { TraceRef } from '../../domain/journal.ts';
import type { Narrator } from '../../ports/narrator.ts';
import type { AttributeValue } from './attributes.ts';
import { failureSummary } from './cycle-span.ts';
import { type RunIds, runSpanId } from './run-ids.ts';
import { hrTime, traceTimeline } from './trace-timeline.ts';
import { type Transition, transitionAttributes, transitionName } from './transition-telling.ts';

export interface RunTracesOptions {
  readonly tracer: Tracer;
  readonly ids: RunIds;
  readonly nowMs: () => number;
  readonly attributes: (plain: Readonly<Record<string, unknown>>) => Record<string, AttributeValue>;
}

/** The spans of the runs of pairs. Each is ended as it is started, so nothing waits for a pair to finish. */
export type RunTraces = Pick<Narrator, 'startRun' | 'stateLeft' | 'transition'>;

const MOMENT_US = 1000;

export function runTraces({ tracer, ids, nowMs, attributes }: RunTracesOptions): RunTraces {
  const timeline = traceTimeline();
  return {
    startRun(pair, previousTraceId) {
      const traceId = ids.generateTraceId();
      const startUs = timeline.place(traceId, nowMs());
      const options = {
        root: true,
        startTime: hrTime(startUs),
        attributes: attributes({ pair, previousTraceId }),
        links: previousTraceId === undefined ? [] : [linkToRun(previousTraceId)],
      };
      const start = () => tracer.startSpan(`pair ${pair} run`, options, ROOT_CONTEXT);
      ids.startAs(traceId, runSpanId(traceId), start).end(hrTime(startUs + MOMENT_US));
      return traceId;
    },

    transition(event: Transition, traceId): TraceRef {
      const atUs = timeline.place(traceId, event.atMs);
      const clockWentBackMs = Math.round(atUs / 1000 - event.atMs) || undefined;
      const options = {
        startTime: hrTime(atUs),
        attributes: attributes({ ...transitionAttributes(event), clockWentBackMs }),
        // A link, not the parent: the transitions of a run are one trace, whoever caused them.
        links: event.request === undefined ? [] : [{ context: spanAt(event.request.traceId, event.request.spanId) }],
      };
      const span = tracer.startSpan(transitionName(event), options, childOf(traceId));
      const { state, failure } = event.result;
      if (failure && (state === 'retrying' || state === 'fatal')) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: failureSummary(failure) });
      }
      span.end(hrTime(atUs + MOMENT_US));
      return { traceId, spanId: span.spanContext().spanId };
    },

    stateLeft({ pair, state, enteredAtMs, leftAtMs, traceId, parentSpanId }) {
      // One microsecond after the transition into the state, for viewers order by start.
      const startUs = timeline.placed(traceId, enteredAtMs) + 1;
      const endUs = Math.max(timeline.placed(traceId, leftAtMs), startUs);
      const context = childOf(traceId, parentSpanId);
      tracer
        .startSpan(`state ${state}`, { startTime: hrTime(startUs), attributes: attributes({ pair, state }) }, context)
        .end(hrTime(endUs));
    },
  };
}

export function linkToRun(traceId: string): Link {
  return { context: spanAt(traceId, runSpanId(traceId)) };
}

function childOf(traceId: string, spanId = runSpanId(traceId)): Context {
  return trace.setSpanContext(ROOT_CONTEXT, spanAt(traceId, spanId));
}

function spanAt(traceId: string, spanId: string): Link['context'] {
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
}
