/** One breaker between requests and a cluster that is a function: what opens it, what goes out while it is open, how it closes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { failed, Failed, type FailureCode } from '../../../src/domain/failure.ts';
import { ClusterBreaker } from '../../../src/replication/cluster-breaker.ts';
import { memoryNarrator } from '../../support/memory-narrator.ts';
import { SimRandom } from '../../support/sim-random.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const REQUEST_TIMEOUT_MS = 30_000;
const never = (): AbortSignal => new AbortController().signal;

interface Bench {
  readonly clock: VirtualClock;
  readonly breaker: ClusterBreaker;
  readonly narrator: ReturnType<typeof memoryNarrator>;
  /** Virtual times of probes. */
  readonly probes: number[];
  /** What a probe meets; undefined: an answer. */
  cluster: FailureCode | 'silent' | undefined;
  /** One request of a pair; gives the code that it failed with. */
  request(meets?: FailureCode): Promise<FailureCode | 'answered'>;
  readonly sent: () => number;
  advance(ms: number): Promise<void>;
}

function bench(): Bench {
  const clock = new VirtualClock();
  const narrator = memoryNarrator();
  const probes: number[] = [];
  let sent = 0;
  const error = (code: FailureCode): Failed => failed(code, { op: 'test', cluster: 'left', reason: `it met ${code}` });
  const made: Bench = {
    clock,
    narrator,
    probes,
    cluster: undefined,
    sent: () => sent,
    breaker: new ClusterBreaker({
      cluster: 'left',
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      clock,
      random: new SimRandom(5),
      narrator,
      probe: async (signal) => {
        probes.push(clock.monotonic());
        if (made.cluster === 'silent') await clock.sleep(1e9, signal);
        else if (made.cluster !== undefined) throw error(made.cluster);
      },
    }),
    async request(meets) {
      try {
        await made.breaker.pass(async () => {
          sent += 1;
          if (meets !== undefined) throw error(meets);
        }, never());
        return 'answered';
      } catch (thrown) {
        assert.ok(thrown instanceof Failed);
        return thrown.failure.code;
      }
    },
    async advance(ms) {
      for (const end = clock.monotonic() + ms; clock.monotonic() < end;) {
        clock.advance(10);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
  return made;
}

/** Proven, then away. */
async function away(meets: FailureCode = 'cluster_unreachable'): Promise<Bench> {
  const b = bench();
  assert.equal(await b.request(), 'answered');
  await b.advance(2000);
  b.cluster = meets;
  assert.equal(await b.request(meets), meets);
  return b;
}

describe('what opens it', () => {
  for (const code of [
    'cluster_unreachable',
    'request_timeout',
    'answer_cut',
    'unauthorized',
    'forbidden',
    'no_master',
    'other_cluster',
    'unexpected_answer',
  ] as const)
    test(`${code} of a request, and of the probe that follows`, async () => {
      const b = await away(code);
      assert.equal(b.breaker.outage?.failure.code, code);
      assert.equal(b.probes.length, 2);
    });

  for (const code of ['request_timeout', 'forbidden', 'cluster_unreachable'] as const)
    test(`not ${code} of a request, as long as the cluster answers its probe`, async () => {
      const b = bench();
      await b.request();
      await b.advance(2000);
      assert.equal(await b.request(code), code);
      assert.deepEqual([b.breaker.outage, b.probes.length], [undefined, 2]);
    });

  for (const code of ['shard_unavailable', 'index_closed', 'blocked', 'cluster_busy'] as const)
    test(`never ${code}, which does not even cause a probe`, async () => {
      const b = bench();
      await b.request();
      b.cluster = 'cluster_unreachable';
      assert.equal(await b.request(code), code);
      assert.deepEqual([b.breaker.outage, b.probes.length], [undefined, 1]);
    });

  test('an index is not taken for deleted where another cluster has taken the address', async () => {
    const b = bench();
    await b.request();
    await b.advance(2000);
    assert.equal(await b.request('index_deleted'), 'index_deleted', 'the same cluster says so');
    await b.advance(2000);
    b.cluster = 'other_cluster';
    assert.equal(await b.request('index_deleted'), 'other_cluster');
    assert.equal(b.breaker.outage?.failure.code, 'other_cluster');
    b.cluster = 'cluster_unreachable';
    await b.advance(2500);
    b.cluster = undefined;
    await b.advance(2500);
    assert.equal(await b.request(), 'answered');
  });

  test('an index whose requests always fail costs a probe a second', async () => {
    const b = bench();
    await b.request();
    let asked = 0;
    const forEver = async (): Promise<void> => {
      for (;;) {
        await b.request('forbidden');
        asked += 1;
        await b.clock.sleep(20);
      }
    };
    for (let n = 0; n < 10; n += 1) void forEver();
    await b.advance(20_000);
    assert.ok(asked >= 100);
    assert.ok(b.probes.length <= 21, `${b.probes.length} probes`);
    assert.equal(b.breaker.outage, undefined);
  });

  test('a probe that is not answered in five seconds', async () => {
    const b = bench();
    await b.request();
    await b.advance(2000);
    b.cluster = 'silent';
    const request = b.request('request_timeout');
    await b.advance(5100);
    assert.equal(await request, 'request_timeout');
    assert.match(b.breaker.outage?.failure.reason ?? '', /no answer within 5000 ms/);
  });

  test('what a probe meets is never taken for the end of a pair', async () => {
    const b = bench();
    await b.request();
    await b.advance(2000);
    b.cluster = 'mapping_conflict';
    await b.request('cluster_unreachable');
    const failure = b.breaker.outage?.failure;
    assert.deepEqual([failure?.kind, failure?.code], ['transient', 'unexpected_answer']);
  });
});

describe('before the first request', () => {
  test('thousands that start together cost one probe while the cluster is away', async () => {
    const b = bench();
    b.cluster = 'cluster_unreachable';
    const outcomes = await Promise.all(Array.from({ length: 5000 }, () => b.request()));
    assert.deepEqual([new Set(outcomes), b.sent(), b.probes.length], [new Set(['cluster_unreachable']), 0, 1]);
  });

  test('the probe that is answered lets them all pass', async () => {
    const b = bench();
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => b.request()));
    assert.deepEqual([new Set(outcomes), b.sent(), b.probes.length], [new Set(['answered']), 50, 1]);
  });
});

describe('while it is open', () => {
  test('no request goes out, and each is refused with the cause, which is unambiguous', async () => {
    const b = await away('unauthorized');
    const before = b.sent();
    assert.equal(await b.request(), 'unauthorized');
    await assert.rejects(
      b.breaker.pass(() => Promise.resolve(), never()),
      (thrown) =>
        thrown instanceof Failed && thrown.failure.ambiguous === undefined && thrown.failure.cluster === 'left',
    );
    assert.equal(b.sent(), before);
  });

  test('one probe at a time, never more than four a second, at least one in two seconds', async () => {
    const b = await away();
    b.probes.splice(0);
    await b.advance(120_000);
    const gaps = b.probes.slice(1).map((at, n) => at - (b.probes[n] ?? 0));
    assert.ok(Math.min(...gaps) >= 250 && Math.max(...gaps) <= 2020, `${Math.min(...gaps)} to ${Math.max(...gaps)}`);
    assert.ok(gaps.length > 60);
    assert.ok(new Set(gaps).size > 10, 'with jitter');
  });

  test('a silent cluster is asked anew after five seconds, now and then after as long as any request may take', async () => {
    const b = await away('request_timeout');
    b.cluster = 'silent';
    b.probes.splice(0);
    await b.advance(180_000);
    const gaps = b.probes.slice(1).map((at, n) => at - (b.probes[n] ?? 0));
    assert.ok(Math.min(...gaps) >= 5250);
    assert.deepEqual(
      gaps.flatMap((gap, n) => (gap > 8000 ? [n] : [])),
      [11],
    );
    assert.ok((gaps[11] ?? 0) >= REQUEST_TIMEOUT_MS);
  });

  test('it tells since when, what the last probe met, and when the next one is due', async () => {
    const b = await away();
    const sinceMs = b.clock.now();
    await b.advance(5000);
    b.cluster = 'unauthorized';
    await b.advance(5000);
    void b.breaker.turn(never());
    const { outage } = b.breaker;
    assert.ok(outage);
    assert.deepEqual(
      [outage.cluster, outage.sinceMs, outage.failure.code, outage.waiting],
      ['left', sinceMs, 'unauthorized', 1],
    );
    assert.equal(outage.probes, b.probes.length - 1);
    assert.ok((outage.nextProbeAtMs ?? 0) >= b.clock.now() && (outage.nextProbeAtMs ?? 0) <= b.clock.now() + 2000);
    assert.deepEqual([b.narrator.total('cluster.outages'), b.narrator.total('cluster.probes')], [1, b.probes.length]);
  });
});

describe('when the cluster is back', () => {
  test('5,000 pairs leave within eight seconds, and the cluster saw nothing but probes before', async () => {
    const b = await away();
    b.probes.splice(0);
    const before = b.sent();
    const arrivals: number[] = [];
    for (let n = 0; n < 5000; n += 1)
      void b.breaker.turn(never()).then(async () => {
        arrivals.push(b.clock.monotonic());
        await b.request();
      });
    await b.advance(60_000);
    assert.deepEqual([arrivals.length, b.sent() - before], [0, 0]);
    const seconds = Map.groupBy(b.probes, (at) => Math.floor(at / 1000));
    for (const [, probes] of seconds) assert.ok(probes.length <= 4);
    b.cluster = undefined;
    const backAtMs = b.clock.monotonic();
    await b.advance(8000);
    assert.equal(arrivals.length, 5000);
    assert.equal(b.breaker.outage, undefined);
    assert.ok((arrivals[0] ?? 0) - backAtMs <= 2020, 'the first probe comes within two seconds');
    const tenths = [...Map.groupBy(arrivals, (at) => Math.floor((at - (arrivals[0] ?? 0)) / 100)).values()];
    assert.ok(Math.max(...tenths.map((all) => all.length)) <= 200);
    assert.ok((tenths[0]?.length ?? 0) <= 2, 'one at first');
  });

  test('it opens again under those that leave, and the others go on waiting', async () => {
    const b = await away();
    let left = 0;
    for (let n = 0; n < 1000; n += 1) void b.breaker.turn(never()).then(() => (left += 1));
    b.cluster = undefined;
    while (left < 20) await b.advance(10);
    b.cluster = 'cluster_unreachable';
    void b.request('cluster_unreachable');
    await b.advance(2000);
    const gone = left;
    assert.ok(gone < 1000);
    await b.advance(10_000);
    assert.equal(left, gone);
    b.cluster = undefined;
    await b.advance(8000);
    assert.equal(left, 1000);
  });

  test('nothing is left to happen once it is stopped', async () => {
    const b = await away();
    b.breaker.stop();
    await b.advance(10);
    assert.equal(b.clock.pending, 0);
  });
});
