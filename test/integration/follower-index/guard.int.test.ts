/** The write guard, and taking it away: after a bootstrap, at unfollow, at promotion. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failed } from '../../../src/domain/failure.ts';
import { readMark, writeMark } from '../../../src/replication/index/mark.ts';
import { preflight } from '../../../src/replication/index/preflight.ts';
import { prepareFollower } from '../../../src/replication/index/prepare.ts';
import { releaseFollower, restoreAfterBootstrap } from '../../../src/replication/index/restore.ts';
import { type Answer, failureOf, look, openBench, signal } from './two-clusters.ts';

const message = /this index is a follower kept by Slipstream/;

function itemsOf(answer: Answer): readonly { status: number; reason: string }[] {
  const items = answer.body['items'] as readonly Record<string, { status: number; error?: { reason: string } }>[];
  return items
    .flatMap((item) => Object.values(item))
    .map(({ status, error }) => ({ status, reason: error?.reason ?? '' }));
}

test('outside writes that bring a document are refused by name, ours pass', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index);
  await bench.follow(index);
  const { raw } = bench.follower;
  const ours = await raw(
    'POST',
    '/_bulk?pipeline=_none',
    `{"index":{"_index":"${index}","_id":"1","version":17592186044416,"version_type":"external_gte"}}\n{"a":1}\n`,
  );
  assert.equal(ours.body['errors'], false, JSON.stringify(ours.body));
  for (const [path, body] of [
    [`/${index}/_doc/1`, { a: 2 }],
    [`/${index}/_doc`, { a: 2 }],
    [`/${index}/_create/2`, { a: 2 }],
    [`/${index}/_update/1`, { doc: { a: 2 } }],
    [`/${index}/_update/2`, { doc: { a: 2 }, doc_as_upsert: true }],
  ] as const) {
    const answer = await raw('POST', path, body);
    assert.match(JSON.stringify(answer.body), message, path);
    assert.ok(answer.status >= 400, path);
  }
  const bulk = await raw(
    'POST',
    `/${index}/_bulk`,
    [
      '{"index":{}}',
      '{"a":1}',
      '{"create":{"_id":"9"}}',
      '{"a":1}',
      '{"update":{"_id":"8"}}',
      '{"doc":{"a":1},"doc_as_upsert":true}',
      '',
    ].join('\n'),
  );
  for (const { status, reason } of itemsOf(bulk))
    assert.match(`${status} ${reason}`, /^[45]\d\d this index is a follower/);
  await raw('POST', `/${index}/_refresh`);
  const { body } = await raw('GET', `/${index}/_search?version=true&filter_path=hits.hits._id,hits.hits._version`);
  assert.deepEqual(body, { hits: { hits: [{ _id: '1', _version: 17592186044416 }] } });
});

test('what the guard does not stop is what the documentation says: deletes, and bulk updates of existing documents', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index);
  await bench.follow(index);
  const { raw } = bench.follower;
  await raw(
    'POST',
    `/${index}/_bulk?pipeline=_none`,
    '{"index":{"_id":"1"}}\n{"a":1}\n{"index":{"_id":"2"}}\n{"a":1}\n',
  );
  assert.deepEqual(itemsOf(await raw('POST', `/${index}/_bulk`, '{"update":{"_id":"1"}}\n{"doc":{"a":2}}\n')), [
    { status: 200, reason: '' },
  ]);
  assert.equal((await raw('DELETE', `/${index}/_doc/2`)).body['result'], 'deleted');
});

test('without the privilege to set a pipeline there is no guard, and that is told', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, { settings: { default_pipeline: 'left-in' } });
  const plan = await preflight(bench.request(index), signal);
  const reason = 'action [cluster:admin/ingest/pipeline/put] is unauthorized';
  const followerAdmin = {
    ...plan.followerAdmin,
    putPipeline: () => Promise.reject(failed('forbidden', { op: 'put pipeline', reason })),
  };
  const prepared = await prepareFollower({ ...plan, followerAdmin }, { epoch: 1, primariesTimeoutMs: 20_000 }, signal);
  assert.deepEqual(prepared.guard, { notSet: reason });
  assert.equal((await look(bench.follower.raw, index)).settings['index.default_pipeline'], '_none');
  assert.equal((await readMark(plan.followerAdmin, index, signal))?.heldBack?.['index.default_pipeline'], 'left-in');
});

test('when everything is copied, durability, refresh and replicas are as on the leader, or as the command said', async () => {
  await using bench = openBench();
  const [plain, overridden] = [bench.name(), bench.name()];
  await bench.createLeader(plain, { settings: { number_of_replicas: 2, refresh_interval: '5s' } });
  await bench.createLeader(overridden, { settings: { number_of_replicas: 2, refresh_interval: '5s' } });
  const [one, other] = [
    await bench.follow(plain),
    await bench.follow(overridden, overridden, { number_of_replicas: 0 }),
  ];
  await restoreAfterBootstrap(one.link, signal);
  await restoreAfterBootstrap(other.link, signal);
  await restoreAfterBootstrap(other.link, signal);
  const values = async (index: string): Promise<unknown[]> => {
    const { settings } = await look(bench.follower.raw, index);
    return ['number_of_replicas', 'refresh_interval', 'translog.durability', 'gc_deletes', 'default_pipeline'].map(
      (key) => settings[`index.${key}`] ?? null,
    );
  };
  assert.deepEqual(await values(plain), ['2', '5s', null, '15m', 'slipstream-guard']);
  assert.deepEqual(await values(overridden), ['0', '5s', null, '15m', 'slipstream-guard']);
  assert.equal((await readMark(bench.follower.admin, plain, signal))?.restore, undefined);
});

for (const role of ['released', 'promoted'] as const) {
  test(`a ${role} follower is an ordinary index that keeps its documents and that nothing of ours writes to`, async () => {
    await using bench = openBench();
    const index = bench.name();
    await bench.createLeader(index, {
      settings: { final_pipeline: 'left-final', number_of_replicas: 0 },
      mappings: { _meta: { a: 1 } },
    });
    const { link } = await bench.follow(index);
    const { raw } = bench.follower;
    await raw('POST', `/${index}/_bulk?pipeline=_none&refresh=true`, '{"index":{"_id":"1"}}\n{"a":1}\n');
    await releaseFollower(link, role, signal);
    await releaseFollower(link, role, signal);
    const { settings, mappings } = await look(raw, index);
    const now = ['default_pipeline', 'final_pipeline', 'gc_deletes', 'refresh_interval', 'translog.durability'].map(
      (key) => settings[`index.${key}`] ?? null,
    );
    assert.deepEqual(now, [null, 'left-final', null, null, null]);
    const meta = mappings['_meta'] as { a: number; slipstream: Record<string, unknown> };
    assert.deepEqual(
      [meta.a, meta.slipstream['role'], meta.slipstream['heldBack'], meta.slipstream['restore']],
      [1, role, undefined, undefined],
    );
    await raw('PUT', `/${index}/_settings`, { 'index.final_pipeline': null });
    assert.equal((await raw('POST', `/${index}/_doc/2?refresh=true`, { a: 2 })).status, 201);
    assert.equal((await raw('GET', `/${index}/_count`)).body['count'], 2);
    assert.equal((await failureOf(restoreAfterBootstrap(link, signal))).code, 'promoted');
    const again = await failureOf(preflight(bench.request(index), signal));
    assert.deepEqual(
      [again.code, again.reason],
      ['follower_exists', `index ${index} was ${role} and is no follower any more`],
    );
  });
}

test('a release that broke off between its steps is finished by the next', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, { settings: { default_pipeline: 'left-in' } });
  const { link } = await bench.follow(index);
  let puts = 0;
  const failing = {
    ...link.followerAdmin,
    putSettings: () => {
      puts += 1;
      return Promise.reject(failed('request_timeout', { op: 'put settings', reason: 'lost' }));
    },
  };
  assert.equal(
    (await failureOf(releaseFollower({ ...link, followerAdmin: failing }, 'promoted', signal))).code,
    'request_timeout',
  );
  assert.equal(puts, 1);
  assert.equal((await failureOf(readMark(bench.follower.admin, index, signal))).code, 'promoted');
  await releaseFollower(link, 'promoted', signal);
  assert.equal((await look(bench.follower.raw, index)).settings['index.default_pipeline'], 'left-in');
});

test('a value that the follower refuses does not keep it from being released', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, { settings: { default_pipeline: 'left-in' } });
  const { link } = await bench.follow(index);
  const { followerAdmin } = link;
  const description = await followerAdmin.describe(index, signal);
  const mark = await readMark(followerAdmin, index, signal);
  assert.ok(description && mark);
  const restore = { ...mark.restore, 'index.refresh_interval': 'abc', 'index.number_of_replicas': '0' };
  await writeMark(followerAdmin, description, { ...mark, overrides: ['index.refresh_interval'], restore }, signal);
  const refusal = await failureOf(restoreAfterBootstrap(link, signal));
  assert.equal(refusal.code, 'settings_rejected');
  assert.match(refusal.hint, /gave index\.refresh_interval\. Unfollow/);

  const refused = await releaseFollower(link, 'released', signal);
  assert.deepEqual(
    refused.map(({ key }) => key),
    ['index.refresh_interval'],
  );
  assert.match(refused[0]?.failure.reason ?? '', /abc/);
  const { settings } = await look(bench.follower.raw, index);
  assert.deepEqual(
    ['default_pipeline', 'refresh_interval', 'number_of_replicas'].map((key) => settings[`index.${key}`] ?? null),
    ['left-in', null, '0'],
  );
  assert.deepEqual(await releaseFollower(link, 'released', signal), []);
});
