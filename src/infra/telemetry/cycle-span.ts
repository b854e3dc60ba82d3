import { ROOT_CONTEXT, SpanStatusCode, type Histogram, type Link, type Tracer } from '@opentelemetry/api';
import type { Failure } from '../../domain/failure.ts';
import type { CycleKind, CycleSpan } from '../../ports/narrator.ts';
import type { CycleSampler } from './cycle-sampler.ts';
import { hrTime } from './trace-timeline.ts';

export interface CycleTelling {
  readonly tracer: Tracer;
  readonly sampler: CycleSampler;
  readonly durations: Histogram;
  readonly clock: { now(): number; monotonic(): number };
  readonly attributes: (plain: Readonly<Record<string, unknown>>) => Record<string, string | number | boolean>;
  readonly metricLabels: (plain: Readonly<Record<string, unknown>>) => Record<string, string | number | boolean>;
}

/**
 * The span is made when the cycle ends: only then is known whether it failed, and cycles that are not told cost next to nothing.
 * Its length comes from the monotonic clock, so it is never negative.
 */
export function cycleSpan(
  telling: CycleTelling,
  cycle: { kind: CycleKind; pair: string; runTraceId: string | undefined; link: Link | undefined },
): CycleSpan {
  const startedAtMs = telling.clock.now();
  const startedMs = telling.clock.monotonic();
  const sampled = telling.sampler.sample();
  const told: Record<string, unknown> = { kind: cycle.kind, pair: cycle.pair, runTraceId: cycle.runTraceId };
  let ended = false;
  return {
    set: (attributes) => void Object.assign(told, attributes),
    end(failure) {
      if (ended) return;
      ended = true;
      const tookMs = Math.max(telling.clock.monotonic() - startedMs, 0);
      telling.durations.record(tookMs / 1000, telling.metricLabels({ kind: cycle.kind, code: failure?.code }));
      if (!sampled && !(failure !== undefined && telling.sampler.sampleFailure())) return;
      const startUs = Math.round(startedAtMs * 1000);
      const span = telling.tracer.startSpan(
        cycle.kind,
        {
          root: true,
          startTime: hrTime(startUs),
          attributes: telling.attributes({ ...told, ...(failure && failureAttributes(failure)) }),
          ...(cycle.link && { links: [cycle.link] }),
        },
        ROOT_CONTEXT,
      );
      if (failure) span.setStatus({ code: SpanStatusCode.ERROR, message: failureSummary(failure) });
      span.end(hrTime(startUs + Math.max(Math.round(tookMs * 1000), 1)));
    },
  };
}

export function failureAttributes(failure: Failure): Record<string, unknown> {
  return {
    code: failure.code,
    failureKind: failure.kind,
    failureOp: failure.op,
    failureReason: failure.reason,
    status: failure.status?.toString(),
  };
}

export function failureSummary(failure: Failure): string {
  return `${failure.code}: ${failure.op}`;
}
