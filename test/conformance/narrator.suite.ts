import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Narrator } from '../../src/ports/narrator.ts';
import { life, pair, tellLife, transitionOf, unreachable } from '../support/pair-life.ts';
import { pairKey } from '../../src/domain/names.ts';

export interface Told {
  readonly runs: readonly {
    readonly pair: string;
    readonly traceId: string;
    readonly previousTraceId: string | undefined;
  }[];
  readonly transitions: readonly {
    readonly from: string;
    readonly to: string;
    readonly event: string;
    readonly traceId: string;
    readonly spanId: string;
  }[];
  readonly states: readonly { readonly state: string; readonly traceId: string; readonly durationMs: number }[];
  readonly cycles: readonly {
    readonly kind: string;
    readonly pair: string;
    readonly operations: unknown;
    readonly failure: string | undefined;
  }[];
  readonly logs: readonly { readonly level: string; readonly message: string }[];
  counted(metric: string): Promise<number>;
}

export interface NarratorBench {
  readonly narrator: Narrator;
  told(): Told;
}

const key = pairKey(pair);
const startedAtMs = 1_700_000_000_000;

/** What every narrator does. Called for the fake in memory and for OpenTelemetry. The bench samples every cycle. */
export function testNarrator(name: string, create: () => NarratorBench): void {
  describe(`narrator: ${name}`, () => {
    it('gives every run a trace of its own that names the trace before', () => {
      const { narrator, told } = create();
      const first = narrator.startRun(key, undefined);
      const second = narrator.startRun(key, first);
      assert.match(first, /^[0-9a-f]{32}$/);
      assert.notEqual(first, second);
      assert.deepEqual(told().runs, [
        { pair: key, traceId: first, previousTraceId: undefined },
        { pair: key, traceId: second, previousTraceId: first },
      ]);
    });

    it('tells each transition once, in the trace of its run, and gives the context of its span', () => {
      const { narrator, told } = create();
      const run = { traceId: narrator.startRun(key, undefined), startedAtMs };
      const refs = life.map((step) => narrator.transition(transitionOf(step, run), run.traceId));
      assert.ok(refs.every((ref) => ref.traceId === run.traceId && /^[0-9a-f]{16}$/.test(ref.spanId)));
      assert.equal(new Set(refs.map((ref) => ref.spanId)).size, life.length);
      const expected = life.map((step, at) => ({ from: step.from, to: step.to, event: step.fact.type, ...refs[at] }));
      assert.deepEqual(told().transitions, expected);
    });

    it('tells how long each state lasted', () => {
      const { narrator, told } = create();
      const run = { traceId: narrator.startRun(key, undefined), startedAtMs };
      tellLife(narrator, life, run);
      assert.deepEqual(
        told().states.map(({ state, traceId, durationMs }) => [state, traceId, Math.round(durationMs)]),
        [
          ['bootstrapping', run.traceId, 9_398],
          ['following', run.traceId, 5_600],
          ['retrying', run.traceId, 4_000],
          ['following', run.traceId, 7_120],
          ['paused', run.traceId, 6_880],
        ],
      );
    });

    it('tells a cycle when it ends, with what was set last and its failure, once', () => {
      const { narrator, told } = create();
      const good = narrator.span('cycle', key, undefined);
      good.set({ operations: 1 });
      good.set({ operations: 12 });
      good.end();
      good.end(unreachable);
      narrator.span('delete-scan', key, narrator.startRun(key, undefined)).end(unreachable);
      assert.deepEqual(told().cycles, [
        { kind: 'cycle', pair: key, operations: 12, failure: undefined },
        { kind: 'delete-scan', pair: key, operations: undefined, failure: 'cluster_unreachable' },
      ]);
    });

    it('adds up what is counted under one name', async () => {
      const { narrator, told } = create();
      narrator.count('operations.written', 40, { pair: key });
      narrator.count('operations.written', 2, { pair: key });
      assert.equal(await told().counted('operations.written'), 42);
    });

    it('keeps the level and words of a log line', () => {
      const { narrator, told } = create();
      narrator.log('warn', 'slow answer', { tookMs: 900 });
      assert.deepEqual(told().logs, [{ level: 'warn', message: 'slow answer' }]);
    });
  });
}
