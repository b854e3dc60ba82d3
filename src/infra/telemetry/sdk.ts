import { type Meter, type Tracer, context, diag, logs, metrics, propagation, trace } from '@opentelemetry/api';
import { type DiagnosticsOptions, quietDiagnostics } from './quiet-diagnostics.ts';
import { type RunIds, runIds } from './run-ids.ts';

export interface TelemetryOptions extends DiagnosticsOptions {
  /** `none`: nothing leaves, trace ids are made all the same. */
  readonly exporter: 'otlp' | 'zipkin' | 'none';
  /** Where the collector listens, e.g. `http://127.0.0.1:4318` or `http://127.0.0.1:9411`; the usual port of this machine by default. */
  readonly endpoint?: string;
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** Tells the processes of one service apart. */
  readonly instanceId: string;
}

export interface Telemetry {
  readonly tracer: Tracer;
  readonly meter: Meter;
  readonly ids: RunIds;
  /** Sends what is waiting; returns after `CLOSE_TIMEOUT_MS` at the latest and never throws. */
  flush(): Promise<void>;
  /**
   * Sends what is waiting and ends; as bounded as `flush`. An export to a collector that does not answer may stay open after that:
   * end the process by `process.exit`.
   */
  shutdown(): Promise<void>;
}

export const CLOSE_TIMEOUT_MS = 3000;
const SCOPE = 'slipstream';

/**
 * One at a time in a process: OpenTelemetry's registries are global. The settings reach the SDK as defaults of its own `OTEL_*`
 * variables, so each of them that an operator has set wins by construction, whatever it is.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const ids = runIds();
  const defaults = environmentDefaults(options);
  const none = ['OTEL_TRACES_EXPORTER', 'OTEL_METRICS_EXPORTER'].every(
    (name) => (process.env[name] || defaults[name]) === 'none',
  );
  if (none) {
    const nothing = async (): Promise<void> => undefined;
    return { tracer: trace.getTracer(SCOPE), meter: metrics.getMeter(SCOPE), ids, flush: nothing, shutdown: nothing };
  }
  // Loaded only when wanted: it costs a quarter of a second and 40 MB.
  const { NodeSDK } = await import('@opentelemetry/sdk-node');
  const sdk = withEnvironment(defaults, () => {
    if (!process.env['OTEL_LOG_LEVEL']) diag.setLogger(quietDiagnostics(options));
    const node = new NodeSDK({ idGenerator: ids, textMapPropagator: null, logRecordProcessors: [] });
    node.start();
    return node;
  });
  return {
    tracer: trace.getTracer(SCOPE, options.serviceVersion),
    meter: metrics.getMeter(SCOPE, options.serviceVersion),
    ids,
    flush: () => bounded(Promise.all([trace.getTracerProvider(), metrics.getMeterProvider()].map(flushed))),
    async shutdown() {
      await bounded(sdk.shutdown());
      for (const registry of [trace, metrics, logs, context, propagation, diag]) registry.disable();
    },
  };
}

function environmentDefaults(options: TelemetryOptions): Record<string, string> {
  const { exporter, endpoint } = options;
  const resource = Object.entries({
    'service.name': options.serviceName,
    'service.version': options.serviceVersion,
    'service.instance.id': options.instanceId,
  });
  const operators = process.env['OTEL_RESOURCE_ATTRIBUTES'];
  return {
    OTEL_TRACES_EXPORTER: exporter,
    // Zipkin takes traces only.
    OTEL_METRICS_EXPORTER: exporter === 'otlp' ? 'otlp' : 'none',
    ...(exporter === 'otlp' && endpoint !== undefined && { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }),
    ...(exporter === 'zipkin' && endpoint !== undefined && { OTEL_EXPORTER_ZIPKIN_ENDPOINT: zipkinSpansUrl(endpoint) }),
    // The other detectors would tell every backend of the command line, user and host.
    OTEL_NODE_RESOURCE_DETECTORS: 'env',
    OTEL_RESOURCE_ATTRIBUTES: [
      ...resource.map(([key, value]) => `${key}=${encodeURIComponent(value)}`),
      ...(operators ? [operators] : []),
    ].join(','),
    // A person watches: a transition shows within a second.
    OTEL_BSP_SCHEDULE_DELAY: '1000',
    OTEL_BSP_MAX_QUEUE_SIZE: '4096',
    OTEL_BSP_EXPORT_TIMEOUT: '10000',
    OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
    OTEL_METRIC_EXPORT_INTERVAL: '15000',
    OTEL_METRIC_EXPORT_TIMEOUT: '10000',
  };
}

function zipkinSpansUrl(endpoint: string): string {
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = '/api/v2/spans';
  return url.href;
}

/** Runs `start` with variables set that were not, except resource attributes, which are joined with the operator's. */
function withEnvironment<T>(defaults: Readonly<Record<string, string>>, start: () => T): T {
  const before = { ...process.env };
  try {
    for (const [name, value] of Object.entries(defaults)) {
      if (!process.env[name] || name === 'OTEL_RESOURCE_ATTRIBUTES') process.env[name] = value;
    }
    return start();
  } finally {
    for (const name of Object.keys(defaults)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
}

async function flushed(provider: object): Promise<void> {
  const target: unknown =
    'getDelegate' in provider && typeof provider.getDelegate === 'function' ? provider.getDelegate() : provider;
  if (
    typeof target === 'object' &&
    target !== null &&
    'forceFlush' in target &&
    typeof target.forceFlush === 'function'
  )
    await target.forceFlush();
}

async function bounded(work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, CLOSE_TIMEOUT_MS);
  await Promise.race([work.catch((thrown: unknown) => diag.error(String(thrown))), late.promise]);
  clearTimeout(timer);
}
