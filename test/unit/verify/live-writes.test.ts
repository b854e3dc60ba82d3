/**
 * The follower lags behind a leader that is written to at every request of the comparison. The replication of these tests is sound: it copies states of
 * the leader, at any time, in any order of documents. So a difference may be reported only if it was planted, and each one planted must be.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { versionOf } from '../../../src/domain/version.ts';
import { Failed } from '../../../src/domain/failure.ts';
import { shardOf } from '../../support/memory-search/memory-cluster.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { FOLLOWER, NOTHING, type Scenario, scenario, totals } from './scenario.ts';

const LAYOUTS = [
  { leaderShards: 1 },
  { leaderShards: 3 },
  { leaderShards: 3, followerFormula: 'ranges' as const },
  { leaderShards: 2, followerShards: 3 },
];
const SEEDS = 40;

function writeAtRandom(world: Scenario, random: () => number, ids: number): void {
  const number = Math.floor(random() * ids);
  // Some ids live under several routings; where shards align, that is one document for each shard that these lead to.
  const routings =
    world.followerIndex.formula === 'mod' && world.followerIndex.shards.length === world.leaderIndex.shards.length
      ? 4
      : 1;
  const routing = number % 5 === 0 ? `r${Math.floor(random() * routings)}` : undefined;
  if (random() < 0.3) world.remove(`d${number}`, routing);
  else world.put(`d${number}`, `{"at":${random()}}`, routing);
}

/** Writes and copies at every step; after `quietAfter` steps the leader is left alone, and soon after the copy is complete. */
function livelyWorld(
  seed: number,
  options: { ids: number; quietAfter: number },
): { world: Scenario; random: () => number } {
  const random = seededRandom(seed);
  const world = scenario(LAYOUTS[seed % LAYOUTS.length]);
  for (let at = 0; at < options.ids * 2; at += 1) writeAtRandom(world, random, options.ids);
  world.replicate();
  for (let at = 0; at < options.ids; at += 1) writeAtRandom(world, random, options.ids);
  let steps = 0;
  world.onStep = () => {
    steps += 1;
    if (steps < options.quietAfter) for (let at = 0; at < 3; at += 1) writeAtRandom(world, random, options.ids);
    if (steps === options.quietAfter + 20) world.replicate();
    else if (random() < 0.5) world.replicate(() => random() < 0.3);
    if (random() < 0.1) for (const shard of world.followerIndex.shards) shard.refresh();
    if (random() < 0.1) for (const shard of world.leaderIndex.shards) shard.refresh();
  };
  return { world, random };
}

for (const contents of [false, true]) {
  const how = contents ? 'with contents' : 'by identity';

  test(`a sound copy that lags is never called different, and equal once writes end (${how}, ${SEEDS} seeds)`, async () => {
    let settled = 0;
    for (let seed = 0; seed < SEEDS; seed += 1) {
      const { world } = livelyWorld(seed, { ids: 60, quietAfter: 150 });
      const report = await world.verify({ contents, limits: { roundMs: 10, patienceMs: 20_000 } });
      assert.deepEqual([seed, report.outcome, totals(report)], [seed, 'equal', NOTHING]);
      if (report.compared > 0) settled += 1;
    }
    assert.equal(settled, SEEDS);
  });

  test(`differences among untouched documents are found in the midst of writes, and no others (${how}, ${SEEDS} seeds)`, async () => {
    for (let seed = 0; seed < SEEDS; seed += 1) {
      const { world } = livelyWorld(seed, { ids: 60, quietAfter: 150 });
      const { onStep } = world;
      for (const id of ['missing', 'stale', 'changed', 'gone', 'altered', 'fine']) world.put(id);
      world.replicate();
      world.put('stale', '{"name":"newer"}');
      world.remove('gone');
      const version = shardOf(world.followerIndex, { id: 'altered' }).get('altered')?.version ?? 0;
      world.follower.write(FOLLOWER, { id: 'altered', source: '{"name": "altered"}', version });
      const untouched = new Set(['missing', 'stale', 'changed', 'gone', 'altered', 'fine', 'stranger']);
      const { replicate } = world;
      world.replicate = (chosen = () => true) => replicate((id) => !untouched.has(id) && chosen(id));
      world.follower.write(FOLLOWER, { id: 'missing', source: undefined });
      world.follower.write(FOLLOWER, { id: 'changed', source: '{"by":"a stranger"}' });
      world.follower.write(FOLLOWER, { id: 'stranger', source: '{}' });
      world.onStep = onStep;
      const planted = [
        ...(contents ? ['content altered'] : []),
        'extra gone',
        'foreign stranger',
        'identity changed',
        'identity stale',
        'missing missing',
      ];
      const report = await world.verify({ contents, limits: { roundMs: 10, patienceMs: 20_000 } });
      const found = [
        ...report.missing.samples.map(({ id }) => `missing ${id}`),
        ...report.extra.samples.map(({ id }) => `extra ${id}`),
        ...report.differing.samples.map(({ id, cause }) => `${cause} ${id}`),
        ...report.foreign.samples.map(({ id }) => `foreign ${id}`),
      ];
      assert.deepEqual([seed, found.toSorted()], [seed, planted]);
      assert.equal(report.undecided.total, 0);
    }
  });
}

