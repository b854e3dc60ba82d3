import { pairKey } from '../../src/domain/names.ts';
import { otelNarrator } from '../../src/infra/telemetry/otel-narrator.ts';
import { startTelemetry } from '../../src/infra/telemetry/sdk.ts';
import { structuredLog } from '../../src/infra/telemetry/structured-log.ts';
import { life, pair, tellLife } from './pair-life.ts';

/** Sends the life of a pair to Zipkin. @returns the id of its trace. */
export async function traceLife(zipkinUrl: string): Promise<string> {
  const telemetry = await startTelemetry({
    exporter: 'zipkin',
    endpoint: zipkinUrl,
    serviceName: 'slipstream',
    serviceVersion: '0.0.0',
    instanceId: 'trace-ui',
    warn: (message, fields) => {
      throw new Error(`${message}: ${JSON.stringify(fields)}`);
    },
    monotonicMs: () => performance.now(),
  });
  const narrator = otelNarrator({
    telemetry,
    log: structuredLog({ level: 'silent', base: {} }),
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    random: { next: () => 1 },
  });
  const traceId = narrator.startRun(pairKey(pair), undefined);
  tellLife(narrator, life, { traceId, startedAtMs: Date.now() });
  await telemetry.shutdown();
  return traceId;
}
