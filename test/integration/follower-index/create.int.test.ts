/** Creating followers on real clusters: what is copied, what is not, and what is taken up again after a crash. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { preflight } from '../../../src/replication/index/preflight.ts';
import { prepareFollower } from '../../../src/replication/index/prepare.ts';
import { failureOf, look, openBench, signal } from './two-clusters.ts';

test('a follower has the shards, analysis, mapping and aliases of its leader, and our mark beside the _meta of the leader', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, {
    settings: {
      number_of_shards: 2,
      analysis: {
        filter: { pairs: { type: 'synonym', synonyms: ['a,b', 'c,d'] } },
        analyzer: { mine: { tokenizer: 'standard', filter: ['pairs', 'lowercase'] } },
      },
      similarity: { soft: { type: 'BM25', b: 0.3 } },
      'mapping.total_fields.limit': 77,
      max_ngram_diff: 3,
      priority: 9,
      number_of_replicas: 2,
      refresh_interval: '7s',
      final_pipeline: 'left-final',
      gc_deletes: '90s',
      'blocks.read_only_allow_delete': false,
      'routing.allocation.exclude.zone': 'attic',
    },
    mappings: {
      _meta: { team: 'geo' },
      dynamic: 'strict',
      runtime: { day: { type: 'keyword' } },
      properties: {
        text: { type: 'text', analyzer: 'mine', similarity: 'soft', fields: { raw: { type: 'keyword' } } },
        tags: { type: 'nested', properties: { k: { type: 'keyword' } } },
      },
    },
    aliases: {
      [`${index}-a`]: {
        filter: { term: { 'text.raw': 'x' } },
        index_routing: '1',
        search_routing: '1,2',
        is_hidden: true,
      },
      [`${index}-w`]: { is_write_index: true },
    },
  });
  const { prepared } = await bench.follow(index);
  const leader = await look(bench.leader.raw, index);
  const follower = await look(bench.follower.raw, index);

  assert.deepEqual(prepared.differences, []);
  assert.equal(prepared.guard, 'set');
  assert.equal(prepared.aligned, true);
  assert.equal(prepared.followerShards, 2);
  assert.equal(prepared.followerUuid, follower.settings['index.uuid']);
  for (const [key, value] of Object.entries(leader.settings)) {
    if (/^index\.(analysis|similarity|mapping|max_ngram|number_of_shards|priority)/.test(key))
      assert.deepEqual(follower.settings[key], value, key);
  }
  const set = (key: string): unknown => follower.settings[`index.${key}`] ?? null;
  assert.deepEqual(
    [
      'number_of_replicas',
      'refresh_interval',
      'translog.durability',
      'gc_deletes',
      'default_pipeline',
      'final_pipeline',
    ].map(set),
    ['0', '-1', 'async', '15m', 'slipstream-guard', '_none'],
  );
  assert.deepEqual(['routing.allocation.exclude.zone', 'blocks.read_only_allow_delete'].map(set), [null, null]);
  assert.deepEqual(follower.aliases, {
    [`${index}-a`]: {
      filter: { term: { 'text.raw': 'x' } },
      index_routing: '1',
      search_routing: '1,2',
      is_hidden: true,
      is_write_index: false,
    },
    [`${index}-w`]: { is_write_index: false },
  });
  const { _meta: meta, ...mapping } = follower.mappings;
  const { _meta: leaderMeta, ...leaderMapping } = leader.mappings;
  assert.deepEqual(mapping, leaderMapping);
  const { slipstream, ...ownMeta } = meta as Record<string, unknown>;
  assert.deepEqual(ownMeta, leaderMeta);
  const identity = await bench.leader.admin.identify(signal);
  assert.deepEqual(slipstream, {
    role: 'follower',
    journalId: 'journal-of-the-tests',
    epoch: 1,
    leader: { cluster: 'left', clusterUuid: identity.clusterUuid, index, uuid: leader.settings['index.uuid'] },
    shards: 2,
    restore: {
      'index.number_of_replicas': '2',
      'index.auto_expand_replicas': null,
      'index.refresh_interval': '7s',
      'index.translog.durability': null,
    },
    heldBack: { 'index.default_pipeline': null, 'index.final_pipeline': 'left-final', 'index.gc_deletes': '90s' },
    overrides: [],
    copied: {
      settings: ['index.mapping.total_fields.limit', 'index.max_ngram_diff'],
      aliases: [`${index}-a`, `${index}-w`],
    },
  });
});

test('settings of the follow command win over those of the leader', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, {
    settings: { number_of_shards: 2, number_of_routing_shards: 4, 'mapping.total_fields.limit': 50 },
  });
  const { prepared } = await bench.follow(index, index, {
    number_of_shards: 3,
    index: { mapping: { total_fields: { limit: 200 } } },
    'index.number_of_replicas': 0,
  });
  const { settings } = await look(bench.follower.raw, index);
  assert.equal(settings['index.number_of_shards'], '3');
  assert.equal(settings['index.mapping.total_fields.limit'], '200');
  assert.deepEqual([prepared.followerShards, prepared.aligned], [3, false]);
});

for (const [mode, settings] of [
  ['logsdb', { 'index.mode': 'logsdb', 'index.sort.field': ['host', '@timestamp'] }],
  [
    'time_series',
    {
      'index.mode': 'time_series',
      'index.routing_path': ['host'],
      'index.time_series.start_time': '2026-01-01T00:00:00Z',
      'index.time_series.end_time': '2026-12-01T00:00:00Z',
    },
  ],
] as const) {
  test(`an index of mode ${mode} is created like its leader`, async () => {
    await using bench = openBench();
    const index = bench.name();
    const dimension = mode === 'time_series' ? { time_series_dimension: true } : {};
    await bench.createLeader(index, {
      settings: { ...settings, 'index.number_of_shards': 2 },
      mappings: { properties: { '@timestamp': { type: 'date' }, host: { type: 'keyword', ...dimension } } },
    });
    const { prepared } = await bench.follow(index);
    const follower = await look(bench.follower.raw, index);
    assert.deepEqual(prepared.differences, []);
    // Time series place documents by their dimensions, so routing values cannot be asked for.
    assert.equal(prepared.aligned, mode === 'logsdb');
    for (const [key, value] of Object.entries(settings)) assert.deepEqual(follower.settings[key], value, key);
  });
}

for (const suffix of ['.with.dots', '-ünï-日本', '%41&b=c', '.kibana_1@x']) {
  test(`an index name with "${suffix}" is copied`, async () => {
    await using bench = openBench();
    const leader = bench.name(suffix);
    const follower = bench.name(`${suffix}-copy`);
    await bench.createLeader(leader, { settings: { number_of_shards: 2 } });
    const { prepared } = await bench.follow(leader, follower);
    assert.deepEqual([prepared.aligned, prepared.differences], [true, []]);
    assert.equal((await look(bench.follower.raw, follower)).settings['index.provided_name'], follower);
  });
}

test('an interrupted follow is taken up again, and the higher epoch stays', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, { mappings: { _meta: { a: 1 } } });
  const first = await bench.follow(index);
  const plan = await preflight(bench.request(index), signal);
  assert.equal(plan.adopts?.epoch, 1);
  const second = await prepareFollower(plan, { epoch: 4, primariesTimeoutMs: 20_000 }, signal);
  assert.deepEqual([second.followerUuid, second.epoch], [first.prepared.followerUuid, 4]);
  const third = await prepareFollower(plan, { epoch: 2, primariesTimeoutMs: 20_000 }, signal);
  assert.deepEqual([third.followerUuid, third.epoch], [first.prepared.followerUuid, 4]);
});

test('a follower that appears between preflight and creation is recognised as ours or refused', async () => {
  await using bench = openBench();
  const [ours, theirs] = [bench.name(), bench.name()];
  await Promise.all([bench.createLeader(ours), bench.createLeader(theirs)]);
  const early = await preflight(bench.request(ours), signal);
  await bench.follow(ours);
  assert.equal((await prepareFollower(early, { epoch: 1, primariesTimeoutMs: 20_000 }, signal)).epoch, 1);
  const plan = await preflight(bench.request(theirs), signal);
  await bench.follower.raw('PUT', `/${theirs}`, {});
  assert.equal(
    (await failureOf(prepareFollower(plan, { epoch: 1, primariesTimeoutMs: 20_000 }, signal))).code,
    'follower_exists',
  );
});

test('an analyser that the follower does not know is refused in its own words and leaves no index', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, {});
  const plan = await preflight(bench.request(index), signal);
  const settings = { ...plan.leaderDescription.settings, 'index.analysis.analyzer.mine.type': 'kuromoji' };
  const failure = await failureOf(
    prepareFollower(
      { ...plan, leaderDescription: { ...plan.leaderDescription, settings } },
      { epoch: 1, primariesTimeoutMs: 1_000 },
      signal,
    ),
  );
  assert.equal(failure.code, 'settings_rejected');
  assert.match(failure.reason, /kuromoji/);
  assert.equal(await bench.follower.admin.describe(index, signal), undefined);
});

test('a follower of a follower gets the values that were put aside, not ours', async () => {
  await using bench = openBench();
  const [first, last] = [bench.name(), bench.name()];
  await bench.createLeader(first, {
    settings: { default_pipeline: 'left-in', refresh_interval: '9s' },
    mappings: { _meta: { a: 1 } },
  });
  await bench.follow(first);
  const back = bench.request(first, last);
  const plan = await preflight(
    {
      ...back,
      leaderAdmin: back.followerAdmin,
      followerAdmin: back.leaderAdmin,
      leader: { cluster: 'right', index: first },
      follower: { cluster: 'left', index: last },
    },
    signal,
  );
  await prepareFollower(plan, { epoch: 1, primariesTimeoutMs: 20_000 }, signal);
  const { _meta: meta } = (await look(bench.leader.raw, last)).mappings as {
    _meta: { a: number; slipstream: Record<string, Record<string, unknown>> };
  };
  assert.equal(meta.a, 1);
  assert.equal(meta.slipstream['leader']?.['cluster'], 'right');
  assert.equal(meta.slipstream['heldBack']?.['index.default_pipeline'], 'left-in');
  assert.equal(meta.slipstream['restore']?.['index.refresh_interval'], '9s');
});
