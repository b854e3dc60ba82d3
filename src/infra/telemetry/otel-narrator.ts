import type { Counter } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { PairStatus } from '../../domain/commands.ts';
import type { Outage } from '../../domain/outage.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Narrator } from '../../ports/narrator.ts';
import type { Random } from '../../ports/random.ts';
import { type AttributeValue, exported } from './attributes.ts';
import { type CycleTelling, cycleSpan } from './cycle-span.ts';
import { type CycleSampling, DEFAULT_CYCLE_SAMPLING, cycleSampler } from './cycle-sampler.ts';
import { observeOutages } from './cluster-metrics.ts';
import { observeStatus, pairLabels } from './pair-metrics.ts';
import { linkToRun, runTraces } from './run-traces.ts';
import type { Telemetry } from './sdk.ts';
import { type LogLevel, tellable, tellableText } from './structured-log.ts';
import { transitionAttributes, transitionLevel, transitionName } from './transition-telling.ts';

export interface OtelNarratorOptions {
  readonly telemetry: Pick<Telemetry, 'tracer' | 'meter' | 'ids'>;
  readonly log: Logger;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly random: Pick<Random, 'next'>;
  readonly sampling?: CycleSampling;
  /** Up to so many pairs have metrics of their own; above, those of an index share them. 200 by default. */
  readonly pairMetricsMax?: number;
}

export interface OtelNarrator extends Narrator {
  /** Gauges of all pairs and clusters are read from there whenever metrics are exported. @returns ends that. */
  observeStatus(
    status: () => readonly PairStatus[],
    outages: () => ReadonlyMap<string, Outage | undefined>,
  ): () => void;
}

/** Tells by OpenTelemetry and pino. What the spans look like and why: `docs/adr/0006-traces-of-a-pair.md`. */
export function otelNarrator(options: OtelNarratorOptions): OtelNarrator {
  const { telemetry, clock } = options;
  const { tracer, meter } = telemetry;
  const labels = pairLabels(options.pairMetricsMax ?? 200);
  const counters = new Map<string, Counter>();
  const unknownKeys = new Set<string>();

  const log = (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void =>
    options.log[level](tellable(fields), tellableText(message));
  const dropped = (key: string): void => {
    if (unknownKeys.has(key) || unknownKeys.size >= 100) return;
    unknownKeys.add(key);
    log('debug', 'attribute is not among those that may be exported', { attribute: key });
  };
  const attributes = (plain: Readonly<Record<string, unknown>>): Record<string, AttributeValue> =>
    exported(plain, 'span', dropped);
  const metricLabels = (plain: Readonly<Record<string, unknown>>): Record<string, AttributeValue> => {
    const pair = plain['pair'];
    return exported(typeof pair === 'string' ? { ...plain, ...labels.of(pair) } : plain, 'metric', dropped);
  };
  const cycles: CycleTelling = {
    tracer,
    clock,
    attributes,
    metricLabels,
    sampler: cycleSampler(
      options.sampling ?? DEFAULT_CYCLE_SAMPLING,
      () => options.random.next(),
      () => clock.monotonic(),
    ),
    durations: meter.createHistogram('slipstream.cycle.duration', {
      unit: 's',
      description: 'Time of one cycle, by kind',
    }),
  };

  function count(metric: string, value: number, plain: Readonly<Record<string, unknown>> = {}): void {
    const name = metric.startsWith('slipstream.') ? metric : `slipstream.${metric}`;
    const counter = counters.get(name) ?? meter.createCounter(name);
    counters.set(name, counter);
    counter.add(value, metricLabels(plain));
  }

  const runs = runTraces({ tracer, ids: telemetry.ids, nowMs: () => clock.now(), attributes });

  return {
    startRun: runs.startRun,
    stateLeft: runs.stateLeft,
    transition(event, traceId) {
      const trace = runs.transition(event, traceId);
      const plain = transitionAttributes(event);
      const { pair, from, to, event: type, code } = plain;
      count('pair.transitions', 1, { pair, from, to, event: type, code });
      log(transitionLevel(event), `pair ${String(pair)}: ${transitionName(event)}`, {
        ...plain,
        hint: event.result.failure?.hint,
        trace_id: trace.traceId,
        span_id: trace.spanId,
      });
      return trace;
    },
    span(kind, pair, runTraceId) {
      const link = runTraceId === undefined ? undefined : linkToRun(runTraceId);
      return cycleSpan(cycles, { kind, pair, runTraceId, link });
    },
    count,
    log,
    observeStatus(status, outages) {
      const ends = [observeStatus(meter, labels, status), observeOutages(meter, outages, () => clock.now())];
      return () => ends.forEach((end) => end());
    },
  };
}
