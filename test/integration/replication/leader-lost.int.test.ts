import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIndex, loadDocuments } from '../../support/bulk-load.ts';
import { startHttpProxy } from '../../support/http-proxy.ts';
import { addressOf, openWorld } from '../../support/replication-world.ts';

test('a leader index that is deleted, or is another one of the same name, stops its pairs with the reason; the copy stays', async () => {
  await using world = await openWorld();
  await world.start();
  const [deleted, recreated] = [world.name('-deleted'), world.name('-recreated')];
  for (const index of [deleted, recreated]) {
    await createIndex(world.leader, index);
    await loadDocuments(world.leader, index, 50);
    await world.follow(index);
    await world.awaitSettled(index);
  }
  await world.leader.ok('DELETE', `/${deleted}`);
  await world.leader.ok('DELETE', `/${recreated}`);
  await createIndex(world.leader, recreated);
  for (const [index, codes] of [
    [deleted, ['index_deleted']],
    // Whichever of the two states is seen first.
    [recreated, ['index_recreated', 'index_deleted']],
  ] as const) {
    const pairs = await world.awaitPairs(index, 'the pairs stop', 30_000, ({ state }) => state === 'fatal');
    for (const { failure, desired } of pairs) {
      assert.ok(failure !== undefined && (codes as readonly string[]).includes(failure.code), failure?.code);
      assert.deepEqual([failure.cluster, desired], ['left', 'running']);
      assert.notEqual(failure.hint, '');
    }
    await world.follower.ok('POST', `/${index}/_refresh`);
    assert.equal((await world.follower.ok('GET', `/${index}/_count`))['count'], 50);
    const listed = await world.control.list();
    assert.equal(listed.find(({ follower }) => follower.index === index)?.state, 'fatal', 'it stays in the list');
  }
});

test('a leader index that is closed is waited for', async () => {
  await using world = await openWorld();
  await world.start();
  const index = world.name('-closed');
  await createIndex(world.leader, index);
  await loadDocuments(world.leader, index, 50);
  await world.follow(index);
  await world.awaitSettled(index);
  await world.leader.ok('POST', `/${index}/_close`);
  const pairs = await world.awaitPairs(index, 'the pairs wait', 30_000, ({ state }) => state === 'retrying');
  for (const { failure } of pairs) assert.equal(failure?.code, 'index_closed');
  await world.leader.ok('POST', `/${index}/_open`);
  await world.leader.ok('PUT', `/${index}/_doc/after`, { number: -1 });
  await world.awaitSettled(index);
  assert.ok((await world.compare(index)).equal);
});

test("another cluster at the leader's address is waited out: what it says of an index of that name is not believed", async () => {
  const [url, otherUrl] = [addressOf('SLIPSTREAM_LEADER_URL'), addressOf('SLIPSTREAM_FOLLOWER_URL')];
  await using toLeader = await startHttpProxy(url);
  await using world = await openWorld({ leader: { url, seenAt: toLeader.url } });
  await world.start();
  const index = world.name('-other');
  await createIndex(world.leader, index);
  await loadDocuments(world.leader, index, 50);
  await world.follow(index);
  await world.awaitSettled(index);
  // It has an index of the same name: the copy.
  toLeader.treat = () => ({ kind: 'to', url: otherUrl });
  await world.leader.ok('PUT', `/${index}/_doc/after`, { number: -1 });
  const pairs = await world.awaitPairs(
    index,
    'the pairs wait',
    30_000,
    ({ state, failure }) => state === 'retrying' && failure?.code === 'other_cluster',
  );
  for (const { failure } of pairs) assert.match(failure?.reason ?? '', /uuid/);
  toLeader.treat = () => ({ kind: 'pass' });
  await world.awaitSettled(index);
  assert.ok((await world.compare(index)).equal);
});
