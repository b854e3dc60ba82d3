/** How what takes long comes to its end: a stop, a pause, the last step of a copy, a configuration that lacks a cluster. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { createIndex, loadDocuments } from '../../support/bulk-load.ts';
import { operationsLeft, total } from '../../support/copy-left.ts';
import { type HttpProxy, startHttpProxy } from '../../support/http-proxy.ts';
import { addressOf, openWorld, type World } from '../../support/replication-world.ts';
import { bySize } from '../../support/test-size.ts';

async function worldThrough(side: 'leader' | 'follower', proxy: HttpProxy): Promise<World> {
  const url = addressOf(side === 'leader' ? 'SLIPSTREAM_LEADER_URL' : 'SLIPSTREAM_FOLLOWER_URL');
  return openWorld({ [side]: { url, seenAt: proxy.url } });
}

test('a stop does not wait for a command that waits for its effect', async () => {
  await using proxy = await startHttpProxy(addressOf('SLIPSTREAM_LEADER_URL'));
  await using world = await worldThrough('leader', proxy);
  const index = world.name('-stop');
  await createIndex(world.leader, index);
  await loadDocuments(world.leader, index, 2000);
  proxy.treat = ({ path }) => (path.includes('/_search') ? { kind: 'delay', ms: 300 } : { kind: 'pass' });
  const supervisor = await world.start();
  const followed = world.control.follow({
    leader: { cluster: 'left', index },
    follower: world.followerOf(index),
    parameters: { max_read_request_operation_count: 20 },
    waitMs: 60_000,
  });
  await world.awaitPairs(
    index,
    'the copy is under way',
    20_000,
    ({ state, operationsWritten }) => state === 'bootstrapping' && operationsWritten > 0,
  );
  assert.equal(await supervisor.stop(), 0, 'everything was drained in time');
  const answer = await followed;
  assert.deepEqual([answer.accepted, answer.effective], [true, false], 'who waited was told');

  proxy.treat = () => ({ kind: 'pass' });
  await world.start();
  await world.awaitSettled(index);
});

test('a refusal at the very end of a copy is a retry that lasts, not one after the other', async () => {
  await using proxy = await startHttpProxy(addressOf('SLIPSTREAM_FOLLOWER_URL'));
  await using world = await worldThrough('follower', proxy);
  const index = world.name('-refused');
  await createIndex(world.leader, index);
  await loadDocuments(world.leader, index, 100);
  const reason = 'action [indices:admin/settings/update] is unauthorized';
  const error = { type: 'security_exception', reason };
  proxy.treat = ({ method, path }) =>
    method === 'PUT' && path.startsWith(`/${index}/_settings`)
      ? { kind: 'answer', status: 403, body: { error: { root_cause: [error], ...error }, status: 403 } }
      : { kind: 'pass' };
  await world.start();
  await world.follow(index);
  const attempted = (attempts: number): Promise<unknown> =>
    world.awaitPairs(
      index,
      `attempt ${attempts} is told with what it met`,
      30_000,
      ({ state, attempt, failure }) =>
        state === 'retrying' &&
        attempt >= attempts &&
        failure?.code === 'forbidden' &&
        failure.reason.includes('settings/update'),
    );
  await attempted(2);
  const before = await world.journal();
  await attempted(8);
  assert.deepEqual(await world.journal(), before, 'an attempt that fails is no event');

  proxy.treat = () => ({ kind: 'pass' });
  await world.awaitSettled(index);
  const facts = (await world.journal()).flatMap((event) =>
    event.entity === 'pair' && event.pair.shard === 0 ? [event.fact.type] : [],
  );
  assert.equal(facts.at(-1), 'BOOTSTRAPPED');
  const { [index]: found } = (await world.follower.ok('GET', `/${index}/_settings?flat_settings=true`)) as Record<
    string,
    { settings: Record<string, unknown> }
  >;
  assert.notEqual(found?.settings['index.translog.durability'], 'async');
  assert.ok((await world.compare(index)).equal);
});

for (const { operations, waitMs } of [
  // Gone in ranges, as more than 20,000 are.
  { operations: bySize({ short: 30_000, full: 60_000 }), waitMs: 10_000 },
  // One view of many pages.
  { operations: 15_000, waitMs: 5000 },
]) {
  test(`a pause while ${operations} operations are caught up with is effective soon and keeps what was copied`, async (t: TestContext) => {
    await using proxy = await startHttpProxy(addressOf('SLIPSTREAM_FOLLOWER_URL'));
    await using world = await worldThrough('follower', proxy);
    const index = world.name('-catch-up');
    const follower = world.followerOf(index);
    await createIndex(world.leader, index, { settings: { number_of_shards: 1 } });
    await loadDocuments(world.leader, index, 10);
    await world.start();
    await world.follow(index, { max_read_request_operation_count: 500 });
    await world.awaitSettled(index);
    assert.equal((await world.control.pause({ follower, waitMs })).effective, true);
    await loadDocuments(world.leader, index, operations);

    proxy.treat = ({ path }) => (path.startsWith(`/${index}/_bulk`) ? { kind: 'delay', ms: 500 } : { kind: 'pass' });
    await world.control.resume({ follower });
    await world.awaitPairs(index, 'the catch-up is under way', 30_000, (pair) => pair.operationsWritten > 1000);
    const paused = await world.control.pause({ follower, waitMs });
    assert.equal(paused.effective, true);
    const left = total(await operationsLeft(world, index));
    t.diagnostic(`${left} of ${operations} left`);
    assert.ok(left < operations, 'the saved position has moved');
    assert.ok(left > operations / 10, 'the pause came before the end');

    proxy.treat = () => ({ kind: 'pass' });
    await world.control.resume({ follower });
    await world.awaitSettled(index);
    const comparison = await world.compare(index);
    assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
    assert.equal(comparison.rightDocuments, operations);
  });
}

test('a cluster that is taken out of the configuration stops its own indices alone, and is named', async () => {
  const url = addressOf('SLIPSTREAM_LEADER_URL');
  await using world = await openWorld({ clusters: { 'left-again': { url } } });
  const [kept, orphan] = [world.name('-kept'), world.name('-orphan')];
  for (const index of [kept, orphan]) {
    await createIndex(world.leader, index);
    await loadDocuments(world.leader, index, 20);
  }
  const supervisor = await world.start();
  await world.follow(kept);
  const leader = { cluster: 'left-again', index: orphan };
  await world.control.follow({ leader, follower: world.followerOf(orphan) });
  for (const index of [kept, orphan]) await world.awaitSettled(index);
  assert.equal(await supervisor.stop(), 0);

  const text = await readFile(world.configFile, 'utf8');
  const config = JSON.parse(text) as { clusters: Record<string, unknown> };
  delete config.clusters['left-again'];
  await writeFile(world.configFile, JSON.stringify(config));
  const without = await world.start();
  for (const index of [kept, orphan]) await world.leader.ok('PUT', `/${index}/_doc/meanwhile`, { at: 1 });
  await world.awaitSettled(kept);
  for (const statuses of [await world.control.list(), await world.control.status({})]) {
    const told = statuses.find(({ follower }) => follower.index === orphan);
    assert.deepEqual(told?.leader, leader);
    assert.match(told?.state ?? '', /^unknown_cluster: .*left-again/);
  }
  assert.equal(await without.stop(), 0);

  await writeFile(world.configFile, text);
  await world.start();
  await world.awaitSettled(orphan);
  assert.ok((await world.compare(orphan)).equal, 'it goes on when the cluster is back');
});
