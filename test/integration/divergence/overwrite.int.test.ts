/** A pair whose follower was written to by somebody else puts it right by itself, or stops, by policy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIndex } from '../../support/bulk-load.ts';
import { openWorld, type World } from '../../support/replication-world.ts';
import { until } from '../../support/until.ts';
import { assertEqual, documents, gcDeletes, planted, PLANTED, untouched, writeFromOutside } from './foreign-writes.ts';

const REQUEST_TIMEOUT_MS = 2000;

async function following(world: World, parameters = {}): Promise<string> {
  const index = world.name('-div');
  await createIndex(world.leader, index);
  await world.leader.ok('POST', `/${index}/_bulk`, documents(0, 200) + planted());
  await world.start();
  await world.follow(index, parameters);
  await world.awaitSettled(index);
  return index;
}

/** Document by document, past the product. Counts agree before that, since what is missing and what is too much cancel out. */
async function equalInTheEnd(world: World, index: string): Promise<void> {
  let seen = '';
  await until('both sides are equal', 60_000, async () => {
    const comparison = await world.compare(index);
    seen = JSON.stringify(comparison);
    return comparison.equal ? true : undefined;
  }).catch((thrown: unknown) => {
    throw new Error(`${String(thrown)}: ${seen}`);
  });
  await world.awaitSettled(index);
  await assertEqual(world, index);
}

test('writes and deletes from outside are undone by the pair itself, and nothing else is touched', async () => {
  await using world = await openWorld({ requestTimeoutMs: REQUEST_TIMEOUT_MS });
  const index = await following(world);
  const before = await untouched(world.follower, index);
  await writeFromOutside(world.follower, index);
  const seen = await world.awaitPairs(
    index,
    'every shard was noticed',
    30_000,
    ({ foreignWrites }) => foreignWrites > 0,
  );
  assert.ok(seen.every(({ state }) => state !== 'fatal'));
  // What has the version of the leader's document is found by its content alone: the leader's next change of it puts it right.
  await world.leader.ok('PUT', `/${index}/_doc/same-version`, { by: 'leader, later' });
  await equalInTheEnd(world, index);
  const pairs = (await world.status(index))?.pairs ?? [];
  assert.ok(pairs.reduce((sum, pair) => sum + pair.overwritten, 0) > 0);
  assert.deepEqual(await untouched(world.follower, index), before);
  assert.equal(await gcDeletes(world.follower, index), '15m');

  // Later operations of the pair are not refused, and a delete stays one.
  for (const id of PLANTED) await world.leader.ok('PUT', `/${index}/_doc/${id}`, { by: 'leader, again' });
  await world.awaitSettled(index);
  for (const id of PLANTED) await world.leader.ok('DELETE', `/${index}/_doc/${id}`);
  await world.awaitSettled(index);
  await world.leader.ok('PUT', `/${index}/_doc/huge-extra`, { by: 'leader' });
  await world.awaitSettled(index);
  await assertEqual(world, index);
});

test('one delete from outside and one of the leader at once leave counts equal, and are found and undone', async () => {
  await using world = await openWorld({ requestTimeoutMs: REQUEST_TIMEOUT_MS });
  const index = await following(world);
  await world.leader.ok('DELETE', `/${index}/_doc/d1?refresh=true`);
  await world.follower.ok('DELETE', `/${index}/_doc/deleted`);
  await until('the foreign write is noticed', 30_000, async () =>
    (await world.status(index))?.pairs.some(({ foreignWrites }) => foreignWrites > 0),
  );
  await equalInTheEnd(world, index);
});
