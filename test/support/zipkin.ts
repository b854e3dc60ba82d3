import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

export interface ZipkinSpan {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  readonly name: string;
  readonly timestamp: number;
  readonly duration: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly localEndpoint: { readonly serviceName: string };
}

export function zipkinUrl(): string {
  const url = process.env['SLIPSTREAM_ZIPKIN_URL'];
  assert.ok(url, 'SLIPSTREAM_ZIPKIN_URL names the Zipkin server of this test, e.g. http://127.0.0.1:9411');
  return url;
}

/** The spans of a trace, in the order of their start, once there are at least `spansMin`. */
export async function zipkinTrace(url: string, traceId: string, spansMin: number): Promise<readonly ZipkinSpan[]> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const response = await fetch(`${url}/api/v2/trace/${traceId}`);
    const spans = response.ok ? ((await response.json()) as ZipkinSpan[]) : [];
    if (spans.length >= spansMin) return spans.toSorted((a, b) => a.timestamp - b.timestamp);
    assert.ok(performance.now() < deadline, `Zipkin has ${spans.length} of ${spansMin} spans of trace ${traceId}`);
    await pause(50);
  }
}
