import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PairStatus } from '../../../src/domain/commands.ts';
import type { Lifecycle } from '../../../src/domain/journal.ts';
import { type MetricPoint, telemetryBench } from '../../support/telemetry-bench.ts';

function status(
  index: string,
  shard: number,
  state: Lifecycle,
  lag: { operations: number | null; seconds: number | null },
): PairStatus {
  return {
    leader: { cluster: 'main', index: 'source' },
    follower: { cluster: 'replica', index },
    shard,
    state,
    desired: 'running',
    owner: { supervisor: 'only', term: 1 },
    attempt: 0,
    epoch: 1,
    aligned: true,
    checkpoint: 10,
    leaderGlobalCheckpoint: 12,
    leaderMaxSeqNo: 12,
    lagOperations: lag.operations,
    lagSeconds: lag.seconds,
    followerDocuments: 5,
    leaderDocuments: 5,
    outstandingDeletes: shard,
    quarantined: 0,
    quarantinedWithoutCopy: 0,
    progress: 1,
    operationsWritten: 11,
    bytesRead: 100,
    operationsPerSecond: 7,
    bytesPerSecond: 70,
    conflicts: 0,
    deleteScans: 0,
    deletesFound: 0,
    scanSurprises: 0,
    foreignWrites: 0,
    overwritten: 0,
    retries: 0,
    transitions: 2,
    traceId: null,
  };
}

const of = (points: readonly MetricPoint[], metric: string): unknown[] =>
  points
    .filter((point) => point.metric === `slipstream.${metric}`)
    .map((point) => [point.attributes['slipstream.pair'], point.value]);

describe('metrics of pairs', () => {
  const statuses = [
    status('a', 0, 'following', { operations: 3, seconds: 2 }),
    status('a', 1, 'retrying', { operations: 4, seconds: 9 }),
    status('b', 0, 'paused', { operations: null, seconds: null }),
  ];

  it('give every pair its own values, and none where a value is unknown', async () => {
    const bench = telemetryBench({ pairMetricsMax: 3 });
    bench.narrator.observeStatus(
      () => statuses,
      () => new Map(),
    );
    const points = await bench.points();
    assert.deepEqual(of(points, 'lag.operations'), [
      ['replica/a/0', 3],
      ['replica/a/1', 4],
    ]);
    assert.deepEqual(of(points, 'deletes.outstanding'), [
      ['replica/a/0', 0],
      ['replica/a/1', 1],
      ['replica/b/0', 0],
    ]);
    const states = points.filter(
      (point) => point.metric === 'slipstream.pair.state' && point.attributes['slipstream.pair'] === 'replica/b/0',
    );
    assert.deepEqual(
      states.map((point) => [point.attributes['slipstream.state'], point.value]),
      [
        ['bootstrapping', 0],
        ['following', 0],
        ['retrying', 0],
        ['paused', 1],
        ['fatal', 0],
      ],
    );
  });

  it('are joined by index when there are more pairs than the setting allows', async () => {
    const bench = telemetryBench({ pairMetricsMax: 2 });
    bench.narrator.observeStatus(
      () => statuses,
      () => new Map(),
    );
    const points = await bench.points();
    assert.deepEqual(of(points, 'lag.operations'), [['replica/a', 7]]);
    assert.deepEqual(of(points, 'lag.time'), [['replica/a', 9]]);
    assert.deepEqual(of(points, 'throughput.operations'), [
      ['replica/a', 14],
      ['replica/b', 7],
    ]);
    const following = points.find(
      ({ metric, attributes }) => metric === 'slipstream.pair.state' && attributes['slipstream.state'] === 'following',
    );
    assert.equal(following?.value, 1);
  });

  it('are no longer asked for once the observation has ended', async () => {
    const bench = telemetryBench();
    const end = bench.narrator.observeStatus(
      () => statuses,
      () => new Map(),
    );
    end();
    assert.deepEqual(await bench.points(), []);
  });

  it('count by pair up to the setting, then by index, and never by an attribute of many values', async () => {
    const bench = telemetryBench({ pairMetricsMax: 1 });
    bench.narrator.count('operations.written', 5, { pair: 'replica/a/0', checkpoint: 7 });
    bench.narrator.count('operations.written', 6, { pair: 'replica/b/0' });
    bench.narrator.count('operations.written', 7, { pair: 'replica/b/1' });
    const points = (await bench.points()).map(({ attributes, value }) => [attributes, value]);
    assert.deepEqual(points, [
      [{ 'slipstream.pair': 'replica/a/0' }, 5],
      [{ 'slipstream.pair': 'replica/b' }, 13],
    ]);
  });
});
