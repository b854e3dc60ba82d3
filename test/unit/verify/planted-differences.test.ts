import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EPOCH_SPAN, versionOf } from '../../../src/domain/version.ts';
import type { VerifyReport } from '../../../src/replication/verify/report.ts';
import { shardOf, shardNumberOf } from '../../support/memory-search/memory-cluster.ts';
import { FOLLOWER, NOTHING, type Scenario, scenario, totals } from './scenario.ts';

const LAYOUTS = [
  { name: 'one shard', options: { leaderShards: 1 } },
  { name: 'aligned shards', options: { leaderShards: 3 } },
  { name: 'other routing formula', options: { leaderShards: 3, followerFormula: 'ranges' as const } },
  { name: 'other number of shards', options: { leaderShards: 3, followerShards: 2 } },
];

function filled(options: Parameters<typeof scenario>[0]): Scenario {
  const world = scenario(options);
  for (let at = 0; at < 100; at += 1) world.put(`c${at}`, undefined, at % 5 === 0 ? `r${at}` : undefined);
  for (let at = 0; at < 20; at += 1) world.remove(`c${at}`, at % 5 === 0 ? `r${at}` : undefined);
  world.replicate();
  return world;
}

function followerWrite(
  world: Scenario,
  write: { id: string; routing?: string; source: string | undefined; version?: number },
): void {
  world.follower.write(FOLLOWER, write);
}

for (const { name, options } of LAYOUTS) {
  describe(`differences that were planted, ${name}`, () => {
    for (const contents of [false, true]) {
      const how = contents ? 'with contents' : 'by identity';

      test(`two equal indices are equal, ${how}`, async () => {
        const world = filled(options);
        const report = await world.verify({ contents });
        assert.equal(report.outcome, 'equal');
        assert.deepEqual(totals(report), NOTHING);
        assert.deepEqual(
          [report.compared, report.leaderDocuments, report.followerDocuments, report.contentHash],
          [80, 80, 80, contents],
        );
        assert.deepEqual(
          report.checkpointByShard,
          world.leaderIndex.shards.map((shard) => shard.maxSeqNo),
        );
        assert.equal(world.openViews(), 0);
      });

      test(`every kind is found and counted apart, ${how}`, async () => {
        const world = filled(options);
        followerWrite(world, { id: 'c21', source: undefined }); // deleted by somebody
        world.put('c22'); // an update that did not arrive
        world.remove('c23'); // a delete that did not arrive
        world.put('new'); // a document that did not arrive
        followerWrite(world, { id: 'stranger', source: '{}' }); // version 1
        const report = await world.verify({ contents });
        assert.equal(report.outcome, 'different');
        assert.deepEqual(totals(report), { ...NOTHING, missing: 2, differing: 1, extra: 1, foreign: 1 });
        assert.deepEqual(report.missing.samples.map(({ id }) => id).toSorted(), ['c21', 'new']);
        assert.deepEqual(
          report.differing.samples.map(({ id, cause }) => [id, cause]),
          [['c22', 'identity']],
        );
        assert.deepEqual(
          report.extra.samples.map(({ id, leaderSeqNo }) => [id, leaderSeqNo]),
          [['c23', undefined]],
        );
        assert.deepEqual(
          report.foreign.samples.map(({ id, followerVersion }) => [id, followerVersion]),
          [['stranger', 1]],
        );
        assert.equal(report.compared, 77);
      });
    }

    test('a foreign update of a copy is found by the version it moved on', async () => {
      const world = filled(options);
      followerWrite(world, { id: 'c30', routing: 'r30', source: '{"by":"a stranger"}' });
      const report = await world.verify();
      assert.deepEqual(totals(report), { ...NOTHING, differing: 1, duplicates: report.duplicates.total });
      assert.deepEqual(
        report.differing.samples.map(({ id, routing, cause }) => [id, routing, cause]),
        [['c30', 'r30', 'identity']],
      );
    });

    test('a copy with the right version and other content is found by contents alone', async () => {
      const world = filled(options);
      const held = shardOf(world.followerIndex, { id: 'c40', routing: 'r40' }).get('c40');
      followerWrite(world, { id: 'c40', routing: 'r40', source: '{"name":"C40"}', version: held?.version ?? 0 });
      assert.equal((await world.verify()).outcome, 'equal');
      const report = await world.verify({ contents: true });
      assert.deepEqual(totals(report), { ...NOTHING, differing: 1 });
      assert.deepEqual(
        report.differing.samples.map(({ id, cause }) => [id, cause]),
        [['c40', 'content']],
      );
    });

    test('an extra document that claims an operation the leader never ran is found', async () => {
      const world = filled(options);
      const shard = shardNumberOf(world.leaderIndex, { id: 'ghost' });
      followerWrite(world, { id: 'ghost', source: '{}', version: versionOf(world.scheme, 5_000, shard) });
      assert.deepEqual(totals(await world.verify()), { ...NOTHING, extra: 1 });
    });

    test('versions of another epoch are foreign, below and above', async () => {
      const world = filled(options);
      followerWrite(world, { id: 'below', source: '{}', version: EPOCH_SPAN - 1 });
      followerWrite(world, { id: 'c50', routing: 'r50', source: '{}', version: 2 * EPOCH_SPAN });
      const report = await world.verify();
      assert.deepEqual(totals(report), { ...NOTHING, foreign: 2 });
      assert.deepEqual(report.foreign.samples.map(({ id }) => id).toSorted(), ['below', 'c50']);
    });
  });
}

