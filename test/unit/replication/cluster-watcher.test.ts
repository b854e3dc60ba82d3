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

test('hundreds of indices that want to be refreshed at once wait for their turn here, and the others are answered meanwhile', async () => {
  const clock = systemClock;
  const memory = new MemoryCluster({ name: 'left', monotonicMs: () => clock.monotonic() });
  const leader = memoryLeader(memory);
  const names = Array.from({ length: 100 }, (_, at) => memory.createIndex(`logs-${at}`, { shards: 1 }).name);
  let [underWay, atMost, done] = [0, 0, 0];
  const finish: (() => void)[] = [];
  const refresh = async (): Promise<void> => {
    underWay += 1;
    atMost = Math.max(atMost, underWay);
    await new Promise<void>((resolve) => finish.push(resolve));
    underWay -= 1;
    done += 1;
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
  const refreshed = Promise.all(names.map((name) => watcher.observe(name, { refresh: true }, never)));
  await watcher.observe('logs-7', { refresh: false }, never);
  assert.equal(done, 0);
  while (done < names.length) {
    for (const end of finish.splice(0)) end();
    await clock.sleep(1, never);
  }
  assert.equal((await refreshed).length, names.length);
  assert.ok(atMost > 1 && atMost <= 4, `${atMost} at once`);
  await watcher.stop();
});
