import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createIndex, loadDocuments, SLOW_READING_BYTES } from '../../support/bulk-load.ts';
import { operationsLeft, total } from '../../support/copy-left.ts';
import { createChurnIndex, differencesFromExpected, startChurn } from '../../support/churn/churn.ts';
import { addressOf, openWorld } from '../../support/replication-world.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { bySize } from '../../support/test-size.ts';
import { until } from '../../support/until.ts';

/** After an unclean end counts are not trusted until every request of the past has ended. */
const REQUEST_TIMEOUT_MS = 3000;
const SETTLED_WITHIN_MS = 120_000;

async function readAtFullSpeed(configFile: string): Promise<void> {
  const config = JSON.parse(await readFile(configFile, 'utf8')) as { clusters: Record<string, object> };
  const clusters = Object.entries(config.clusters).map(([name, cluster]) => [
    name,
    { ...cluster, readRateLimit: undefined },
  ]);
  await writeFile(configFile, JSON.stringify({ ...config, clusters: Object.fromEntries(clusters) }));
}

test('a supervisor killed while it bootstraps goes on from its saved cursors', async (t: TestContext) => {
  const kills = bySize({ short: 2, full: 10 });
  const documents = bySize({ short: 50_000, full: 300_000 });
  const random = seededRandom(11);
  await using world = await openWorld({
    leader: { url: addressOf('SLIPSTREAM_LEADER_URL'), readRateLimitBytes: SLOW_READING_BYTES / 4 },
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });
  const index = world.name('-bootstrap');
  await createIndex(world.leader, index);
  await loadDocuments(world.leader, index, documents);
  let supervisor = await world.start();
  await world.follow(index, { max_read_request_operation_count: 200 });
  let before = await operationsLeft(world, index);
  assert.equal(total(before), documents);
  const trail: string[] = [];
  for (let kill = 1; kill <= kills; kill += 1) {
    const saved = before;
    let seen: readonly number[] = saved;
    const moved = async (): Promise<true | undefined> => {
      seen = await operationsLeft(world, index);
      return seen.every((operations, shard) => operations < (saved[shard] ?? 0)) ? true : undefined;
    };
    await until(
      'cursors of both shards are saved',
      60_000,
      moved,
      () => `left: ${trail.join(', ')}, now ${seen.join('+')}`,
    );
    await delay(random() * 1500);
    await supervisor.kill();
    const after = await operationsLeft(world, index);
    trail.push(after.join('+'));
    for (const shard of [0, 1]) assert.ok((after[shard] ?? 0) < (before[shard] ?? 0), 'positions only move forwards');
    before = after;
    // What is left need not be waited for.
    if (kill === kills) await readAtFullSpeed(world.configFile);
    supervisor = await world.start();
  }
  const pairs = await world.awaitSettled(index, SETTLED_WITHIN_MS);
  t.diagnostic(
    `left after each kill: ${trail.join(', ')} of ${documents}; written since the last: ${pairs.map((pair) => pair.operationsWritten).join('+')}`,
  );
  assert.ok(total(before) > 0, 'the last kill was before the end');
  for (const pair of pairs) {
    assert.equal(
      pair.operationsWritten,
      before[pair.shard],
      `shard ${pair.shard} wrote what was left, and nothing twice`,
    );
    assert.equal(pair.conflicts, 0);
  }
  const comparison = await world.compare(index);
  assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
  assert.equal(comparison.rightDocuments, documents);
});

