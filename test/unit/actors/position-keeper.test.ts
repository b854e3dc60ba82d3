/** When the positions of a first copy are saved: once the follower has synced what they vouch for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLease } from '../../../src/actors/lease.ts';
import { type PositionDraft, PositionKeeper } from '../../../src/actors/position-keeper.ts';
import { ClusterBreaker } from '../../../src/replication/cluster-breaker.ts';
import { ClusterWatcher } from '../../../src/replication/cluster-watcher.ts';
import { pairKey } from '../../../src/domain/names.ts';
import { fixedOwnership } from '../../support/fixed-ownership.ts';
import { MemoryCluster } from '../../support/memory-search/memory-cluster.ts';
import { memoryFollower } from '../../support/memory-search/memory-follower.ts';
import { memoryLeader } from '../../support/memory-search/memory-leader.ts';
import { memoryNarrator } from '../../support/memory-narrator.ts';
import { memoryPositions } from '../../support/memory-positions.ts';
import { SimRandom } from '../../support/sim-random.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const INTERVAL_MS = 2000;
const UNSYNCED_INTERVAL_MS = 10_000;

interface Kept {
  readonly beginsAtMs: number;
  readonly unsynced: boolean;
  readonly forMs: number;
  /** The follower acknowledges before it syncs, and syncs by itself so often. */
  readonly syncEveryMs?: number;
  /** Beside the ticks of the keeper, when so much time has passed. */
  readonly saveNowAtMs?: number;
  /** The pair ends then, as when it is unfollowed. */
  readonly forgetAtMs?: number;
}

interface Saved {
  /** How long after it began a pair that moves all the time was saved. */
  readonly atMs: readonly number[];
  /** Each vouches for so many operations. */
  readonly checkpoints: readonly number[];
  readonly flushes: number;
}

const never = new AbortController().signal;

