import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { pairKey } from '../../src/domain/names.ts';
import { type OtelNarrator, otelNarrator } from '../../src/infra/telemetry/otel-narrator.ts';
import { runSpanId } from '../../src/infra/telemetry/run-ids.ts';
import { type Telemetry, type TelemetryOptions, startTelemetry } from '../../src/infra/telemetry/sdk.ts';
import { structuredLog } from '../../src/infra/telemetry/structured-log.ts';
import { otlpCollector } from '../support/otlp-collector.ts';
import { life, pair, tellLife } from '../support/pair-life.ts';
import { zipkinTrace, zipkinUrl } from '../support/zipkin.ts';

const key = pairKey(pair);

interface Started {
  readonly telemetry: Telemetry;
  readonly narrator: OtelNarrator;
  readonly warnings: string[];
}

async function started(options: Pick<TelemetryOptions, 'exporter'> & Partial<TelemetryOptions>): Promise<Started> {
  const warnings: string[] = [];
  const telemetry = await startTelemetry({
    serviceName: 'slipstream',
    serviceVersion: '1.2.3',
    instanceId: 'node, a=1',
    warn: (message, fields) => void warnings.push(`${message}: ${JSON.stringify(fields)}`),
    monotonicMs: () => performance.now(),
    ...options,
  });
  const narrator = otelNarrator({
    telemetry,
    log: structuredLog({ level: 'silent', base: {} }),
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    random: { next: () => 0 },
  });
  return { telemetry, narrator, warnings };
}

