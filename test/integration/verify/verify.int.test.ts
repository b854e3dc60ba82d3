import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadCities } from '../../../demo/cities.ts';
import { differencesFromExpected, startChurn } from '../../support/churn/churn.ts';
import { compareIndices } from '../../support/compare-indices.ts';
import { call, readIndex } from '../../support/read-index.ts';
import { type TwoIndices, twoIndices } from './two-indices.ts';

const QUICK = { patienceMs: 1_500 };

function samplesOf(report: Awaited<ReturnType<TwoIndices['verify']>>): readonly string[] {
  const { missing, extra, foreign, differing, duplicates, undecided } = report;
  const named = Object.entries({ missing, extra, foreign, duplicates, undecided }).flatMap(([kind, { samples }]) =>
    samples.map(({ id }) => `${kind} ${id}`),
  );
  return [...named, ...differing.samples.map(({ id, cause }) => `${cause} ${id}`)].toSorted();
}

async function plantDifferences(indices: TwoIndices): Promise<void> {
  const { leader, follower, bulk } = indices;
  const put = (id: string): readonly unknown[] => [{ index: { _id: id } }, { text: id }];
  await bulk(
    leader,
    ['lost', 'stale', 'gone', 'bumped', 'altered', 'fine'].flatMap((id) => put(`planted-${id}`)),
  );
  await indices.copy();
  await bulk(follower, [
    { delete: { _id: 'planted-lost' } },
    ...put('planted-stranger'),
    { update: { _id: 'planted-bumped' } },
    { doc: { note: 'by a stranger' } },
  ]);
  const altered = JSON.parse(
    await call(follower, 'GET', `/${encodeURIComponent(follower.index)}/_doc/planted-altered`),
  ) as { _version: number };
  await bulk(follower, [
    { index: { _id: 'planted-altered', version: altered._version, version_type: 'external_gte' } },
    { text: 'other' },
  ]);
  await bulk(leader, [...put('planted-stale'), { delete: { _id: 'planted-gone' } }, ...put('planted-new')]);
}

const BY_IDENTITY = [
  'extra planted-gone',
  'foreign planted-stranger',
  'identity planted-bumped',
  'identity planted-stale',
  'missing planted-lost',
  'missing planted-new',
];

for (const { layout, shards } of [
  { layout: 'aligned shards', shards: { leaderShards: 2 } },
  { layout: 'other numbers of shards', shards: { leaderShards: 3, followerShards: 2 } },
]) {
  test(`every kind of planted difference is found on real clusters, ${layout}`, async () => {
    await using indices = await twoIndices(shards);
    const routings = shards.followerShards === undefined ? {} : { routings: ['oak'] };
    const churn = await startChurn({ ...indices.leader, ...routings, seed: 11, ids: 800, operations: 3_000 });
    await churn.done;
    assert.deepEqual(await differencesFromExpected(indices.leader, churn.expected), []);
    await indices.copy();
    assert.equal((await compareIndices(indices.leader, indices.follower)).equal, true);
    const equal = await indices.verify({ contents: true });
    assert.deepEqual([equal.outcome, samplesOf(equal), equal.compared], ['equal', [], churn.expected.documents().size]);
    await plantDifferences(indices);
    const byIdentity = await indices.verify({ limits: QUICK });
    assert.deepEqual(
      samplesOf(byIdentity).filter((sample) => !sample.startsWith('duplicates')),
      BY_IDENTITY,
    );
    const byContents = await indices.verify({ contents: true, limits: QUICK });
    assert.deepEqual(
      samplesOf(byContents).filter((sample) => !sample.startsWith('duplicates')),
      ['content planted-altered', ...BY_IDENTITY],
    );
    const plain = await compareIndices(indices.leader, indices.follower);
    assert.deepEqual(
      [plain.onlyLeft, plain.onlyRight, plain.different],
      [
        ['planted-lost', 'planted-new'],
        ['planted-gone', 'planted-stranger'],
        ['planted-altered', 'planted-bumped'],
      ],
    );
  });
}

