/** Epochs: what they cannot rise above, and shards of one index that have different ones. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createIndex, loadDocuments } from '../../support/bulk-load.ts';
import { openWorld, type World } from '../../support/replication-world.ts';

const PROGRAM = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const DOCUMENTS = 60;
/** So long no count is trusted after an unclean beginning. */
const REQUEST_TIMEOUT_MS = 3000;
/** In the last epoch there is: versions above it are no exact doubles any more. */
const GREAT_VERSION = 9e15;

async function follow(world: World, index: string, shards: number): Promise<void> {
  await createIndex(world.leader, index, { settings: { number_of_shards: shards } });
  await loadDocuments(world.leader, index, DOCUMENTS);
  await world.start();
  await world.follow(index);
  await world.awaitSettled(index);
}

async function raisedEpochs(world: World): Promise<readonly number[]> {
  return (await world.journal()).flatMap(({ fact }) => (fact.type === 'EPOCH_RAISED' ? [fact.epoch] : []));
}

test('a foreign version above every epoch stops a new copy by name, and nothing is decided until it is gone', async () => {
  await using world = await openWorld({ requestTimeoutMs: REQUEST_TIMEOUT_MS });
  const index = world.name('-exhausted');
  const follower = world.followerOf(index);
  await follow(world, index, 1);
  assert.equal((await world.control.pause({ follower, waitMs: 20_000 })).effective, true);
  const foreign = (version: number): string =>
    `/${index}/_doc/foreign?pipeline=_none&version_type=external&version=${version}`;
  await world.follower.ok('PUT', foreign(GREAT_VERSION).replace('pipeline=_none&', 'pipeline=_none&refresh=true&'), {
    theirs: true,
  });
  await world.control.resume({ follower, rebootstrap: true });
  const [stopped] = await world.awaitPairs(index, 'the pair stops', 20_000, ({ state }) => state === 'fatal');
  assert.deepEqual([stopped?.failure?.code, stopped?.failure?.cluster], ['epochs_exhausted', 'right']);
  assert.match(stopped?.failure?.reason ?? '', /9000000000000000/);
  assert.equal(stopped?.epoch, 1);
  assert.deepEqual(await raisedEpochs(world), [], 'no epoch was raised');

  await world.follower.ok('DELETE', foreign(GREAT_VERSION + 1).replace('pipeline=_none&', ''));
  await world.leader.ok('PUT', `/${index}/_doc/meanwhile`, { at: 1 });
  await world.control.resume({ follower });
  const [pair] = await world.awaitSettled(index);
  assert.deepEqual([pair?.epoch, pair?.conflicts], [2, 0]);
  assert.deepEqual(await raisedEpochs(world), [2]);
  const comparison = await world.compare(index);
  assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
});

test('verify calls an index equal of which one shard alone was copied anew', async () => {
  await using world = await openWorld({ requestTimeoutMs: REQUEST_TIMEOUT_MS });
  const index = world.name('-one-shard');
  await follow(world, index, 2);
  const target = { follower: world.followerOf(index), shard: 1 };
  assert.equal((await world.control.pause({ ...target, waitMs: 20_000 })).effective, true);
  await world.control.resume({ ...target, rebootstrap: true });
  const pairs = await world.awaitSettled(index);
  assert.deepEqual(
    pairs.map(({ shard, epoch }) => [shard, epoch]),
    [
      [0, 1],
      [1, 2],
    ],
  );
  const verify = ['verify', `right:${index}`, '--content', '--config', world.configFile];
  // Rejects unless it exits with 0.
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, ...verify]);
  assert.match(stdout, new RegExp(`right:${index} equals left:${index}`));
  assert.match(stdout, new RegExp(`compared ${DOCUMENTS}`));
});
