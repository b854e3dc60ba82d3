/** Keeping mapping, settings and aliases of a follower in step with its leader. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markEpoch, readMark } from '../../../src/replication/index/mark.ts';
import { syncMetadata } from '../../../src/replication/index/sync.ts';
import { type Bench, failureOf, look, openBench, signal } from './two-clusters.ts';

const nothing = { mapping: false, settings: [], aliases: [] };

async function versions(bench: Bench, index: string): Promise<unknown> {
  const { body } = await bench.follower.raw(
    'GET',
    `/_cluster/state/metadata/${index}?filter_path=metadata.indices.*.*_version`,
  );
  return body;
}

async function change(
  bench: Bench,
  index: string,
  part: '_mapping' | '_settings' | '_doc' | '_aliases',
  body: unknown,
): Promise<void> {
  const [method, path] =
    part === '_aliases' ? ['POST', '/_aliases'] : [part === '_doc' ? 'POST' : 'PUT', `/${index}/${part}`];
  const answer = await bench.leader.raw(method ?? '', path ?? '', body);
  assert.ok(answer.status < 300, JSON.stringify(answer.body));
}

test('a fresh follower is in step, and being in step writes nothing', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, {
    settings: { number_of_shards: 2, 'mapping.total_fields.limit': 50 },
    mappings: { dynamic: false, date_detection: true, properties: { a: { type: 'text' } } },
    aliases: { [`${index}-a`]: {} },
  });
  const { link } = await bench.follow(index);
  const before = await versions(bench, index);
  assert.deepEqual(await syncMetadata(link, signal), nothing);
  assert.deepEqual(await versions(bench, index), before);
});

test('fields that documents added on the leader reach the follower, and our mark survives', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, { mappings: { _meta: { a: 1 } } });
  const { link } = await bench.follow(index);
  await change(bench, index, '_doc', { city: 'Oslo', at: '2026-01-01', place: { n: 1 } });
  await change(bench, index, '_mapping', { _meta: { b: 2 } });
  assert.deepEqual(await syncMetadata(link, signal), { ...nothing, mapping: true });
  const [leader, follower] = [await look(bench.leader.raw, index), await look(bench.follower.raw, index)];
  assert.deepEqual(follower.mappings['properties'], leader.mappings['properties']);
  const { slipstream, ...meta } = follower.mappings['_meta'] as Record<string, unknown>;
  assert.deepEqual(meta, { b: 2 });
  assert.equal((slipstream as { role: string }).role, 'follower');
  assert.deepEqual(await syncMetadata(link, signal), nothing);
});

test('what the leader drops at the root of its mapping is dropped on the follower', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, {
    mappings: {
      dynamic: 'strict',
      numeric_detection: true,
      dynamic_templates: [{ s: { match_mapping_type: 'string', mapping: { type: 'keyword' } } }],
      runtime: { gone: { type: 'long' }, kept: { type: 'long' } },
      properties: { k: { type: 'keyword', ignore_above: 5 } },
    },
  });
  const { link } = await bench.follow(index);
  await change(bench, index, '_mapping', {
    dynamic: true,
    numeric_detection: false,
    dynamic_templates: [],
    runtime: { gone: null, fresh: { type: 'date' } },
    properties: { k: { type: 'keyword' } },
  });
  assert.equal((await syncMetadata(link, signal)).mapping, true);
  const mappings = async (raw: Bench['leader']['raw']): Promise<unknown> => ({
    ...(await look(raw, index)).mappings,
    _meta: null,
  });
  assert.deepEqual(await mappings(bench.follower.raw), await mappings(bench.leader.raw));
  assert.deepEqual(await syncMetadata(link, signal), nothing);
});

test('dynamic settings follow; one the leader resets is reset, one the follower set itself stays', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, { settings: { 'mapping.total_fields.limit': 50 } });
  const { link } = await bench.follow(index, index, { max_ngram_diff: 8 });
  await bench.follower.raw('PUT', `/${index}/_settings`, {
    'index.max_shingle_diff': 6,
    'index.max_result_window': 500,
  });
  await change(bench, index, '_settings', {
    'index.mapping.total_fields.limit': 60,
    'index.mapping.depth.limit': 9,
    'index.max_ngram_diff': 2,
    'index.refresh_interval': '3s',
    'index.number_of_replicas': 0,
  });
  assert.deepEqual((await syncMetadata(link, signal)).settings.toSorted(), [
    'index.mapping.depth.limit',
    'index.mapping.total_fields.limit',
  ]);
  await change(bench, index, '_settings', {
    'index.mapping.total_fields.limit': null,
    'index.mapping.depth.limit': null,
  });
  assert.deepEqual((await syncMetadata(link, signal)).settings.toSorted(), [
    'index.mapping.depth.limit',
    'index.mapping.total_fields.limit',
  ]);
  const { settings } = await look(bench.follower.raw, index);
  const now = [
    'mapping.total_fields.limit',
    'mapping.depth.limit',
    'max_shingle_diff',
    'max_result_window',
    'max_ngram_diff',
    'refresh_interval',
  ].map((key) => settings[`index.${key}`] ?? null);
  assert.deepEqual(now, [null, null, '6', '500', '8', '-1']);
  assert.deepEqual(await syncMetadata(link, signal), nothing);
  assert.deepEqual((await readMark(bench.follower.admin, index, signal))?.copied.settings, []);
});

test('a raised limit of fields arrives before the fields that need it, a lowered one after', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, {
    settings: { 'mapping.total_fields.limit': 2 },
    mappings: { properties: { a: { type: 'long' }, b: { type: 'long' } } },
  });
  const { link } = await bench.follow(index);
  await change(bench, index, '_settings', { 'index.mapping.total_fields.limit': 4 });
  await change(bench, index, '_mapping', { properties: { c: { type: 'long' }, d: { type: 'long' } } });
  await syncMetadata(link, signal);
  await change(bench, index, '_settings', { 'index.mapping.total_fields.limit': 5 });
  await syncMetadata(link, signal);
  await change(bench, index, '_mapping', { properties: { e: { type: 'long' } } });
  await change(bench, index, '_settings', { 'index.mapping.total_fields.limit': 3 });
  await syncMetadata(link, signal);
  const follower = await look(bench.follower.raw, index);
  assert.deepEqual(Object.keys(follower.mappings['properties'] as object), ['a', 'b', 'c', 'd', 'e']);
  assert.equal(follower.settings['index.mapping.total_fields.limit'], '3');
});

test('the end of a time series moves with the leader', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, {
    settings: {
      'index.mode': 'time_series',
      'index.routing_path': ['host'],
      'index.time_series.start_time': '2026-01-01T00:00:00Z',
      'index.time_series.end_time': '2026-12-01T00:00:00Z',
    },
    mappings: {
      properties: { '@timestamp': { type: 'date' }, host: { type: 'keyword', time_series_dimension: true } },
    },
  });
  const { link } = await bench.follow(index);
  await change(bench, index, '_settings', { 'index.time_series.end_time': '2027-03-01T00:00:00Z' });
  assert.deepEqual((await syncMetadata(link, signal)).settings, ['index.time_series.end_time']);
});

test('a setting that needs a closed index stops with its name, after everything else was done', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index);
  const { link } = await bench.follow(index);
  assert.equal((await bench.leader.raw('POST', `/${index}/_close`)).status, 200);
  await change(bench, index, '_settings', {
    'index.analysis.analyzer.late.type': 'standard',
    'index.mapping.depth.limit': 7,
  });
  assert.equal((await bench.leader.raw('POST', `/${index}/_open`)).status, 200);
  const failure = await failureOf(syncMetadata(link, signal));
  assert.equal(failure.code, 'settings_rejected');
  assert.match(failure.reason, /index\.analysis\.analyzer\.late\.type/);
  assert.doesNotMatch(failure.reason, /depth/);
  const { settings } = await look(bench.follower.raw, index);
  assert.equal(settings['index.mapping.depth.limit'], '7');
});

test('aliases follow with filter and routing; those the follower got from elsewhere stay', async () => {
  await using bench = openBench();
  const index = bench.name();
  const alias = (letter: string): string => `${index}-${letter}`;
  await bench.createLeader(index, {
    mappings: { properties: { k: { type: 'keyword' } } },
    aliases: { [alias('gone')]: {}, [alias('kept')]: { filter: { term: { k: 'a' } } } },
  });
  const { link } = await bench.follow(index);
  await bench.follower.raw('POST', '/_aliases', { actions: [{ add: { index, alias: alias('own') } }] });
  await change(bench, index, '_aliases', {
    actions: [
      { remove: { index, alias: alias('gone') } },
      { add: { index, alias: alias('kept'), filter: { term: { k: 'b' } }, routing: '7' } },
      { add: { index, alias: alias('new'), is_write_index: true, is_hidden: true } },
    ],
  });
  assert.deepEqual(
    (await syncMetadata(link, signal)).aliases.toSorted(),
    [alias('gone'), alias('kept'), alias('new')].toSorted(),
  );
  assert.deepEqual((await look(bench.follower.raw, index)).aliases, {
    [alias('own')]: {},
    [alias('kept')]: { filter: { term: { k: 'b' } }, index_routing: '7', search_routing: '7', is_write_index: false },
    [alias('new')]: { is_hidden: true, is_write_index: false },
  });
  assert.deepEqual(await syncMetadata(link, signal), nothing);
});

test('a mapping that contradicts the leader stops with the words of the follower', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index);
  const { link } = await bench.follow(index);
  await bench.follower.raw('PUT', `/${index}/_mapping`, { properties: { n: { type: 'keyword' } } });
  await change(bench, index, '_mapping', { properties: { n: { type: 'long' } } });
  const failure = await failureOf(syncMetadata(link, signal));
  assert.deepEqual([failure.code, failure.cluster], ['mapping_conflict', 'right']);
  assert.match(failure.reason, /mapper \[n\] cannot be changed from type \[keyword\] to \[long\]/);
});

test('a leader that was deleted or made anew, and a follower that was replaced, are told apart', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index);
  const { link } = await bench.follow(index);
  await bench.leader.raw('DELETE', `/${index}`);
  const gone = await failureOf(syncMetadata(link, signal));
  assert.deepEqual([gone.code, gone.cluster], ['index_deleted', 'left']);
  await bench.createLeader(index);
  assert.equal((await failureOf(syncMetadata(link, signal))).code, 'index_recreated');
  const renewed = { ...link, leaderUuid: String((await look(bench.leader.raw, index)).settings['index.uuid']) };
  assert.equal((await failureOf(syncMetadata(renewed, signal))).code, 'journal_unknown');
  await bench.follower.raw('DELETE', `/${index}`);
  const missing = await failureOf(syncMetadata(renewed, signal));
  assert.deepEqual([missing.code, missing.cluster], ['index_deleted', 'right']);
  await bench.follower.raw('PUT', `/${index}`, {});
  assert.equal((await failureOf(syncMetadata(renewed, signal))).code, 'journal_unknown');
});

test('a raised epoch is recorded beside everything else in _meta', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, { mappings: { _meta: { a: 1 }, properties: { k: { type: 'keyword' } } } });
  const { link } = await bench.follow(index);
  const before = await readMark(bench.follower.admin, index, signal);
  await markEpoch(link, 3, signal);
  assert.deepEqual(await readMark(bench.follower.admin, index, signal), { ...before, epoch: 3 });
  const { mappings } = await look(bench.follower.raw, index);
  assert.equal((mappings['_meta'] as { a: number }).a, 1);
  assert.deepEqual(mappings['properties'], { k: { type: 'keyword' } });
  await assert.rejects(markEpoch(link, 2, signal), /not below/);
  assert.deepEqual(await syncMetadata(link, signal), nothing);
});
