import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Failed, type FailureCode } from '../../../src/domain/failure.ts';
import type { IndexVersions, ShardStats } from '../../../src/domain/shard-stats.ts';
import type { Observation } from '../../../src/replication/cluster-watcher.ts';
import { awaitCheckpoint, fencedStats, type LeaderIdentity } from '../../../src/replication/leader-fence.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const leader: LeaderIdentity = {
  cluster: 'main',
  index: 'orders',
  uuid: 'uuid-1',
  shards: 2,
  shard: 1,
  historyUuid: 'history-1',
};
const stats: ShardStats = { globalCheckpoint: 7, maxSeqNo: 9, historyUuid: 'history-1', nodeId: 'n' };
const versions: IndexVersions = {
  uuid: 'uuid-1',
  state: 'open',
  primaryTerms: [3, 4],
  mappingVersion: 1,
  settingsVersion: 1,
  aliasesVersion: 1,
};

function seen(parts: Partial<Observation> = {}): Observation {
  return { tick: 1, startedAtMs: 0, versions, shards: new Map([[1, stats]]), ...parts };
}

test('the numbers of the shard come with its term', () => {
  assert.deepEqual(fencedStats(seen(), leader), { ...stats, primaryTerm: 4 });
});

test('a history that nobody knows yet is taken as it is', () => {
  const other = { ...stats, historyUuid: 'history-2' };
  const fenced = fencedStats(seen({ shards: new Map([[1, other]]) }), { ...leader, historyUuid: undefined });
  assert.equal(fenced.historyUuid, 'history-2');
});

describe('a leader that is not what it was', () => {
  const cases: readonly (readonly [string, Partial<Observation>, FailureCode])[] = [
    ['is gone', { versions: undefined }, 'index_deleted'],
    ['is another index of the same name', { versions: { ...versions, uuid: 'uuid-2' } }, 'index_recreated'],
    ['is closed', { versions: { ...versions, state: 'close' } }, 'index_closed'],
    ['has another number of shards', { versions: { ...versions, primaryTerms: [1, 1, 1] } }, 'shard_count_changed'],
    ['has a shard that does not answer', { shards: new Map([[0, stats]]) }, 'shard_unavailable'],
    ['was restored', { shards: new Map([[1, { ...stats, historyUuid: 'history-2' }]]) }, 'history_changed'],
  ];
  for (const [what, parts, code] of cases) {
    test(what, () => {
      assert.throws(
        () => fencedStats(seen(parts), leader),
        (thrown) => thrown instanceof Failed && thrown.failure.code === code && thrown.failure.cluster === 'main',
      );
    });
  }
});

interface Look {
  readonly globalCheckpoint: number;
  readonly maxSeqNo?: number;
  readonly primaryTerm?: number;
}

/** What the shard shows at each look; the last goes on for ever. */
async function fence(looks: readonly Look[], last: number | 'all') {
  const clock = new VirtualClock();
  let count = 0;
  const refreshed: number[] = [];
  const work = awaitCheckpoint(
    (refresh) => {
      if (refresh) refreshed.push(count);
      const now = looks[Math.min(count, looks.length - 1)];
      count += 1;
      const sight = { ...stats, primaryTerm: 4, ...now };
      return Promise.resolve({ stats: sight, observation: seen({ tick: count }) });
    },
    { primaryTerm: 4, last, clock },
    new AbortController().signal,
  );
  let outcome: Observation | undefined | 'waiting' = 'waiting';
  void work.then((observation) => (outcome = observation));
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    if (outcome !== 'waiting' || !clock.runNext()) break;
  }
  return { outcome: await work, count, refreshed, atMs: clock.monotonic() };
}

describe('waiting until nothing in a view can be taken back', () => {
  test('ends at once where everything is safe already', async () => {
    const { outcome, count } = await fence([{ globalCheckpoint: 9 }], 9);
    assert.deepEqual([outcome?.tick, count], [1, 1]);
  });

  test('goes on until the checkpoint has reached the last operation shown', async () => {
    const { outcome, count } = await fence(
      [{ globalCheckpoint: 7 }, { globalCheckpoint: 8 }, { globalCheckpoint: 9 }],
      9,
    );
    assert.deepEqual([outcome?.tick, count], [3, 3]);
  });

  test('gives the view up when another copy took over, even if the numbers are reached', async () => {
    const { outcome } = await fence([{ globalCheckpoint: 7 }, { globalCheckpoint: 9, primaryTerm: 5 }], 9);
    assert.equal(outcome, undefined);
  });

  test('gives the view up after a while, and refreshes meanwhile', async () => {
    const { outcome, refreshed, atMs } = await fence([{ globalCheckpoint: 7 }], 9);
    assert.equal(outcome, undefined);
    assert.ok(refreshed.length >= 4 && !refreshed.includes(0));
    assert.ok(atMs >= 5000 && atMs < 6000);
  });

  test('waits for every operation that was there at the first look, and for no later one', async () => {
    const looks = [
      { globalCheckpoint: 7, maxSeqNo: 12 },
      { globalCheckpoint: 11, maxSeqNo: 20 },
      { globalCheckpoint: 12, maxSeqNo: 30 },
    ];
    const { outcome, count } = await fence(looks, 'all');
    assert.deepEqual([outcome?.tick, count], [3, 3]);
  });
});
