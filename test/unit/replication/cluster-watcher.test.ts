import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterBreaker } from '../../../src/replication/cluster-breaker.ts';
import { ClusterWatcher } from '../../../src/replication/cluster-watcher.ts';
import { MemoryCluster } from '../../support/memory-search/memory-cluster.ts';
import { memoryLeader } from '../../support/memory-search/memory-leader.ts';
import { SimRandom } from '../../support/sim-random.ts';
import { memoryNarrator } from '../../support/memory-narrator.ts';
import { systemClock } from '../../../src/infra/system/clock.ts';

const never = AbortSignal.any([]);

/** A watcher over a hundred indices whose refreshes end when they are told to. */
function watching() {
  const clock = systemClock;
  const memory = new MemoryCluster({ name: 'left', monotonicMs: () => clock.monotonic() });
  const leader = memoryLeader(memory);
  const names = Array.from({ length: 100 }, (_, at) => memory.createIndex(`logs-${at}`, { shards: 1 }).name);
  const seen = { underWay: 0, atMost: 0, done: 0, begun: [] as string[] };
  const endings: (() => void)[] = [];
  const refresh = async (index: string): Promise<void> => {
    seen.begun.push(index);
    seen.underWay += 1;
    seen.atMost = Math.max(seen.atMost, seen.underWay);
    await new Promise<void>((resolve) => endings.push(resolve));
    seen.underWay -= 1;
    seen.done += 1;
  };
  const breaker = new ClusterBreaker({
    cluster: 'left',
    probe: (signal) => leader.stateVersion(signal),
    requestTimeoutMs: 30_000,
    clock,
    random: new SimRandom(1),
    narrator: memoryNarrator(),
  });
  const polls = { pollIntervalMs: 5, pollIntervalMaxMs: 10 };
  const watcher = new ClusterWatcher({ cluster: { ...leader, refresh }, breaker, clock, ...polls });
  for (const name of names) watcher.watch(name, { observed: () => undefined, failed: () => undefined });
  watcher.start();
  const endAll = async (count: number): Promise<void> => {
    while (seen.done < count) {
      for (const end of endings.splice(0)) end();
      await clock.sleep(1, never);
    }
  };
  return { watcher, names, seen, endAll };
}

test('hundreds of indices that want to be refreshed at once wait for their turn here, and the others are answered meanwhile', async () => {
  const { watcher, names, seen, endAll } = watching();
  const refreshed = Promise.all(names.map((name) => watcher.observe(name, { refresh: true }, never)));
  await watcher.observe('logs-7', { refresh: false }, never);
  assert.equal(seen.done, 0);
  await endAll(names.length);
  assert.equal((await refreshed).length, names.length);
  assert.ok(seen.atMost > 1 && seen.atMost <= 4, `${seen.atMost} at once`);
  await watcher.stop();
});

test('whoever drains does not wait for its turn, and nothing is refreshed for it', async () => {
  const { watcher, names, seen, endAll } = watching();
  let drains = false;
  const others = Promise.all(names.slice(0, 20).map((name) => watcher.observe(name, { refresh: true }, never)));
  const draining = watcher.observe('logs-50', { refresh: true, until: () => drains }, never);
  const refused = assert.rejects(draining, { name: 'AbortError' });
  await watcher.observe('logs-50', { refresh: false }, never);
  drains = true;
  watcher.reconsider('logs-50');
  await refused;
  assert.equal(seen.done, 0);
  await endAll(20);
  await others;
  assert.ok(!seen.begun.includes('logs-50'));
  await watcher.stop();
});
