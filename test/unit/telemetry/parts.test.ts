import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { exported, exportedName } from '../../../src/infra/telemetry/attributes.ts';
import { cycleSampler } from '../../../src/infra/telemetry/cycle-sampler.ts';
import { extractTrace, injectTrace } from '../../../src/infra/telemetry/propagation.ts';
import { quietDiagnostics } from '../../../src/infra/telemetry/quiet-diagnostics.ts';
import { runIds, runSpanId } from '../../../src/infra/telemetry/run-ids.ts';
import { structuredLog, tellable, tellableText } from '../../../src/infra/telemetry/structured-log.ts';
import { zipkinTraceUrl } from '../../../src/infra/telemetry/trace-link.ts';
import { hrTime, traceTimeline } from '../../../src/infra/telemetry/trace-timeline.ts';

describe('attributes', () => {
  it('are exported under conventional names where one fits and under ours else', () => {
    const names = exported(
      { index: 'cities', fromSeqNo: 4, operations: 2, code: 'blocked', absent: undefined },
      'span',
      assert.fail,
    );
    assert.deepEqual(names, {
      'db.collection.name': 'cities',
      'slipstream.from_seq_no': 4,
      'slipstream.operations': 2,
      'error.type': 'blocked',
    });
  });

  it('are dropped when unknown, and in metrics also when they have many values', () => {
    const dropped: string[] = [];
    assert.deepEqual(
      exported({ title: 'x', toString: 'y', checkpoint: 4, state: 'paused' }, 'metric', (key) => dropped.push(key)),
      { 'slipstream.state': 'paused' },
    );
    assert.deepEqual(dropped, ['title', 'toString', 'checkpoint']);
  });

  it('may be named by the exported name already', () => {
    assert.deepEqual(exported({ 'slipstream.extras': 2, 'error.type': 'blocked' }, 'span', assert.fail), {
      'slipstream.extras': 2,
      'error.type': 'blocked',
    });
    const dropped: string[] = [];
    assert.deepEqual(
      exported({ 'slipstream.title': 'x' }, 'span', (key) => dropped.push(key)),
      {},
    );
    assert.deepEqual(dropped, ['slipstream.title']);
  });

  it('are all known that the code sets', async () => {
    const root = new URL('../../../src/', import.meta.url);
    const unknown: string[] = [];
    for await (const file of glob('{actors,replication,control,app}/**/*.ts', { cwd: root })) {
      const source = await readFile(new URL(file, root), 'utf8');
      for (const [, key] of source.matchAll(/'(slipstream\.[a-z_]+)':/g)) {
        if (key !== undefined && exportedName(key, 'span') === undefined) unknown.push(`${file}: ${key}`);
      }
    }
    assert.deepEqual(unknown, []);
  });

  it('hold no objects', () => {
    assert.deepEqual(exported({ reason: { text: 'x' }, operations: [1] }, 'span', assert.fail), {});
  });
});

describe('the time line of a trace', () => {
  it('places events in their order, never twice on one microsecond, and exactly where the clock only goes forward', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1_600_000_000_000, max: 1_600_000_100_000 }), { minLength: 2 }),
        (times) => {
          const timeline = traceTimeline();
          const placed = times.map((atMs) => timeline.place('t', atMs));
          for (const [at, us] of placed.entries()) if (at > 0) assert.ok(us > (placed[at - 1] ?? 0));
          const rising = [...new Set(times)].toSorted((a, b) => a - b);
          assert.deepEqual(
            rising.map((atMs) => timeline.place('forward', atMs)),
            rising.map((atMs) => atMs * 1000),
          );
        },
      ),
    );
  });

  it('keeps the distance of events after the clock jumped back', () => {
    const timeline = traceTimeline();
    const before = timeline.place('t', 1_000_000);
    const first = timeline.place('t', 400_000);
    assert.equal(first - before, 1);
    assert.equal(timeline.place('t', 405_000) - first, 5_000_000);
  });

  it('forgets the longest unused trace', () => {
    const timeline = traceTimeline(2);
    for (const trace of ['a', 'b', 'a', 'c']) timeline.place(trace, 1);
    assert.deepEqual(
      ['a', 'c', 'b'].map((trace) => timeline.place(trace, 1)),
      [1002, 1001, 1000],
    );
  });

  it('remembers where it placed an event that could not stand at its own time', () => {
    const timeline = traceTimeline();
    timeline.place('t', 1_000);
    const moved = timeline.place('t', 400);
    assert.equal(timeline.placed('t', 400), moved);
    assert.equal(timeline.placed('t', 1_000), 1_000_000);
    assert.equal(timeline.placed('other', 5), 5_000);
  });

  it('gives OpenTelemetry seconds and nanoseconds', () => {
    assert.deepEqual(hrTime(1_700_000_000_123_456), [1_700_000_000, 123_456_000]);
  });
});

describe('ids of a run', () => {
  it('are the chosen ones inside a start and random outside, also after a start that throws', () => {
    const ids = runIds((bytes) => 'ab'.repeat(bytes));
    assert.equal(
      ids.startAs('t', 's', () => ids.generateTraceId() + ids.generateSpanId()),
      'ts',
    );
    assert.throws(() => ids.startAs('t', 's', () => assert.fail('no')));
    assert.equal(ids.generateSpanId(), 'ab'.repeat(8));
    assert.equal(ids.generateTraceId(), 'ab'.repeat(16));
  });

  it('have a first span that everybody finds from the trace id', () => {
    assert.equal(runSpanId('4bf92f3577b34da6a3ce929d0e0e4736'), runSpanId('4bf92f3577b34da6a3ce929d0e0e4736'));
    assert.notEqual(runSpanId('4bf92f3577b34da6a3ce929d0e0e4736'), runSpanId('4bf92f3577b34da6a3ce929d0e0e4737'));
    assert.match(runSpanId('a'), /^[0-9a-f]{16}$/);
  });
});

