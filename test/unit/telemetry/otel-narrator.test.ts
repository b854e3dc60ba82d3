import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SpanStatusCode } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { type FailureCode, failed } from '../../../src/domain/failure.ts';
import { pairKey } from '../../../src/domain/names.ts';
import { runSpanId } from '../../../src/infra/telemetry/run-ids.ts';
import { life, pair, tellLife, transitionOf, unreachable } from '../../support/pair-life.ts';
import { telemetryBench } from '../../support/telemetry-bench.ts';

const key = pairKey(pair);
const startUs = (span: ReadableSpan): number => span.startTime[0] * 1e6 + span.startTime[1] / 1e3;
const endUs = (span: ReadableSpan): number => span.endTime[0] * 1e6 + span.endTime[1] / 1e3;

function fatal(code: FailureCode, reason: string): Parameters<typeof transitionOf>[0] {
  return {
    from: 'following',
    to: 'fatal',
    fact: { type: 'FATAL', failure: failed(code, { op: 'follower bulk', reason }).failure },
    afterMs: 5,
  };
}

describe('traces of a pair', () => {
  it('hang every transition and state below the first span of the run, also in a process that did not start it', () => {
    const bench = telemetryBench();
    const run = { traceId: bench.narrator.startRun(key, undefined), startedAtMs: bench.time.wallMs };
    const entered = tellLife(bench.narrator, life.slice(0, 4), run);
    tellLife(bench.another(), life.slice(4), run, entered);
    const [root, ...rest] = bench.spans();
    assert.ok(root);
    assert.equal(root.name, `pair ${key} run`);
    assert.equal(root.parentSpanContext, undefined);
    assert.equal(root.spanContext().spanId, runSpanId(run.traceId));
    assert.equal(rest.length, life.length + 5);
    for (const span of rest) {
      assert.equal(span.spanContext().traceId, run.traceId);
      assert.equal(span.parentSpanContext?.spanId, root.spanContext().spanId, span.name);
    }
    assert.equal(new Set(bench.spans().map((span) => span.spanContext().spanId)).size, bench.spans().length);
  });

  it('link a transition to the span of whoever asked for it, and stay one trace', () => {
    const bench = telemetryBench();
    const run = { traceId: bench.narrator.startRun(key, undefined), startedAtMs: bench.time.wallMs };
    const step = { from: 'following', to: 'following', fact: { type: 'PAUSE', commandId: 'c2' }, afterMs: 5 } as const;
    const request = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
    bench.narrator.transition({ ...transitionOf(step, run), request }, run.traceId);
    bench.narrator.transition(transitionOf({ ...step, afterMs: 9 }, run), run.traceId);
    const [asked, unasked] = bench.spans().filter(({ name }) => name.includes('pause'));
    assert.equal(asked?.spanContext().traceId, run.traceId);
    assert.deepEqual(
      asked?.links.map(({ context }) => [context.traceId, context.spanId]),
      [[request.traceId, request.spanId]],
    );
    assert.equal(asked?.attributes['slipstream.request_trace_id'], request.traceId);
    assert.deepEqual(unasked?.links, []);
  });

  it('are named by the states, and by what happened where the state stays', () => {
    const bench = telemetryBench();
    const run = { traceId: bench.narrator.startRun(key, undefined), startedAtMs: bench.time.wallMs };
    tellLife(bench.narrator, life, run);
    assert.deepEqual(
      bench
        .spans()
        .map((span) => span.name)
        .filter((name) => name.includes('->')),
      [
        'none -> bootstrapping',
        'bootstrapping -> following',
        'following -> retrying',
        'retrying -> retrying (failed)',
        'retrying -> following',
        'following -> following (pause)',
        'following -> paused',
        'paused -> following',
      ],
    );
  });

  it('tell who, why and how far of a transition', () => {
    const bench = telemetryBench();
    const run = { traceId: bench.narrator.startRun(key, undefined), startedAtMs: bench.time.wallMs };
    tellLife(bench.narrator, life, run);
    const span = bench.spans().find(({ name }) => name === 'none -> bootstrapping');
    assert.deepEqual(span?.attributes, {
      'slipstream.pair': 'replica/cities/0',
      'db.namespace': 'replica',
      'db.collection.name': 'cities',
      'slipstream.shard': 0,
      'slipstream.from': 'none',
      'slipstream.to': 'bootstrapping',
      'slipstream.event': 'STARTED',
      'slipstream.cause': 'command:c1',
      'slipstream.by': 'ada@console',
      'slipstream.epoch': 1,
      'slipstream.desired': 'running',
      'slipstream.term': 1,
    });
    const copied = bench.spans().find(({ name }) => name === 'bootstrapping -> following');
    assert.equal(copied?.attributes['slipstream.checkpoint'], 67_616);
  });

  it('mark a transition into retrying or fatal as an error with its code, and no other', () => {
    const bench = telemetryBench();
    const run = { traceId: bench.narrator.startRun(key, undefined), startedAtMs: bench.time.wallMs };
    tellLife(
      bench.narrator,
      [...life, { ...fatal('mapping_conflict', 'mapper [a] is a keyword'), afterMs: 40_000 }],
      run,
    );
    const errors = bench.spans().filter((span) => span.status.code === SpanStatusCode.ERROR);
    assert.deepEqual(
      errors.map(({ name, status, attributes }) => [name, status.message, attributes['error.type']]),
      [
        ['following -> retrying', 'cluster_unreachable: leader search', 'cluster_unreachable'],
        ['retrying -> retrying (failed)', 'cluster_unreachable: leader search', 'cluster_unreachable'],
        ['following -> fatal', 'mapping_conflict: follower bulk', 'mapping_conflict'],
      ],
    );
    const levels = bench
      .logLines()
      .filter((line) => line['event'] !== undefined)
      .map((line) => line['level']);
    assert.deepEqual(levels, ['info', 'info', 'warn', 'warn', 'info', 'info', 'info', 'info', 'error']);
  });

  it('stand in the order of events with no negative length when the wall clock jumps back', () => {
    const bench = telemetryBench();
    const run = { traceId: bench.narrator.startRun(key, undefined), startedAtMs: bench.time.wallMs };
    const [started, copied, ...rest] = life;
    assert.ok(started && copied);
    const jumped = [started, copied, ...rest.map((step) => ({ ...step, afterMs: step.afterMs - 3_600_000 }))];
    tellLife(bench.narrator, jumped, run);
    const transitions = bench.spans().filter((span) => span.name.includes('->'));
    const starts = transitions.map(startUs);
    assert.deepEqual(
      starts,
      starts.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(starts).size, starts.length);
    for (const span of bench.spans()) assert.ok(endUs(span) >= startUs(span), span.name);
    const root = bench.spans()[0];
    assert.ok(root && bench.spans().every((span) => startUs(span) >= startUs(root)));
    assert.ok(Number(transitions[2]?.attributes['slipstream.clock_went_back_ms']) > 3_000_000);
    assert.equal(transitions[1]?.attributes['slipstream.clock_went_back_ms'], undefined);
  });

  it('let no unknown attribute, secret or long text out of a cycle, and say so once', () => {
    const bench = telemetryBench();
    for (let cycle = 0; cycle < 2; cycle += 1) {
      const span = bench.narrator.span('cycle', key, undefined);
      span.set({
        password: 'hunter2',
        documentTitle: 'private',
        operations: 3,
        reason: 'x'.repeat(5000),
        bytes: Number.NaN,
      });
      span.end();
    }
    const [span] = bench.spans();
    const reason = String(span?.attributes['slipstream.reason']);
    assert.ok(reason.length <= 256);
    assert.deepEqual(Object.keys(span?.attributes ?? {}).toSorted(), [
      'slipstream.kind',
      'slipstream.operations',
      'slipstream.pair',
      'slipstream.reason',
    ]);
    const told = JSON.stringify([span?.attributes, bench.logLines()]);
    assert.ok(!told.includes('hunter2') && !told.includes('private'));
    assert.deepEqual(
      bench.logLines().map((line) => line['attribute']),
      ['password', 'documentTitle'],
    );
  });

  it('cut the reason of a failure in the span and tell it with its hint in the log', () => {
    const bench = telemetryBench();
    const run = { traceId: bench.narrator.startRun(key, undefined), startedAtMs: bench.time.wallMs };
    const ref = bench.narrator.transition(transitionOf(fatal('document_rejected', 'y'.repeat(4000)), run), run.traceId);
    const span = bench.spans().at(-1);
    assert.equal(String(span?.attributes['slipstream.failure_reason']).length, 256);
    const line = bench.logLines().at(-1);
    assert.equal(line?.['message'], 'pair replica/cities/0: following -> fatal');
    assert.equal(line['trace_id'], ref.traceId);
    assert.equal(line['span_id'], ref.spanId);
    assert.match(String(line['hint']), /Correct the mapping/);
  });
});

