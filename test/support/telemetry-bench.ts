import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { type OtelNarrator, type OtelNarratorOptions, otelNarrator } from '../../src/infra/telemetry/otel-narrator.ts';
import { runIds } from '../../src/infra/telemetry/run-ids.ts';
import { structuredLog } from '../../src/infra/telemetry/structured-log.ts';

class PulledMetrics extends MetricReader {
  protected override async onShutdown(): Promise<void> {}
  protected override async onForceFlush(): Promise<void> {}
}

export interface MetricPoint {
  readonly metric: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value: unknown;
}

export interface TelemetryBench {
  readonly narrator: OtelNarrator;
  /** A second process on the same collector. */
  another(): OtelNarrator;
  spans(): readonly ReadableSpan[];
  logLines(): readonly Readonly<Record<string, unknown>>[];
  points(): Promise<readonly MetricPoint[]>;
  /** Wall and monotonic time in ms, moved by hand. */
  readonly time: { wallMs: number; monotonicMs: number };
}

/** The OpenTelemetry narrator on exporters in memory and a clock that stands still. */
export function telemetryBench(
  options: Partial<Pick<OtelNarratorOptions, 'sampling' | 'pairMetricsMax' | 'random'>> = {},
): TelemetryBench {
  const exporter = new InMemorySpanExporter();
  const reader = new PulledMetrics();
  const meters = new MeterProvider({ readers: [reader] });
  const lines: Record<string, unknown>[] = [];
  const time = { wallMs: 1_700_000_000_000, monotonicMs: 5_000 };
  const create = (): OtelNarrator => {
    const ids = runIds();
    const tracers = new TracerProvider({ idGenerator: ids, spanProcessors: [new SimpleSpanProcessor({ exporter })] });
    return otelNarrator({
      telemetry: { tracer: tracers.getTracer('test'), meter: meters.getMeter('test'), ids },
      log: structuredLog({
        level: 'debug',
        base: {},
        destination: { write: (line) => void lines.push(JSON.parse(line)) },
      }),
      clock: { now: () => time.wallMs, monotonic: () => time.monotonicMs },
      random: { next: () => 0 },
      sampling: { ratio: 1, perSecondMax: 1000, failuresPerSecondMax: 1000 },
      ...options,
    });
  };
  return {
    time,
    narrator: create(),
    another: create,
    spans: () => exporter.getFinishedSpans(),
    logLines: () => lines,
    async points() {
      const { resourceMetrics } = await reader.collect();
      const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
      return metrics.flatMap((metric) =>
        metric.dataPoints.map(({ attributes, value }) => ({ metric: metric.descriptor.name, attributes, value })),
      );
    },
  };
}
