/** The follower index that was made for a copy is the only one that is written to, whatever stands under its name later. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PairStatus } from '../../../src/domain/commands.ts';
import { createIndex, loadDocuments } from '../../support/bulk-load.ts';
import { openWorld, type World } from '../../support/replication-world.ts';

const TOLD_WITHIN_MS = 10_000;
const DOCUMENTS = 40;

/** Followed to the end, beside an index that tells when later changes of the leader have had their time. */
async function followed(world: World, index: string): Promise<{ timePasses: () => Promise<void> }> {
  const witness = world.name('-witness');
  for (const name of [index, witness]) {
    await createIndex(world.leader, name);
    await loadDocuments(world.leader, name, DOCUMENTS);
    await world.follow(name);
  }
  for (const name of [index, witness]) await world.awaitSettled(name);
  let changes = 0;
  return {
    async timePasses() {
      for (let times = 0; times < 2; times += 1) {
        changes += 1;
        await world.leader.ok('PUT', `/${witness}/_doc/later-${changes}`, { changes });
        await world.awaitSettled(witness);
      }
    },
  };
}

async function stopped(world: World, index: string, codes: readonly string[]): Promise<void> {
  const pairs: readonly PairStatus[] = await world.awaitPairs(
    index,
    'the pairs stop for an operator',
    TOLD_WITHIN_MS,
    ({ state }) => state === 'fatal',
  );
  for (const { failure } of pairs) {
    assert.ok(codes.includes(failure?.code ?? ''), `${failure?.code}: ${failure?.reason}`);
    assert.deepEqual([failure?.cluster, failure?.hint === ''], ['right', false]);
    assert.match(failure?.reason ?? '', new RegExp(index));
  }
}

/** What somebody else did to the leader meanwhile would show on the follower: ids that are new, changed and gone. */
async function changeLeader(world: World, index: string, round: number): Promise<void> {
  await world.leader.ok('PUT', `/${index}/_doc/new-${round}`, { round });
  await world.leader.ok('PUT', `/${index}/_doc/doc-1`, { round });
  for (const id of [`doc-${10 + round}`, `doc-${20 + round}`]) await world.leader.ok('DELETE', `/${index}/_doc/${id}`);
}

/** Settings, mapping and every document with its version. */
async function everything(world: World, index: string): Promise<unknown> {
  await world.follower.ok('POST', `/${index}/_refresh`);
  const query = { size: 1000, version: true, seq_no_primary_term: true, sort: ['_doc'] };
  const { hits } = (await world.follower.ok('POST', `/${index}/_search`, query)) as {
    hits: { hits: readonly { _id: string }[] };
  };
  return {
    index: await world.follower.ok('GET', `/${index}`),
    documents: hits.hits.toSorted((a, b) => (a._id < b._id ? -1 : 1)),
  };
}

test('a follower index that is deleted while nothing happens stops its pairs and is not made again', async () => {
  await using world = await openWorld();
  await world.start();
  const index = world.name('-deleted');
  const { timePasses } = await followed(world, index);
  await world.follower.ok('DELETE', `/${index}`);
  await stopped(world, index, ['index_deleted']);
  await changeLeader(world, index, 1);
  await timePasses();
  await world.control.resume({ follower: world.followerOf(index) });
  await stopped(world, index, ['index_deleted']);
  assert.equal((await world.follower.call('HEAD', `/${index}`)).status, 404, 'nothing made it again');

  const unfollowed = await world.control.unfollow({ follower: world.followerOf(index) });
  assert.equal(unfollowed.effective, true);
  await world.follow(index);
  await world.awaitSettled(index);
  assert.ok((await world.compare(index)).equal, 'followed anew it is copied again');
});

const REPLACEMENTS = [
  {
    what: 'an index of the same name',
    async replace({ follower }: World, index: string): Promise<string> {
      await follower.ok('DELETE', `/${index}`);
      await createIndex(follower, index);
      return index;
    },
  },
  {
    what: "an alias of the same name on somebody's index",
    async replace({ follower, name }: World, index: string): Promise<string> {
      const theirs = name('-theirs');
      await createIndex(follower, theirs);
      const actions = [{ remove_index: { index } }, { add: { index: theirs, alias: index } }];
      await follower.ok('POST', '/_aliases', { actions });
      return theirs;
    },
  },
] as const;

for (const { what, replace } of REPLACEMENTS) {
  test(`${what} in place of the follower is never touched`, async () => {
    await using world = await openWorld();
    await world.start();
    const index = world.name('-replaced');
    const { timePasses } = await followed(world, index);
    const theirs = await replace(world, index);
    // Among them ids of the leader's, those that it will change and delete.
    await loadDocuments(world.follower, theirs, DOCUMENTS / 2 + 5);
    await world.follower.ok('PUT', `/${theirs}/_doc/theirs`, { mine: false });
    const before = await everything(world, theirs);
    const codes = ['index_deleted'];
    await stopped(world, index, codes);
    await changeLeader(world, index, 1);
    await world.leader.ok('PUT', `/${index}/_mapping`, { properties: { later: { type: 'keyword' } } });
    await timePasses();
    assert.deepEqual(await everything(world, theirs), before);

    await world.control.resume({ follower: world.followerOf(index), rebootstrap: true });
    await stopped(world, index, codes);
    await changeLeader(world, index, 2);
    await timePasses();
    await world.control.unfollow({ follower: world.followerOf(index) });
    assert.deepEqual(await everything(world, theirs), before);
  });
}