describe('traces of cycles', () => {
  it('are told for a share of the cycles and for every failed one', () => {
    const values = [0.5, 0.005, 0.9];
    const bench = telemetryBench({
      sampling: { ratio: 0.01, perSecondMax: 5, failuresPerSecondMax: 10 },
      random: { next: () => values.shift() ?? 1 },
    });
    bench.narrator.span('cycle', key, undefined).end();
    bench.narrator.span('recount', key, undefined).end();
    bench.narrator.span('delete-scan', key, undefined).end(unreachable);
    assert.deepEqual(
      bench.spans().map((span) => [span.name, span.status.code]),
      [
        ['recount', SpanStatusCode.UNSET],
        ['delete-scan', SpanStatusCode.ERROR],
      ],
    );
  });

  it('are roots of their own, linked to the run of the pair', () => {
    const bench = telemetryBench();
    const run = bench.narrator.startRun(key, undefined);
    bench.narrator.span('cycle', key, run).end();
    const cycle = bench.spans()[1];
    assert.notEqual(cycle?.spanContext().traceId, run);
    assert.equal(cycle?.parentSpanContext, undefined);
    assert.deepEqual(
      cycle?.links.map((link) => link.context.traceId),
      [run],
    );
    assert.equal(cycle?.attributes['slipstream.run_trace_id'], run);
  });

  it('are as long as the monotonic clock says, whatever the wall clock does', async () => {
    const bench = telemetryBench();
    const span = bench.narrator.span('delete-scan', key, undefined);
    bench.time.wallMs -= 60_000;
    bench.time.monotonicMs += 1_500;
    span.end();
    assert.deepEqual(bench.spans()[0]?.duration, [1, 500_000_000]);
    const [point] = (await bench.points()).filter(({ metric }) => metric === 'slipstream.cycle.duration');
    assert.deepEqual(point?.attributes, { 'slipstream.kind': 'delete-scan' });
    assert.equal((point.value as { sum?: number }).sum, 1.5);
  });
});
