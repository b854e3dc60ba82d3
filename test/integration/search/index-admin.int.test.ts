import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AWKWARD_NAMES, createIndex, never, openReal, rejectsWith, urlOf } from './real-cluster.ts';

const url = urlOf('SLIPSTREAM_FOLLOWER_URL');
const empty = { settings: {}, mappings: {}, aliases: {} };

describe('what a cluster says of itself', () => {
  it('is its uuid, version and distribution', async () => {
    await using c = openReal(url);
    const { clusterUuid, version, distribution } = await c.admin.identify(never);
    assert.match(clusterUuid, /^\S{20,}$/);
    assert.match(version, /^9\.\d+\.\d+$/);
    assert.equal(distribution, 'elasticsearch');
    assert.equal(c.follower.versionAggregates, true);
  });
});

describe('what a name stands for', () => {
  it('is an index, an alias, or nothing', async () => {
    await using c = openReal(url);
    for (const label of AWKWARD_NAMES) {
      await using index = await createIndex(url, label);
      const alias = `${index.name}-alias`;
      await c.admin.updateAliases([{ add: { index: index.name, alias, filter: { term: { n: 1 } } } }], never);
      assert.equal(await c.admin.kindOf(index.name, never), 'index');
      assert.equal(await c.admin.kindOf(alias, never), 'alias');
      assert.equal(await c.admin.kindOf(`${index.name}-not`, never), 'missing');
      assert.equal(await c.admin.describe(alias, never), undefined);
      assert.equal(await c.admin.describe(`${index.name}-not`, never), undefined);
      const described = await c.admin.describe(index.name, never);
      assert.deepEqual(described?.aliases, { [alias]: { filter: { term: { n: 1 } } } });
      assert.equal(await c.admin.readerView(index.name, never), 'whole');
      assert.deepEqual(await c.admin.shardsOf(index.name, ['a', 'b', 'ü ß/?'], never), [0, 0, 0]);
      await index.call('POST', '/_close');
      assert.equal(await c.admin.kindOf(index.name, never), 'index');
    }
  });
});

describe('the life of an index', () => {
  it('is created, described, changed, closed and opened again', async () => {
    await using c = openReal(url);
    await using index = await createIndex(url, 'template');
    const name = `${index.name}-own`;
    const settings = {
      'index.number_of_shards': 2,
      'index.number_of_replicas': 0,
      'index.analysis.filter.f.type': 'stop',
      'index.analysis.filter.f.stopwords': ['a', 'b'],
    };
    const mappings = { _meta: { mine: { n: 1 } }, properties: { n: { type: 'long' } } };
    await c.admin.createIndex(name, { settings, mappings, aliases: {} }, never);
    try {
      await c.admin.awaitPrimaries(name, 10_000, never);
      await c.admin.putMapping(name, { properties: { t: { type: 'text' } } }, never);
      await c.admin.putSettings(name, { 'index.refresh_interval': '7s', 'index.translog.durability': 'async' }, never);
      const created = await c.admin.describe(name, never);
      assert.equal(created?.name, name);
      assert.equal(created.state, 'open');
      assert.equal(created.settings['index.uuid'], created.uuid);
      assert.equal(created.settings['index.refresh_interval'], '7s');
      assert.deepEqual(created.settings['index.analysis.filter.f.stopwords'], ['a', 'b']);
      assert.equal(created.defaults['index.max_result_window'], '10000');
      assert.deepEqual(created.mappings, {
        _meta: { mine: { n: 1 } },
        properties: { n: { type: 'long' }, t: { type: 'text' } },
      });
      await c.admin.putSettings(name, { 'index.refresh_interval': null }, never);
      assert.equal((await c.admin.describe(name, never))?.settings['index.refresh_interval'], undefined);
      await c.admin.close(name, never);
      assert.equal((await c.admin.describe(name, never))?.state, 'close');
      await c.admin.open(name, never);
      await c.admin.awaitPrimaries(name, 10_000, never);
      const shards = await c.admin.shardsOf(
        name,
        Array.from({ length: 40 }, (_, n) => `v${n}`),
        never,
      );
      assert.equal(shards.length, 40);
      assert.deepEqual(new Set(shards), new Set([0, 1]));
      await rejectsWith(c.admin.createIndex(name, empty, never), 'follower_exists');
    } finally {
      await fetch(`${url}/${name}`, { method: 'DELETE' });
    }
  });

  it('is refused by name of the fault', async () => {
    await using c = openReal(url);
    await using index = await createIndex(url, 'faults', { mappings: { properties: { n: { type: 'long' } } } });
    const missing = `${index.name}-not`;
    const settings = (values: Record<string, unknown>): Promise<void> =>
      c.admin.createIndex(missing, { ...empty, settings: values }, never);
    await rejectsWith(settings({ 'index.no_such': 1 }), 'settings_rejected');
    await rejectsWith(
      settings({ 'index.analysis.analyzer.a.tokenizer': 'nope', 'index.analysis.analyzer.a.type': 'custom' }),
      'settings_rejected',
    );
    await rejectsWith(
      c.admin.createIndex(missing, { ...empty, mappings: { properties: { x: { type: 'zzz' } } } }, never),
      'mapping_conflict',
    );
    const conflict = await rejectsWith(
      c.admin.putMapping(index.name, { properties: { n: { type: 'text' } } }, never),
      'mapping_conflict',
    );
    assert.match(conflict.failure.reason, /mapper \[n\] cannot be changed from type \[long\] to \[text\]/);
    await rejectsWith(c.admin.putSettings(index.name, { 'index.number_of_shards': 9 }, never), 'settings_rejected');
    await rejectsWith(c.admin.putSettings(missing, { 'index.refresh_interval': '1s' }, never), 'index_deleted');
    await rejectsWith(c.admin.putMapping(missing, {}, never), 'index_deleted');
    await rejectsWith(c.admin.close(missing, never), 'index_deleted');
    await rejectsWith(c.admin.updateAliases([{ add: { index: missing, alias: 'x' } }], never), 'index_deleted');
    await rejectsWith(c.admin.shardsOf(missing, ['a'], never), 'index_deleted');
    await rejectsWith(
      c.admin.putPipeline('search-int-pipeline', { processors: [{ no_such: {} }] }, never),
      'settings_rejected',
    );
    await rejectsWith(c.admin.awaitPrimaries(missing, 50, never), 'shard_unavailable');
    await rejectsWith(c.admin.readerView(missing, never), 'index_deleted');
  });

  it('keeps documents out by a pipeline of ours, and lets our bulks pass', async () => {
    await using c = openReal(url);
    await using index = await createIndex(url, 'guard');
    const id = `${index.name}-guard`;
    await c.admin.putPipeline(id, { processors: [{ fail: { message: 'this index follows another' } }] }, never);
    try {
      await c.admin.putSettings(index.name, { 'index.default_pipeline': id }, never);
      await assert.rejects(index.call('POST', '/_doc', {}), /this index follows another/);
      const body = new TextEncoder().encode('{"index":{"_id":"a"}}\n{}\n');
      const [item] = await c.follower.bulk({ index: index.name, body, operations: 1 }, never);
      assert.equal(item?.result, 'created');
      await c.admin.putSettings(index.name, { 'index.default_pipeline': null }, never);
    } finally {
      await fetch(`${url}/_ingest/pipeline/${encodeURIComponent(id)}`, { method: 'DELETE' });
    }
  });
});