test('a supervisor killed while the leader is written to goes on and ends identical', async (t: TestContext) => {
  const kills = bySize({ short: 1, full: 10 });
  const random = seededRandom(12);
  await using world = await openWorld({ requestTimeoutMs: REQUEST_TIMEOUT_MS });
  const index = world.name('-churn');
  const address = { url: world.leader.url, index };
  await createChurnIndex(address, { shards: 2, gcDeletes: '1s' });
  let supervisor = await world.start();
  await world.follow(index);
  const churn = await startChurn({ ...address, seed: 12, operationsPerSecond: 1500 });
  const checkpoints: number[] = [];
  try {
    for (let kill = 1; kill <= kills; kill += 1) {
      await world.awaitPairs(index, 'the pairs follow', SETTLED_WITHIN_MS, (pair) => pair.state === 'following');
      await delay(random() * 4000);
      await supervisor.kill();
      const saved = await Promise.all([0, 1].map((shard) => world.position(index, shard)));
      for (const record of saved) {
        assert.ok(record !== undefined, 'a position was saved before');
        assert.equal(record.position.clean, false, 'a kill leaves no position that calls itself clean');
        checkpoints.push(record.position.checkpoint);
      }
      supervisor = await world.start();
      await world.awaitPairs(
        index,
        'it goes on from there',
        30_000,
        (pair) => pair.checkpoint >= (saved[pair.shard]?.position.checkpoint ?? 0),
      );
    }
  } finally {
    churn.stop();
  }
  const report = await churn.done;
  const pairs = await world.awaitSettled(index, SETTLED_WITHIN_MS);
  t.diagnostic(
    `${report.operations} operations, checkpoints at the kills ${checkpoints.join(', ')}, ${pairs.map((pair) => pair.deleteScans).join('+')} scans since the last`,
  );
  assert.deepEqual(await differencesFromExpected(address, churn.expected), []);
  const comparison = await world.compare(index);
  assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
  for (const { conflicts, scanSurprises, foreignWrites, operationsWritten, leaderMaxSeqNo } of pairs) {
    assert.deepEqual({ conflicts, scanSurprises, foreignWrites }, { conflicts: 0, scanSurprises: 0, foreignWrites: 0 });
    assert.ok(operationsWritten < (leaderMaxSeqNo ?? 0), 'the last life did not copy everything again');
  }
});

test('a supervisor asked to stop while the leader is written to leaves nothing half recorded', async () => {
  await using world = await openWorld();
  const index = world.name('-drain');
  const address = { url: world.leader.url, index };
  await createChurnIndex(address, { shards: 2, gcDeletes: '1s' });
  const supervisor = await world.start();
  await world.follow(index);
  const churn = await startChurn({ ...address, seed: 13, operationsPerSecond: 1500 });
  try {
    await world.awaitPairs(index, 'the pairs follow', SETTLED_WITHIN_MS, (pair) => pair.state === 'following');
    assert.equal(await supervisor.stop(), 0);
    const events = await world.journal();
    for (const shard of [0, 1]) {
      const record = await world.position(index, shard);
      assert.equal(record?.position.clean, true, 'an orderly stop leaves a clean position');
      const last = events.findLast((event) => event.entity === 'pair' && event.pair.shard === shard);
      assert.ok(last?.entity === 'pair');
      assert.equal(last.result.state, 'following', 'a stop is no event: the pair goes on at the next start');
    }
    const entries = events.length;
    await world.start();
    // Without trust in the saved count it would be null until the request timeout of 30 s has passed.
    await world.awaitPairs(
      index,
      'the count is known at once',
      15_000,
      (pair) => pair.followerDocuments !== null && pair.operationsWritten > 0,
    );
    assert.equal((await world.journal()).length, entries, 'going on is no event either');
    const taken = await Promise.all([0, 1].map((shard) => world.position(index, shard)));
    for (const record of taken) assert.equal(record?.position.clean, false, 'the count is trusted once only');
  } finally {
    churn.stop();
  }
  await churn.done;
  const pairs = await world.awaitSettled(index);
  const comparison = await world.compare(index);
  assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
  for (const { conflicts, scanSurprises, foreignWrites } of pairs)
    assert.deepEqual({ conflicts, scanSurprises, foreignWrites }, { conflicts: 0, scanSurprises: 0, foreignWrites: 0 });
});