async function saved({ beginsAtMs, unsynced, forMs, syncEveryMs, saveNowAtMs, forgetAtMs }: Kept): Promise<Saved> {
  const clock = new VirtualClock();
  const [narrator, random] = [memoryNarrator(), new SimRandom(1)];
  const cluster = new MemoryCluster({ name: 'replica', monotonicMs: clock.monotonic });
  const [shard] = cluster.createIndex('orders', { shards: 1 }).shards;
  assert.ok(shard !== undefined);
  shard.asyncTranslog = syncEveryMs !== undefined;
  const leader = memoryLeader(cluster);
  const breaker = new ClusterBreaker({
    cluster: cluster.name,
    probe: (signal) => leader.stateVersion(signal),
    requestTimeoutMs: 30_000,
    clock,
    random,
    narrator,
  });
  const polls = { pollIntervalMs: 500, pollIntervalMaxMs: 1000 };
  const watcher = new ClusterWatcher({ cluster: leader, breaker, clock, ...polls });
  const store = memoryPositions();
  const follower = memoryFollower(cluster);
  let flushes = 0;
  const keeper = new PositionKeeper({
    follower: {
      ...follower,
      flush: (index, signal) => {
        flushes += 1;
        return follower.flush(index, signal);
      },
    },
    breaker,
    watcher,
    store,
    clock,
    narrator,
    journalId: 'j',
    intervalMs: INTERVAL_MS,
    unsyncedIntervalMs: UNSYNCED_INTERVAL_MS,
  });
  const ref = { follower: { cluster: cluster.name, index: 'orders' }, shard: 0 };
  let [written, nextSyncMs, savedNow] = [0, beginsAtMs + (syncEveryMs ?? Infinity), false];
  const run = async (untilMs: number): Promise<void> => {
    clock.setTimeout(() => undefined, untilMs - clock.monotonic());
    while (clock.monotonic() < untilMs) {
      clock.runNext();
      const nowMs = clock.monotonic();
      shard.write({ id: `${(written += 1)}`, source: '{}' });
      keeper.moved(ref);
      if (nowMs >= nextSyncMs) {
        shard.sync();
        nextSyncMs = nowMs + (syncEveryMs ?? Infinity);
      }
      if (!savedNow && nowMs >= beginsAtMs + (saveNowAtMs ?? Infinity)) {
        savedNow = true;
        void keeper.saveNow(ref, false, never);
      }
      if (nowMs >= beginsAtMs + (forgetAtMs ?? Infinity)) keeper.forget(ref);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const atMs: number[] = [];
  const checkpoints: number[] = [];
  const early: number[] = [];
  store.onSave = ({ pair, position }) => {
    assert.equal(pair, pairKey(ref));
    if (position.checkpoint > shard.syncedSeqNo) early.push(position.checkpoint);
    atMs.push(clock.monotonic() - beginsAtMs);
    checkpoints.push(position.checkpoint);
  };
  watcher.watch('orders', { observed: () => undefined, failed: () => undefined });
  watcher.start();
  keeper.start();
  await run(beginsAtMs);
  const leaderSide = { uuid: 'u', historyUuid: 'h', shards: 1 };
  const draft = (): PositionDraft => ({
    epoch: 1,
    checkpoint: shard.maxSeqNo,
    ranges: [],
    leader: leaderSide,
    followerCount: null,
  });
  const lease = openLease(fixedOwnership(), { slot: 0, term: 1, released: true });
  keeper.keep({ ref, draft, unsynced: () => unsynced, told: () => ({}), lease }, undefined);
  await run(beginsAtMs + forMs);
  const stopped = keeper.stop();
  await watcher.stop();
  breaker.stop();
  await stopped;
  assert.deepEqual(early, [], 'no position vouches for what a crash could take');
  assert.deepEqual(
    narrator.logs.filter(({ level }) => level !== 'info'),
    [],
  );
  return { atMs, checkpoints, flushes };
}

for (const beginsAtMs of [10_100, 10_900, 11_100, 11_900])
  test(`a first copy that begins at ${beginsAtMs} ms is saved about one interval later, and then every 10 s`, async () => {
    const { atMs } = await saved({ beginsAtMs, unsynced: true, forMs: 60_000 });
    const [first = 0, ...later] = atMs;
    assert.ok(first >= INTERVAL_MS / 2 && first <= (3 * INTERVAL_MS) / 2 + 100, `${first}`);
    assert.equal(later.length, 5);
    for (const [at, next] of later.entries()) {
      const apartMs = next - (later[at - 1] ?? first);
      assert.ok(apartMs >= UNSYNCED_INTERVAL_MS && apartMs <= UNSYNCED_INTERVAL_MS + INTERVAL_MS, `${apartMs}`);
    }
  });

test('a follower that syncs by itself is not told to flush', async () => {
  const { atMs, flushes } = await saved({ beginsAtMs: 10_000, unsynced: true, syncEveryMs: 5000, forMs: 60_000 });
  assert.equal(flushes, 0);
  assert.ok(atMs.length >= 4, `saved at ${atMs.join(', ')}`);
});

test('one that does not sync by itself is told to flush after 15 s', async () => {
  const { atMs, flushes } = await saved({ beginsAtMs: 10_000, unsynced: true, syncEveryMs: 1e9, forMs: 40_000 });
  assert.equal(flushes, 2);
  const [first = 0] = atMs;
  assert.ok(first >= 15_000 && first < 20_000, `${first}`);
});

test('whoever cannot wait has it flushed, and what waited longer does not replace that', async () => {
  const options = { beginsAtMs: 10_000, unsynced: true, syncEveryMs: 9_000, saveNowAtMs: 4000 };
  const { atMs, checkpoints, flushes } = await saved({ ...options, forMs: 12_000 });
  assert.equal(flushes, 1);
  assert.ok((atMs[0] ?? Infinity) < 4500, `saved at ${atMs.join(', ')}`);
  assert.equal(checkpoints.length, 1, `the draft of the tick before was older: ${checkpoints.join(', ')}`);
});

test('for a pair that has ended meanwhile nothing is waited for, flushed or saved', async () => {
  const options = { beginsAtMs: 10_000, unsynced: true, syncEveryMs: 1e9, forgetAtMs: 4000 };
  assert.deepEqual(await saved({ ...options, forMs: 40_000 }), { atMs: [], checkpoints: [], flushes: 0 });
});

test('a pair whose writes are durable when they are acknowledged is saved at every tick, from the next one on', async () => {
  const { atMs } = await saved({ beginsAtMs: 11_900, unsynced: false, forMs: 20_000 });
  assert.ok((atMs[0] ?? Infinity) < INTERVAL_MS / 2, `${atMs[0]}`);
  assert.equal(atMs.length, 10);
});