describe('sampling of cycles', () => {
  it('takes the ratio, up to a number a second', () => {
    let nowMs = 10_000;
    const sampler = cycleSampler(
      { ratio: 0.5, perSecondMax: 2, failuresPerSecondMax: 1 },
      () => 0.4,
      () => nowMs,
    );
    assert.deepEqual([sampler.sample(), sampler.sample(), sampler.sample()], [true, true, false]);
    assert.deepEqual([sampler.sampleFailure(), sampler.sampleFailure()], [true, false]);
    nowMs += 1000;
    assert.deepEqual([sampler.sample(), sampler.sampleFailure()], [true, true]);
    assert.equal(
      cycleSampler(
        { ratio: 0.5, perSecondMax: 2, failuresPerSecondMax: 1 },
        () => 0.5,
        () => nowMs,
      ).sample(),
      false,
    );
  });
});

describe('trace context in headers', () => {
  it('comes back as it went', () => {
    const headers = new Map<string, string>();
    const trace = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
    injectTrace(trace, headers);
    assert.equal(headers.get('traceparent'), '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
    assert.deepEqual(extractTrace(headers), trace);
  });

  it('is none where the header is missing, malformed or all zero', () => {
    assert.equal(extractTrace(new Map()), undefined);
    for (const value of [
      '',
      'x',
      `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`,
      `00-${'1'.repeat(31)}-${'1'.repeat(16)}-01`,
      `ff-${'1'.repeat(32)}-${'1'.repeat(16)}-01`,
    ]) {
      assert.equal(extractTrace(new Map([['traceparent', value]])), undefined, value);
    }
  });
});

describe('diagnostics of telemetry', () => {
  it('are one line a minute that says how many were left out', () => {
    let nowMs = 0;
    const lines: unknown[] = [];
    const diagnostics = quietDiagnostics({
      warn: (_message, fields) => void lines.push(fields),
      monotonicMs: () => nowMs,
    });
    const error = JSON.stringify({
      stack: 'Error: at x',
      message: 'connect ECONNREFUSED 127.0.0.1:4318',
      code: 'ECONNREFUSED',
      data: 'body',
    });
    for (let failure = 0; failure < 100; failure += 1) diagnostics.error(error);
    diagnostics.info('nobody needs this');
    nowMs = 60_000;
    diagnostics.warn('Dropped 4 spans because maxQueueSize reached');
    assert.deepEqual(lines, [
      { detail: 'ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:4318', leftOut: 0 },
      { detail: 'Dropped 4 spans because maxQueueSize reached', leftOut: 99 },
    ]);
  });
});

describe('log lines', () => {
  it('are JSON with an ISO time, the level as a word and the base fields', () => {
    const lines: string[] = [];
    const log = structuredLog({
      level: 'info',
      base: { service: 'slipstream' },
      destination: { write: (line) => void lines.push(line) },
    });
    log.debug('not this');
    log.warn({ pair: 'a/b/0' }, 'slow');
    const [line] = lines.map((text): Record<string, unknown> => JSON.parse(text));
    assert.equal(lines.length, 1);
    assert.match(String(line?.['time']), /^\d{4}-\d\d-\d\dT.*Z$/);
    assert.deepEqual(
      { ...line, time: '' },
      { level: 'warn', time: '', service: 'slipstream', pair: 'a/b/0', message: 'slow' },
    );
  });

  it('hold nothing that is named like a secret or a document, and no user of a URL', () => {
    const fields = tellable({
      headers: { Authorization: 'ApiKey abc' },
      api_key: 'abc',
      nested: [{ _source: { title: 'private' } }],
      url: 'https://elastic:changeme@127.0.0.1:9200/x',
      pair: 'a/b/0',
    });
    assert.deepEqual(fields, {
      headers: { Authorization: '[left out]' },
      api_key: '[left out]',
      nested: [{ _source: '[left out]' }],
      url: 'https://127.0.0.1:9200/x',
      pair: 'a/b/0',
    });
    assert.equal(tellableText('GET http://u:p@h/ failed'), 'GET http://h/ failed');
  });

  it('are bounded in length, depth and entries, and survive a cycle', () => {
    const loop: Record<string, unknown> = {
      many: Array.from({ length: 500 }, () => 'x'),
      text: 'y'.repeat(10_000),
      size: 10n,
      error: new Error('e'.repeat(5000)),
    };
    loop['self'] = loop;
    const text = JSON.stringify(tellable(loop));
    assert.ok(text.length < 40_000, String(text.length));
    assert.ok(!text.includes('y'.repeat(1025)) && text.includes('"size":"10"'));
  });
});

describe('the link to a trace', () => {
  it("is Zipkin's page of the trace, with or without a slash at the end of the address", () => {
    assert.equal(zipkinTraceUrl('http://127.0.0.1:9411/', 'abc'), 'http://127.0.0.1:9411/zipkin/traces/abc');
    assert.equal(zipkinTraceUrl('http://127.0.0.1:9411', 'abc'), 'http://127.0.0.1:9411/zipkin/traces/abc');
  });
});
