import type { DiagLogger } from '@opentelemetry/api';
import { cut } from './attributes.ts';

export interface DiagnosticsOptions {
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly monotonicMs: () => number;
  readonly intervalMs?: number;
}

/** A collector that is down would otherwise fill the log: at most one line a minute, which says how many were left out. */
export function quietDiagnostics(options: DiagnosticsOptions): DiagLogger {
  const intervalMs = options.intervalMs ?? 60_000;
  let lastMs = Number.NEGATIVE_INFINITY;
  let leftOut = 0;
  const tell = (message: string): void => {
    const nowMs = options.monotonicMs();
    if (nowMs - lastMs < intervalMs) {
      leftOut += 1;
      return;
    }
    options.warn('traces or metrics could not be delivered; replication goes on', {
      detail: cut(summary(message), 200),
      leftOut,
    });
    lastMs = nowMs;
    leftOut = 0;
  };
  const silent = (): void => undefined;
  return { error: tell, warn: tell, info: silent, debug: silent, verbose: silent };
}

/** OpenTelemetry gives an exception as JSON with its stack and the answer's body: only its kind is worth a line. */
function summary(message: string): string {
  try {
    const exception: unknown = JSON.parse(message);
    if (typeof exception !== 'object' || exception === null) return message;
    const { code, message: text } = exception as { code?: unknown; message?: unknown };
    return [code, text].filter((part) => typeof part === 'string' && part !== '').join(': ') || 'export failed';
  } catch {
    return message;
  }
}