async function withVariables(variables: Readonly<Record<string, string>>, work: () => Promise<void>): Promise<void> {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    await work();
  } finally {
    for (const name of Object.keys(variables)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
}

describe('Zipkin', () => {
  it('shows the life of a pair as one trace with its parents in place, across a restart of the process', async () => {
    const url = zipkinUrl();
    const first = await started({ exporter: 'zipkin', endpoint: url, instanceId: 'first' });
    const run = { traceId: first.narrator.startRun(key, undefined), startedAtMs: Date.now() };
    const entered = tellLife(first.narrator, life.slice(0, 4), run);
    await first.telemetry.shutdown();
    const second = await started({ exporter: 'zipkin', endpoint: url, instanceId: 'second' });
    tellLife(second.narrator, life.slice(4), run, entered);
    await second.telemetry.shutdown();
    assert.deepEqual([...first.warnings, ...second.warnings], []);

    const spans = await zipkinTrace(url, run.traceId, life.length + 6);
    assert.equal(spans.length, life.length + 6);
    const roots = spans.filter((span) => span.parentId === undefined);
    assert.deepEqual(
      roots.map((root) => root.name),
      [`pair ${key} run`],
    );
    assert.ok(spans.every((span) => span.parentId === undefined || span.parentId === roots[0]?.id));
    assert.deepEqual(new Set(spans.map((span) => span.tags['service.instance.id'])), new Set(['first', 'second']));
    assert.deepEqual(
      spans.map((span) => span.name),
      [
        `pair ${key} run`,
        'none -> bootstrapping',
        'state bootstrapping',
        'bootstrapping -> following',
        'state following',
        'following -> retrying',
        'state retrying',
        'retrying -> retrying (failed)',
        'retrying -> following',
        'state following',
        'following -> following (pause)',
        'following -> paused',
        'state paused',
        'paused -> following',
      ],
    );
    const retrying = spans.find((span) => span.name === 'following -> retrying');
    assert.equal(retrying?.tags['error'], 'cluster_unreachable: leader search');
    assert.equal(retrying.tags['slipstream.failure_reason'], 'connect ECONNREFUSED');
    const copying = spans.find((span) => span.name === 'state bootstrapping');
    assert.equal(copying && Math.round(copying.duration / 1000), 9_398);
  });
});

describe('export of telemetry', () => {
  it('carries transitions by OTLP, by name and with their attributes, and metrics as protobuf over HTTP', async () => {
    await using collector = await otlpCollector();
    const { telemetry, narrator, warnings } = await started({ exporter: 'otlp', endpoint: collector.url });
    const run = { traceId: narrator.startRun(key, undefined), startedAtMs: Date.now() };
    tellLife(narrator, life, run);
    narrator.count('operations.written', 3, { pair: key });
    await telemetry.shutdown();

    assert.deepEqual(
      new Set(collector.requests.map(({ path, contentType }) => `${path} ${contentType}`)),
      new Set(['/v1/traces application/x-protobuf', '/v1/metrics application/x-protobuf']),
    );
    const root = collector.spans.find((span) => span.name === `pair ${key} run`);
    const paused = collector.spans.find((span) => span.name === 'following -> paused');
    assert.ok(root && paused);
    assert.equal(root.traceId, run.traceId);
    assert.equal(root.spanId, runSpanId(run.traceId));
    assert.equal(root.parentSpanId, '');
    assert.ok(
      collector.spans
        .filter((span) => span !== root)
        .every((span) => span.traceId === run.traceId && span.parentSpanId === root.spanId),
    );
    assert.equal(paused.attributes['slipstream.event'], 'PAUSED');
    assert.equal(paused.attributes['slipstream.checkpoint'], 70_119);
    assert.equal(paused.attributes['slipstream.pair'], key);
    assert.deepEqual(
      ['service.name', 'service.version', 'service.instance.id'].map((name) => paused.resource[name]),
      ['slipstream', '1.2.3', 'node, a=1'],
    );
    assert.deepEqual(
      Object.keys(paused.resource).filter((name) => /^(process|host|os|cloud)/.test(name)),
      [],
    );
    assert.ok(
      collector.metrics.includes('slipstream.operations.written') &&
        collector.metrics.includes('slipstream.pair.transitions'),
    );
    assert.deepEqual(warnings, []);
  });

  it('lets the standard variables win over the configuration, and leaves them as they were', async () => {
    await using collector = await otlpCollector();
    const variables = {
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_SERVICE_NAME: 'replication',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=staging,service.version=9',
    };
    await withVariables(variables, async () => {
      const before = { ...process.env };
      const { telemetry, narrator } = await started({ exporter: 'zipkin', endpoint: 'http://127.0.0.1:9' });
      assert.deepEqual({ ...process.env }, before);
      narrator.startRun(key, undefined);
      await telemetry.flush();
      assert.equal(collector.spans.length, 1);
      await telemetry.shutdown();
    });
    const resource = collector.spans[0]?.resource;
    assert.deepEqual(
      ['service.name', 'service.version', 'deployment.environment.name'].map((name) => resource?.[name]),
      ['replication', '9', 'staging'],
    );
  });

  it('is silent when nothing is to be exported, and gives ids all the same', async () => {
    const { telemetry, narrator } = await started({ exporter: 'none' });
    const traceId = narrator.startRun(key, undefined);
    tellLife(narrator, life, { traceId, startedAtMs: Date.now() });
    narrator.span('cycle', key, traceId).end();
    assert.match(traceId, /^[0-9a-f]{32}$/);
    await telemetry.flush();
    await telemetry.shutdown();
  });

  it('disturbs nothing when nobody listens, and warns once', async () => {
    await using nobody = await refusing();
    const { telemetry, narrator, warnings } = await started({ exporter: 'zipkin', endpoint: nobody.url });
    const run = { traceId: narrator.startRun(key, undefined), startedAtMs: Date.now() };
    for (let round = 0; round < 3; round += 1) {
      tellLife(narrator, life, run);
      await telemetry.flush();
    }
    await telemetry.shutdown();
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /ECONNREFUSED/);
  });

  it('ends when the collector takes the connection and never answers', { timeout: 60_000 }, async () => {
    await using mute = await silent();
    const { telemetry, narrator } = await started({ exporter: 'zipkin', endpoint: mute.url });
    narrator.startRun(key, undefined);
    await telemetry.shutdown();
  });
});

/** An address on which nobody listens. */
async function refusing(): Promise<{ url: string } & AsyncDisposable> {
  const server = await silent();
  await server[Symbol.asyncDispose]();
  return { url: server.url, [Symbol.asyncDispose]: async () => undefined };
}

/** An address where connections are taken and never answered. */
async function silent(): Promise<{ url: string } & AsyncDisposable> {
  const sockets: { destroy(): void }[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
