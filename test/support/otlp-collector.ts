import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

export interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface OtlpCollector extends AsyncDisposable {
  readonly url: string;
  readonly requests: { readonly path: string; readonly contentType: string }[];
  readonly spans: ReceivedSpan[];
  readonly metrics: string[];
}

/** What a collector of OpenTelemetry is to an exporter: takes OTLP over HTTP with protobuf and keeps it. */
export async function otlpCollector(): Promise<OtlpCollector> {
  const requests: { path: string; contentType: string }[] = [];
  const spans: ReceivedSpan[] = [];
  const metrics: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const sent = Buffer.concat(chunks);
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
      requests.push({ path: request.url ?? '', contentType: request.headers['content-type'] ?? '' });
      if (request.url === '/v1/traces') spans.push(...tracesOf(body));
      if (request.url === '/v1/metrics') metrics.push(...metricsOf(body));
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    spans,
    metrics,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Field {
  readonly number: number;
  readonly bytes: Buffer;
  readonly integer: bigint;
}

/** The fields of one protobuf message, undecoded. Field numbers below are those of opentelemetry-proto 1.x. */
function* fieldsOf(message: Buffer): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = Number(varint());
    const wire = tag & 7;
    const integer = wire === 0 ? varint() : 0n;
    const length = wire === 2 ? Number(varint()) : wire === 1 ? 8 : wire === 5 ? 4 : 0;
    yield { number: tag >> 3, bytes: message.subarray(at, at + length), integer };
    at += length;
  }
}

function all(message: Buffer, number: number): Buffer[] {
  return [...fieldsOf(message)].filter((field) => field.number === number).map((field) => field.bytes);
}

function first(message: Buffer, number: number): Buffer {
  return all(message, number)[0] ?? Buffer.alloc(0);
}

function attributesOf(pairs: readonly Buffer[]): Record<string, unknown> {
  return Object.fromEntries(pairs.map((pair) => [first(pair, 1).toString(), valueOf(first(pair, 2))]));
}

function valueOf(anyValue: Buffer): unknown {
  const [field] = fieldsOf(anyValue);
  if (field?.number === 1) return field.bytes.toString();
  if (field?.number === 2) return field.integer === 1n;
  if (field?.number === 3) return Number(field.integer);
  return field?.number === 4 ? field.bytes.readDoubleLE() : undefined;
}

function tracesOf(request: Buffer): ReceivedSpan[] {
  return all(request, 1).flatMap((resourceSpans) => {
    const resource = attributesOf(all(first(resourceSpans, 1), 1));
    return all(resourceSpans, 2)
      .flatMap((scopeSpans) => all(scopeSpans, 2))
      .map((span) => ({
        name: first(span, 5).toString(),
        traceId: first(span, 1).toString('hex'),
        spanId: first(span, 2).toString('hex'),
        parentSpanId: first(span, 4).toString('hex'),
        attributes: attributesOf(all(span, 9)),
        resource,
      }));
  });
}

function metricsOf(request: Buffer): string[] {
  const scopes = all(request, 1).flatMap((resourceMetrics) => all(resourceMetrics, 2));
  return scopes.flatMap((scope) => all(scope, 2)).map((metric) => first(metric, 1).toString());
}
