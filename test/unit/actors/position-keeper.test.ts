/** When the positions of a first copy are saved, each of which costs a flush. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLease } from '../../../src/actors/lease.ts';
import { PositionKeeper } from '../../../src/actors/position-keeper.ts';
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
const FLUSH_INTERVAL_MS = 10_000;

/** How long after it began a pair that moves all the time was saved. */
async function savedAfterMs(options: { beginsAtMs: number; flushFirst: boolean; forMs: number }): Promise<number[]> {
  const clock = new VirtualClock();
  const [narrator, random] = [memoryNarrator(), new SimRandom(1)];
  const cluster = new MemoryCluster({ name: 'replica', monotonicMs: clock.monotonic });
  cluster.createIndex('orders', { shards: 1 });
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
  const keeper = new PositionKeeper({
    follower: memoryFollower(cluster),
    breaker,
    watcher,
    store,
    clock,
    narrator,
    journalId: 'j',
    intervalMs: INTERVAL_MS,
    flushIntervalMs: FLUSH_INTERVAL_MS,
  });
  const ref = { follower: { cluster: cluster.name, index: 'orders' }, shard: 0 };
  const run = async (untilMs: number): Promise<void> => {
    clock.setTimeout(() => undefined, untilMs - clock.monotonic());
    while (clock.monotonic() < untilMs) {
      clock.runNext();
      keeper.moved(ref);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const saved: number[] = [];
  store.onSave = ({ pair }) => {
    assert.equal(pair, pairKey(ref));
    saved.push(clock.monotonic() - options.beginsAtMs);
  };
  watcher.watch('orders', { observed: () => undefined, failed: () => undefined });
  watcher.start();
  keeper.start();
  await run(options.beginsAtMs);
  const leaderSide = { uuid: 'u', historyUuid: 'h', shards: 1 };
  const draft = { epoch: 1, checkpoint: 1, ranges: [], leader: leaderSide, followerCount: null };
  const lease = openLease(fixedOwnership(), { slot: 0, term: 1, released: true });
  const { flushFirst } = options;
  keeper.keep({ ref, draft: () => draft, flushFirst: () => flushFirst, told: () => ({}), lease }, undefined);
  await run(options.beginsAtMs + options.forMs);
  const stopped = keeper.stop();
  await watcher.stop();
  breaker.stop();
  await stopped;
  return saved;
}

for (const beginsAtMs of [10_100, 10_900, 11_100, 11_900])
  test(`a first copy that begins at ${beginsAtMs} ms is saved about one interval later, and then every 10 s`, async () => {
    const [first = 0, ...later] = await savedAfterMs({ beginsAtMs, flushFirst: true, forMs: 60_000 });
    assert.ok(first >= INTERVAL_MS / 2 && first <= (3 * INTERVAL_MS) / 2 + 100, `${first}`);
    assert.equal(later.length, 5);
    for (const [at, next] of later.entries()) {
      const apartMs = next - (later[at - 1] ?? first);
      assert.ok(apartMs >= FLUSH_INTERVAL_MS && apartMs <= FLUSH_INTERVAL_MS + INTERVAL_MS, `${apartMs}`);
    }
  });

test('a pair whose writes are durable when they are acknowledged is saved at every tick, from the next one on', async () => {
  const saved = await savedAfterMs({ beginsAtMs: 11_900, flushFirst: false, forMs: 20_000 });
  assert.ok((saved[0] ?? Infinity) < INTERVAL_MS / 2, `${saved[0]}`);
  assert.equal(saved.length, 10);
});
