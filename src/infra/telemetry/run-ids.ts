import { createHash, randomBytes } from 'node:crypto';

/** Ids of spans, with a way to give the first span of a run ids that were chosen before. The shape of OpenTelemetry's `IdGenerator`. */
export interface RunIds {
  generateTraceId(): string;
  generateSpanId(): string;
  /** The next span without parent that is started inside `start` gets these ids. */
  startAs<T>(traceId: string, spanId: string, start: () => T): T;
}

export function runIds(randomHex: (bytes: number) => string = (bytes) => randomBytes(bytes).toString('hex')): RunIds {
  let chosen: { readonly traceId: string; readonly spanId: string } | undefined;
  return {
    generateTraceId: () => chosen?.traceId ?? randomHex(16),
    generateSpanId: () => chosen?.spanId ?? randomHex(8),
    startAs(traceId, spanId, start) {
      chosen = { traceId, spanId };
      try {
        return start();
      } finally {
        chosen = undefined;
      }
    },
  };
}

/**
 * The id of the first span of a run, from the trace id alone: the journal keeps the trace id, so a process that continues a run
 * after a restart finds the parent of its transitions without having seen it.
 */
export function runSpanId(traceId: string): string {
  return createHash('sha256').update(traceId).digest('hex').slice(0, 16);
}