test('one document that never rests is judged by order: the follower passed a state of the leader', async () => {
  const world = scenario({ leaderShards: 1 });
  world.put('quiet');
  world.put('hot');
  world.replicate();
  let writes = 0;
  const copyLater: { source: string; version: number }[] = [];
  world.onStep = () => {
    const held = world.leaderIndex.shards[0]?.get('hot');
    if (held !== undefined) copyLater.push({ source: held.source, version: versionOf(world.scheme, held.seqNo, 0) });
    world.put('hot', `{"n":${(writes += 1)}}`);
    // What the follower shows is always some steps old, so it never equals what the leader showed one step before.
    const old = copyLater.length > 4 ? copyLater.shift() : undefined;
    if (old !== undefined) world.follower.write(FOLLOWER, { id: 'hot', ...old });
  };
  const report = await world.verify();
  assert.deepEqual([report.outcome, report.overtaken], ['equal', 1]);
});

test('a document that changes faster than a copy that stands still is undecided, not different and not equal', async () => {
  const world = scenario({ leaderShards: 1 });
  world.put('quiet');
  world.put('hot');
  world.replicate();
  world.put('hot');
  let writes = 0;
  world.onStep = () => world.put('hot', `{"n":${(writes += 1)}}`);
  const report = await world.verify();
  assert.deepEqual([report.outcome, report.equal, totals(report)], ['undecided', false, { ...NOTHING, undecided: 1 }]);
  assert.deepEqual(
    report.undecided.samples.map(({ id }) => id),
    ['hot'],
  );
});

test('a copy paused after the checkpoint is equal there, whatever the leader did since', async () => {
  const world = scenario({ leaderShards: 1 });
  for (let at = 0; at < 30; at += 1) world.put(`d${at}`);
  world.replicate();
  let steps = 0;
  world.onStep = () => {
    // Views are open from here on.
    if ((steps += 1) > 8) world.put(`d${steps % 30}`, `{"n":${steps}}`);
  };
  const report = await world.verify();
  assert.equal(report.outcome, 'equal');
  assert.ok(steps > 20);
});

test('operations in flight at the checkpoint are not held against the follower', async () => {
  const world = scenario({ leaderShards: 1 });
  world.put('arrived');
  world.replicate();
  world.put('in flight');
  for (const shard of world.leaderIndex.shards) shard.heldCheckpoint = 0;
  const report = await world.verify();
  assert.deepEqual([report.outcome, totals(report)], ['undecided', { ...NOTHING, undecided: 1 }]);
  assert.deepEqual(report.checkpointByShard, [0]);
});

test('what changed on the leader beneath the comparison ends it: nothing is reported', async () => {
  const changes: readonly [string, (world: Scenario) => void][] = [
    ['history_changed', (world) => world.leaderIndex.shards.forEach((shard) => (shard.historyUuid = 'restored'))],
    ['leader_moved_primary', (world) => (world.leaderIndex.primaryTerms = [1, 2])],
    ['index_recreated', (world) => void world.leader.createIndex('cities', { shards: 2 })],
    ['index_deleted', (world) => world.leader.deleteIndex('cities')],
    ['index_recreated', (world) => void world.follower.createIndex(FOLLOWER, { shards: 2 })],
    ['index_closed', (world) => (world.followerIndex.state = 'close')],
  ];
  for (const [code, change] of changes) {
    const world = scenario();
    for (let at = 0; at < 50; at += 1) world.put(`d${at}`);
    world.replicate();
    let steps = 0;
    world.onStep = () => {
      if ((steps += 1) === 25) change(world);
    };
    await assert.rejects(world.verify(), (error) => error instanceof Failed && error.failure.code === code, code);
  }
});

test('a leader with another number of shards, or a shard without a primary, is not compared', async () => {
  const world = scenario({ leaderShards: 2 });
  world.put('a');
  world.replicate();
  world.leader.createIndex('cities', { shards: 3 });
  await assert.rejects(
    world.verify(),
    (error) => error instanceof Failed && error.failure.code === 'shard_count_changed',
  );
  const red = scenario({ leaderShards: 2 });
  red.followerIndex.unassigned.add(1);
  await assert.rejects(red.verify(), (error) => error instanceof Failed && error.failure.code === 'shard_unavailable');
});

test('it ends at once when it is aborted, and leaves no view open', async () => {
  const world = scenario();
  for (let at = 0; at < 50; at += 1) world.put(`d${at}`);
  const abort = new AbortController();
  await assert.rejects(
    world.verify({
      signal: abort.signal,
      onProgress: ({ phase }) => phase === 'settling' && abort.abort(new Error('enough')),
    }),
    /enough/,
  );
  assert.equal(world.openViews(), 0);
});