test('one operation held by two documents is reported as a duplicate, wherever a page ends', async () => {
  for (let pageDocuments = 2; pageDocuments < 12; pageDocuments += 1) {
    const world = filled({ leaderShards: 1 });
    const twin = world.followerIndex.shards[0]?.get('c59');
    followerWrite(world, { id: 'twin', source: '{}', version: twin?.version ?? 0 });
    const report = await world.verify({ limits: { pageDocuments } });
    assert.deepEqual(totals(report), { ...NOTHING, extra: 1, duplicates: 1 });
    assert.deepEqual(
      report.duplicates.samples.map(({ id }) => id),
      ['twin'],
    );
  }
});

test('a copy under another routing is found, though its shard is right', async () => {
  const world = scenario({ leaderShards: 1 });
  world.put('a', undefined, 'north');
  followerWrite(world, { id: 'a', routing: 'south', source: '{"name":"a"}', version: versionOf(world.scheme, 0, 0) });
  const report = await world.verify();
  assert.deepEqual(totals(report), { ...NOTHING, differing: 1 });
  assert.equal(report.differing.samples[0]?.cause, 'routing');
});

test('one id under several routings is several documents where shards align', async () => {
  const world = scenario({ leaderShards: 4 });
  for (const routing of ['a', 'b', 'c', 'd', 'e', 'f']) world.put('same', `{"routing":"${routing}"}`, routing);
  world.replicate();
  assert.equal((await world.verify({ contents: true })).outcome, 'equal');
  const lost =
    ['a', 'b', 'c', 'd', 'e', 'f'].find(
      (routing) => shardOf(world.followerIndex, { id: 'same', routing }).get('same')?.routing === routing,
    ) ?? '';
  followerWrite(world, { id: 'same', routing: lost, source: undefined });
  const report = await world.verify();
  assert.deepEqual(
    report.missing.samples.map(({ id, routing }) => [id, routing]),
    [['same', lost]],
  );
});

