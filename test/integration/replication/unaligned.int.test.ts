/** Followers with other numbers of shards than their leaders, so that each follower shard holds documents of several pairs. */
import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import type { PairStatus } from '../../../src/domain/commands.ts';
import type { FollowParameters } from '../../../src/domain/parameters.ts';
import { createIndex, loadDocuments, SLOW_READING_BYTES } from '../../support/bulk-load.ts';
import { createChurnIndex, startChurn } from '../../support/churn/churn.ts';
import { assertExact, churnWhileFollowing, sum } from '../../support/churn-scenario.ts';
import { operationsLeft, total } from '../../support/copy-left.ts';
import { addressOf, LEADER, openWorld, type World } from '../../support/replication-world.ts';
import { bySize } from '../../support/test-size.ts';
import { until } from '../../support/until.ts';

const REQUEST_TIMEOUT_MS = 3000;

async function followInto(
  world: World,
  index: string,
  shards: number,
  parameters: Partial<FollowParameters> = {},
): Promise<void> {
  await world.control.follow({
    leader: { cluster: LEADER, index },
    follower: world.followerOf(index),
    parameters,
    settings: { 'index.number_of_shards': shards },
  });
}

/** For those that kill no supervisor. */
let world: World;

before(async () => {
  world = await openWorld();
  await world.start();
});
after(async () => {
  await world?.[Symbol.asyncDispose]();
});

for (const followerShards of [3, 1]) {
  test(`churn of unique ids, two shards into ${followerShards}: the copy is exact`, async (t) => {
    const operations = bySize({ short: 12_000, full: 100_000 });
    const proof = await churnWhileFollowing(world, { operations, seed: 30 + followerShards, followerShards });
    const { report, pairs, comparison, settledMs } = proof;
    t.diagnostic(
      `${report.operations} operations in ${report.tookMs} ms, settled after ${settledMs} ms, ${comparison.leftDocuments} documents, ` +
        `${sum(pairs, 'deletesFound')} deletes found in ${sum(pairs, 'deleteScans')} scans`,
    );
    assertExact(proof);
    assert.deepEqual(
      pairs.map(({ aligned }) => aligned),
      [false, false],
    );
  });
}

test('the status of such a follower says that shards do not align, and what it costs', async () => {
  const index = world.name('-status');
  await createIndex(world.leader, index);
  await followInto(world, index, 3);
  await world.awaitSettled(index);
  const status = await world.status(index);
  assert.deepEqual([status?.shards, status?.followerShards, status?.aligned], [2, 3, false]);
  assert.match(status?.note ?? '', /2 shards into 3, which do not align/);
});

/** Routings that lead to the wanted shards of the leader, and where each leads on a follower with that many shards. */
async function routingsTo(world: World, index: string, shard: number): Promise<readonly string[]> {
  const found: string[] = [];
  for (let at = 0; found.length < 4; at += 1) {
    const routing = `r${at}`;
    if ((await shardOf(world, index, routing)) === shard) found.push(routing);
  }
  return found;
}

async function shardOf(world: World, index: string, routing: string): Promise<number> {
  const answer = (await world.leader.ok(
    'GET',
    `/${index}/_search_shards?routing=${routing}&filter_path=shards.shard`,
  )) as {
    shards: readonly (readonly { shard: number }[])[];
  };
  return answer.shards[0]?.[0]?.shard ?? assert.fail('a routing leads to one shard');
}

/** All of `shards` tell it, if they are named, else any. */
async function awaitCollision(world: World, index: string, shards?: readonly number[]): Promise<PairStatus> {
  let pairs: readonly PairStatus[] = [];
  const look = async (): Promise<PairStatus | undefined> => {
    pairs = (await world.status(index))?.pairs ?? [];
    const told = pairs.filter(({ failure }) => failure?.code === 'id_collision');
    const enough = shards === undefined || shards.every((wanted) => told.some(({ shard }) => shard === wanted));
    return enough ? told.find(({ shard }) => shards === undefined || shards.includes(shard)) : undefined;
  };
  return until('a pair tells the collision', 60_000, look, () => JSON.stringify(pairs, undefined, 1));
}

