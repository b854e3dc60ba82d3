import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { type NarratorBench, testNarrator } from '../../conformance/narrator.suite.ts';
import { memoryNarrator } from '../../support/memory-narrator.ts';
import { telemetryBench } from '../../support/telemetry-bench.ts';

testNarrator('in memory', (): NarratorBench => {
  const narrator = memoryNarrator();
  return {
    narrator,
    told: () => ({
      runs: narrator.runs,
      transitions: narrator.transitions.map(({ event, traceId, spanId }) => ({
        from: event.from,
        to: event.result.state,
        event: event.fact.type,
        traceId,
        spanId,
      })),
      states: narrator.states.map(({ state, traceId, enteredAtMs, leftAtMs }) => ({
        state,
        traceId,
        durationMs: leftAtMs - enteredAtMs,
      })),
      cycles: narrator.cycles.map(({ kind, pair, attributes, failure }) => ({
        kind,
        pair,
        operations: attributes['operations'],
        failure: failure?.code,
      })),
      logs: narrator.logs.map(({ level, message }) => ({ level, message })),
      counted: async (metric) => narrator.total(metric),
    }),
  };
});

testNarrator('OpenTelemetry', (): NarratorBench => {
  const { narrator, spans, logLines, points } = telemetryBench();
  const attribute = (span: ReadableSpan, name: string): string => String(span.attributes[`slipstream.${name}`]);
  const traceId = (span: ReadableSpan): string => span.spanContext().traceId;
  return {
    narrator,
    told: () => ({
      runs: spans()
        .filter((span) => span.name.endsWith(' run'))
        .map((span) => ({
          pair: attribute(span, 'pair'),
          traceId: traceId(span),
          previousTraceId: span.links[0]?.context.traceId,
        })),
      transitions: spans()
        .filter((span) => span.name.includes(' -> '))
        .map((span) => ({
          from: attribute(span, 'from'),
          to: attribute(span, 'to'),
          event: attribute(span, 'event'),
          traceId: traceId(span),
          spanId: span.spanContext().spanId,
        })),
      states: spans()
        .filter((span) => span.name.startsWith('state '))
        .map((span) => ({
          state: attribute(span, 'state'),
          traceId: traceId(span),
          durationMs: span.duration[0] * 1e3 + span.duration[1] / 1e6,
        })),
      cycles: spans()
        .filter((span) => span.attributes['slipstream.kind'] !== undefined)
        .map((span) => {
          const failure = span.attributes['error.type'];
          return {
            kind: attribute(span, 'kind'),
            pair: attribute(span, 'pair'),
            operations: span.attributes['slipstream.operations'],
            failure: typeof failure === 'string' ? failure : undefined,
          };
        }),
      logs: logLines().map((line) => ({ level: String(line['level']), message: String(line['message']) })),
      counted: async (metric) =>
        (await points())
          .filter((point) => point.metric === `slipstream.${metric}`)
          .reduce((sum, point) => sum + Number(point.value), 0),
    }),
  };
});