test('a content that could not be read is read again: a rewritten copy is not taken for equal', async () => {
  for (const followerShards of [1, 2]) {
    const world = scenario({ leaderShards: 1, followerShards });
    world.put('a');
    const { around } = world.follower;
    let listed = false;
    let rewritten = 0;
    world.follower.around = (call, run) => {
      const late = { id: 'a', source: '{"name":"other"}', version: versionOf(world.scheme, 0, 0) };
      listed ||= call.operation === 'listByVersion';
      // It arrives after the listing, and is written once more, as it is, between its look and the reading of its content.
      if (listed && (call.operation === 'multiGet' || call.operation === 'readPage') && rewritten < 4) {
        rewritten += 1;
        followerWrite(world, late);
        for (const shard of world.followerIndex.shards) shard.refresh();
      }
      return around(call, run);
    };
    const report = await world.verify({ contents: true });
    assert.deepEqual(
      report.differing.samples.map(({ id, cause }) => [id, cause]),
      [['a', 'content']],
    );
    assert.equal(rewritten, 4);
  }
});

test('what a stopped shard lacks is told at once; other shards have their time', async () => {
  const world = scenario();
  let asked = 0;
  const verify = (): Promise<VerifyReport> =>
    world.verify({
      stopped: async () => {
        asked += 1;
        return new Set([0]);
      },
      limits: { patienceMs: 60_000 },
    });
  const onShard = (shard: number): string =>
    Array.from({ length: 20 }, (_, at) => `d${at}`).find((id) => shardNumberOf(world.leaderIndex, { id }) === shard) ??
    assert.fail('no id of that shard');
  assert.equal((await verify()).outcome, 'equal');
  assert.equal(asked, 0, 'nobody is asked about what agrees');

  world.put(onShard(0));
  const { missing, tookMs } = await verify();
  assert.deepEqual(
    missing.samples.map(({ shard }) => shard),
    [0],
  );
  assert.ok(tookMs < 1_000, `${tookMs} ms of the scenario's own clock`);

  world.put(onShard(1));
  let rounds = 0;
  const report = await world.verify({
    stopped: async () => new Set([0]),
    limits: { patienceMs: 60_000 },
    onProgress: ({ phase }) => {
      if (phase === 'settling' && ++rounds === 3) world.replicate((id) => id === onShard(1));
    },
  });
  assert.deepEqual(
    report.missing.samples.map(({ shard }) => shard),
    [0],
  );
  assert.equal(asked, 1);
});

test('samples and doubtful documents are bounded, totals are not', async () => {
  const world = scenario();
  for (let at = 0; at < 1_000; at += 1) world.put(`c${at}`);
  let doubtfulMost = 0;
  const report = await world.verify({
    limits: { doubtsMax: 50 },
    onProgress: ({ doubtful }) => (doubtfulMost = Math.max(doubtfulMost, doubtful)),
  });
  assert.equal(report.missing.total, 1_000);
  assert.equal(report.missing.samples.length, 100);
  assert.equal(doubtfulMost, 50);
});

test('line breaks and line comments between tokens count as the spaces that they become', async () => {
  const comment = '// a "name"';
  const world = scenario({ leaderShards: 1 });
  world.put('a', `{${comment}\n"name":\r\n"x // y" /* one\n two */ }`);
  const copied = `{${' '.repeat(comment.length)} "name":  "x // y" /* one  two */ }`;
  followerWrite(world, { id: 'a', source: copied, version: versionOf(world.scheme, 0, 0) });
  assert.equal((await world.verify({ contents: true })).outcome, 'equal');
  followerWrite(world, { id: 'a', source: copied.replace('x // y', 'x /  y'), version: versionOf(world.scheme, 0, 0) });
  assert.equal((await world.verify({ contents: true })).outcome, 'different');
});

test('numbers and escapes that mean the same are different contents', async () => {
  for (const [left, right] of [
    ['{"n":1.0}', '{"n":1}'],
    ['{"n":"\\u0041"}', '{"n":"A"}'],
    ['{"a":1,"b":2}', '{"b":2,"a":1}'],
  ] as const) {
    const world = scenario({ leaderShards: 1 });
    world.put('a', left);
    followerWrite(world, { id: 'a', source: right, version: versionOf(world.scheme, 0, 0) });
    assert.equal((await world.verify({ contents: true })).differing.samples[0]?.cause, 'content');
  }
});