describe('one id under several routings', () => {
  for (const first of [0, 1]) {
    test(`is told when the document of shard ${first} is copied first, and the other one comes`, async () => {
      const index = world.name('-twins');
      await createIndex(world.leader, index);
      const [[low = ''], [high = '']] = await Promise.all([routingsTo(world, index, 0), routingsTo(world, index, 1)]);
      const [before, after] = first === 0 ? [low, high] : [high, low];
      await world.leader.ok('PUT', `/${index}/_doc/x?routing=${before}`, { from: before });
      await loadDocuments(world.leader, index, 50);
      await followInto(world, index, 1);
      await world.awaitSettled(index);
      await world.leader.ok('PUT', `/${index}/_doc/x?routing=${after}`, { from: after });
      // The pair of a document that was replaced finds it missing, as soon as the other one has told.
      const pair = await awaitCollision(world, index, first === 0 ? [0, 1] : [0]);
      assert.equal(pair.state, 'fatal');
      assert.doesNotMatch(pair.failure?.reason ?? '', /\bx\b/, 'no id is told');
      // The follower holds the document of the higher shard, whatever came first.
      const held = await world.follower.ok('GET', `/${index}/_doc/x?routing=${high}`);
      assert.deepEqual(held['_source'], { from: high });
    });
  }

  test('is told while everything is copied for the first time', async () => {
    const index = world.name('-first');
    await createIndex(world.leader, index);
    const [[low], [high]] = await Promise.all([routingsTo(world, index, 0), routingsTo(world, index, 1)]);
    await loadDocuments(world.leader, index, 3000);
    for (const routing of [low, high]) await world.leader.ok('PUT', `/${index}/_doc/x?routing=${routing}`, { routing });
    await followInto(world, index, 1);
    const pair = await awaitCollision(world, index);
    assert.equal(pair.state, 'fatal');
  });

  test('is copied exactly where its documents do not meet, also when one is routed anew', async () => {
    const index = world.name('-apart');
    await createIndex(world.leader, index);
    const three = world.name('-places');
    await createIndex(world.leader, three, { settings: { number_of_shards: 3 } });
    const places = async (routing: string): Promise<readonly [string, number, number]> => [
      routing,
      await shardOf(world, index, routing),
      await shardOf(world, three, routing),
    ];
    const known = await Promise.all(Array.from({ length: 24 }, (_, at) => places(`r${at}`)));
    const one = known.find(([, ours]) => ours === 0) ?? assert.fail('none');
    const other = known.find(([, ours, theirs]) => ours === 1 && theirs !== one[2]) ?? assert.fail('none');
    const anew =
      known.find(([, ours, theirs]) => ours === 0 && theirs !== one[2] && theirs !== other[2]) ?? assert.fail('none');
    for (const [routing] of [one, other])
      await world.leader.ok('PUT', `/${index}/_doc/x?routing=${routing}`, { routing });
    await followInto(world, index, 3);
    await world.awaitSettled(index);
    // The same document of shard 0, which has another place on the follower by that.
    await world.leader.ok('PUT', `/${index}/_doc/x?routing=${anew[0]}`, { routing: anew[0] });
    const pairs = await world.awaitSettled(index);
    const comparison = await world.compare(index);
    assert.ok(comparison.equal, JSON.stringify(comparison));
    assert.equal(comparison.rightDocuments, 2);
    assert.equal(sum(pairs, 'deletesFound'), 1, 'the copy in the old place is gone');
  });

  test('under churn with three routings nothing is lost in silence', async (t) => {
    const index = world.name('-three');
    const address = { url: world.leader.url, index };
    await createChurnIndex(address, { shards: 2, gcDeletes: '1s' });
    await followInto(world, index, 1);
    const churn = await startChurn({ ...address, seed: 41, operations: bySize({ short: 3000, full: 20_000 }) });
    const report = await churn.done;
    const pair = await awaitCollision(world, index);
    t.diagnostic(
      `${report.operations} operations, ${report.routed} routed; shard ${pair.shard}: ${pair.failure?.reason}`,
    );
    assert.equal(pair.state, 'fatal');
  });
});

test('a supervisor killed in the middle of such a copy goes on from its cursors and ends identical', async (t: TestContext) => {
  const documents = bySize({ short: 44_000, full: 150_000 });
  await using world = await openWorld({
    leader: { url: addressOf('SLIPSTREAM_LEADER_URL'), readRateLimitBytes: SLOW_READING_BYTES / 2 },
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });
  const index = world.name('-killed');
  await createIndex(world.leader, index);
  await loadDocuments(world.leader, index, documents);
  const supervisor = await world.start();
  await followInto(world, index, 3, { max_read_request_operation_count: 200 });
  const part = async (): Promise<number | undefined> => {
    const left = total(await operationsLeft(world, index));
    return left > 0 && left < documents * 0.8 ? left : undefined;
  };
  await until('cursors are saved', 60_000, part);
  await supervisor.kill();
  const left = total(await operationsLeft(world, index));
  await world.start();
  const pairs = await world.awaitSettled(index, 180_000);
  t.diagnostic(`${left} of ${documents} left at the kill, ${sum(pairs, 'operationsWritten')} written since`);
  assert.ok(left > 0 && left < documents);
  assert.equal(sum(pairs, 'operationsWritten'), left, 'what was left is written, and nothing twice');
  const comparison = await world.compare(index);
  assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
  assert.equal(comparison.rightDocuments, documents);
});

test('a storm of deletes goes through, and takes nothing else', async (t: TestContext) => {
  const documents = bySize({ short: 20_000, full: 200_000 });
  const index = world.name('-storm');
  await createIndex(world.leader, index);
  await loadDocuments(world.leader, index, documents);
  await followInto(world, index, 3);
  await world.awaitSettled(index, 120_000);
  const query = { query: { range: { number: { lt: documents / 4 } } } };
  await world.leader.ok('POST', `/${index}/_delete_by_query?refresh=true`, query);
  const pairs = await world.awaitSettled(index, 120_000);
  t.diagnostic(`${sum(pairs, 'deletesFound')} deletes found in ${sum(pairs, 'deleteScans')} scans`);
  assert.equal(sum(pairs, 'deletesFound'), documents / 4);
  for (const { conflicts, scanSurprises } of pairs) assert.deepEqual([conflicts, scanSurprises], [0, 0]);
  const comparison = await world.compare(index);
  assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
  assert.equal(comparison.rightDocuments, (documents * 3) / 4);
});