for (const contents of [false, true]) {
  test(`under live writes only planted differences are found${contents ? ', with contents' : ''}`, async () => {
    await using indices = await twoIndices();
    await indices.bulk(
      indices.leader,
      ['kept', 'lost'].flatMap((id) => [{ index: { _id: id } }, { text: id }]),
    );
    const churn = await startChurn({ ...indices.leader, seed: 5, ids: 1_000, operationsPerSecond: 400 });
    await indices.copy();
    let copying = true;
    const copies = (async () => {
      while (copying) await indices.copy();
    })();
    try {
      const sound = await indices.verify({ contents, limits: { patienceMs: 20_000 } });
      assert.deepEqual(
        samplesOf(sound).filter((sample) => !sample.startsWith('undecided')),
        [],
      );
      assert.notEqual(sound.outcome, 'different');
      assert.ok(sound.compared >= sound.leaderDocuments - sound.undecided.total);
      churn.stop();
      await churn.done;
      const still = await indices.verify({ contents, limits: { patienceMs: 20_000 } });
      assert.deepEqual([still.outcome, samplesOf(still)], ['equal', []]);
    } finally {
      copying = false;
      churn.stop();
      await Promise.all([copies, churn.done]);
    }
    await indices.bulk(indices.follower, [{ delete: { _id: 'lost' } }]);
    const again = await startChurn({ ...indices.leader, seed: 6, ids: 1_000, operationsPerSecond: 400 });
    const broken = await indices.verify({ contents, limits: QUICK });
    again.stop();
    await again.done;
    assert.equal(broken.outcome, 'different');
    assert.ok(samplesOf(broken).includes('missing lost'));
    assert.ok(!samplesOf(broken).some((sample) => sample.endsWith(' kept')));
  });
}

test('contents are compared as raw bytes: big numbers, escapes and line breaks', async () => {
  await using indices = await twoIndices({ leaderShards: 1 });
  const { leader, follower } = indices;
  const path = (side: typeof leader, id: string): string => `/${encodeURIComponent(side.index)}/_doc/${id}`;
  const sources = ['{"big":9007199254740993}', '{"n":1.0}', '{"t":"\\u00e9"}', '{\n  "t": "lines"\n}'];
  for (const [at, source] of sources.entries()) await call(leader, 'PUT', path(leader, `d${at}`), source);
  const copied = ['{"big":9007199254740993}', '{"n":1.0}', '{"t":"\\u00e9"}', '{   "t": "lines" }'];
  for (const [at, source] of copied.entries())
    await call(
      follower,
      'PUT',
      `${path(follower, `d${at}`)}?version=${indices.versionOf(at, 0)}&version_type=external_gte`,
      source,
    );
  assert.equal((await indices.verify({ contents: true })).outcome, 'equal');
  const changed = ['{"big":9007199254740992}', '{"n":1}', '{"t":"é"}', '{ "t": "lines" }'];
  for (const [at, source] of changed.entries())
    await call(
      follower,
      'PUT',
      `${path(follower, `d${at}`)}?version=${indices.versionOf(at, 0)}&version_type=external_gte`,
      source,
    );
  const report = await indices.verify({ contents: true });
  assert.deepEqual(samplesOf(report), ['content d0', 'content d1', 'content d2', 'content d3']);
  const listed: string[] = [];
  for await (const { id, source } of readIndex(follower)) listed.push(`${id} ${source}`);
  assert.deepEqual(
    listed.toSorted(),
    changed.map((source, at) => `d${at} ${source}`),
  );
});

test('thousands of cities are compared in pages, by identity and with contents', async () => {
  await using indices = await twoIndices();
  const { leader, follower } = indices;
  await call(leader, 'DELETE', `/${encodeURIComponent(leader.index)}`);
  await loadCities({ ...leader, documents: 6_000 });
  await indices.copy();
  for (const contents of [false, true]) {
    const report = await indices.verify({ contents });
    assert.deepEqual(
      [report.outcome, report.compared, report.leaderDocuments, report.followerDocuments],
      ['equal', 6_000, 6_000, 6_000],
    );
  }
  const checked = await compareIndices(leader, follower);
  assert.deepEqual([checked.equal, checked.leftDocuments], [true, 6_000]);
});
