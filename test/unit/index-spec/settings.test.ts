import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffSettings, followerSettings } from '../../../src/domain/index-spec/follower-settings.ts';
import type { FlatSettings } from '../../../src/domain/index-spec/index-shape.ts';
import { classOf, type SettingClass } from '../../../src/domain/index-spec/setting-rules.ts';
import {
  durationMs,
  readOverrides,
  sameValue,
  type SettingValues,
} from '../../../src/domain/index-spec/setting-values.ts';
import { described, marked } from './described.ts';

const classes: Readonly<Record<SettingClass, readonly string[]>> = {
  private: ['uuid', 'version.created', 'version.upgraded', 'creation_date', 'provided_name', 'history.uuid', 'resize.source.name', 'routing.allocation.include._tier_preference', 'routing.allocation.initial_recovery._id', 'replication.type', 'xpack.ccr.following_index', 'soft_deletes.enabled', 'store.snapshot.index_uuid'],
  foreign: ['lifecycle.name', 'lifecycle.indexing_complete', 'plugins.index_state_management.policy_id', 'blocks.write', 'routing.allocation.require.zone', 'routing.allocation.total_shards_per_node', 'unassigned.node_left.delayed_timeout', 'store.type', 'write.wait_for_active_shards'],
  managed: ['number_of_replicas', 'auto_expand_replicas', 'refresh_interval', 'translog.durability', 'gc_deletes', 'default_pipeline', 'final_pipeline', 'mapping.exclude_source_vectors'],
  once: ['priority', 'hidden', 'codec', 'max_result_window', 'translog.sync_interval', 'merge.policy.max_merged_segment', 'search.slowlog.threshold.query.warn', 'search.idle.after', 'query.default_field', 'soft_deletes.retention_lease.period', 'highlight.max_analyzed_offset'],
  fixed: ['number_of_shards', 'number_of_routing_shards', 'routing_partition_size', 'routing_path', 'mode', 'analysis.analyzer.a.type', 'similarity.s.b', 'sort.field', 'time_series.start_time', 'mapping.source.mode', 'disable_sequence_numbers', 'seq_no.index_options'],
  live: ['mapping.total_fields.limit', 'mapping.nested_objects.limit', 'max_ngram_diff', 'max_shingle_diff', 'time_series.end_time', 'some.setting.of.tomorrow'],
}; // prettier-ignore

test('every setting has one master', () => {
  for (const [kind, keys] of Object.entries(classes))
    for (const key of keys) assert.equal(classOf(`index.${key}`), kind, key);
  assert.equal(classOf('cluster.name'), 'private');
});

function create(
  settings: FlatSettings,
  options: { overrides?: SettingValues; guarded?: boolean; followerKnowsAll?: boolean; defaults?: FlatSettings } = {},
) {
  const { overrides = {}, guarded = true, followerKnowsAll = true, defaults = {} } = options;
  return followerSettings({ leader: described({ settings, defaults }), overrides, guarded, followerKnowsAll });
}

test('a follower is created with what must match, without what is private or foreign, and with values for bootstrapping', () => {
  const of = (kind: SettingClass): FlatSettings =>
    Object.fromEntries(classes[kind].map((key) => [`index.${key}`, '1']));
  const { create: settings } = create(
    Object.assign({}, ...(['private', 'foreign', 'managed', 'once', 'fixed', 'live'] as const).map(of)) as FlatSettings,
  );
  const own = Object.fromEntries(Object.entries(settings).filter(([key]) => classOf(key) === 'managed'));
  assert.deepEqual(own, {
    'index.number_of_replicas': '0',
    'index.auto_expand_replicas': null,
    'index.refresh_interval': '-1',
    'index.translog.durability': 'async',
    'index.gc_deletes': '15m',
    'index.default_pipeline': 'slipstream-guard',
    'index.final_pipeline': '_none',
    'index.mapping.exclude_source_vectors': 'false',
  });
  const copied = Object.keys(settings).filter((key) => settings[key] === '1');
  assert.deepEqual(
    copied.toSorted(),
    [...classes.once, ...classes.fixed, ...classes.live].map((key) => `index.${key}`).toSorted(),
  );
  const kept = Object.keys(settings).filter((key) => settings[key] === null && key.startsWith('index.blocks.'));
  assert.equal(kept.length, 5);
});

test('what the leader has instead of our values is remembered, an override before it', () => {
  const leader = {
    'index.number_of_replicas': '2',
    'index.refresh_interval': '5s',
    'index.default_pipeline': 'in',
    'index.gc_deletes': '30s',
  };
  assert.deepEqual(create(leader).restore, {
    'index.number_of_replicas': '2',
    'index.auto_expand_replicas': null,
    'index.refresh_interval': '5s',
    'index.translog.durability': null,
  });
  assert.deepEqual(create(leader).heldBack, {
    'index.default_pipeline': 'in',
    'index.final_pipeline': null,
    'index.gc_deletes': '30s',
  });
  const overrides = { 'index.number_of_replicas': '0', 'index.final_pipeline': 'mine' };
  const overridden = create(leader, { overrides });
  assert.equal(overridden.restore['index.number_of_replicas'], '0');
  assert.equal(overridden.heldBack['index.final_pipeline'], 'mine');
  assert.equal(overridden.create['index.final_pipeline'], '_none');
  assert.deepEqual(overridden.overrides, ['index.final_pipeline', 'index.number_of_replicas']);
});

test('tombstones live 15 minutes or as long as on the leader, whichever is longer', () => {
  for (const [leader, follower] of [
    ['60s', '15m'],
    ['900s', '15m'],
    ['2h', '2h'],
    ['1d', '1d'],
    ['-1', '15m'],
    ['nonsense', '15m'],
  ] as const) {
    assert.equal(create({ 'index.gc_deletes': leader }).create['index.gc_deletes'], follower, leader);
  }
});

test('without the guard no default pipeline runs', () => {
  assert.equal(
    create({ 'index.default_pipeline': 'in' }, { guarded: false }).create['index.default_pipeline'],
    '_none',
  );
});

test('settings that a template could add are kept out, where the follower knows them', () => {
  const defaults = { 'index.disable_sequence_numbers': 'false' };
  assert.equal(create({}, { defaults }).create['index.disable_sequence_numbers'], null);
  assert.equal('index.disable_sequence_numbers' in create({}, { defaults, followerKnowsAll: false }).create, false);
  assert.equal('index.disable_sequence_numbers' in create({}).create, false);
});

test('vectors stay in the documents of a follower that knows how, whatever the leader does, unless the command says otherwise', () => {
  const key = 'index.mapping.exclude_source_vectors';
  const defaults = { [key]: 'true' };
  assert.equal(create({}, { defaults }).create[key], 'false');
  assert.equal(create({ [key]: 'true' }).create[key], 'false');
  assert.equal(create({}, { defaults, overrides: { [key]: 'true' } }).create[key], 'true');
  assert.equal(key in create({}, { defaults, followerKnowsAll: false }).create, false);
  assert.equal(key in create({}).create, false);
});

test('routing shards of the leader go with its number of shards only', () => {
  const leader = { 'index.number_of_shards': '2', 'index.number_of_routing_shards': '4' };
  assert.equal(create(leader).create['index.number_of_routing_shards'], '4');
  const { create: settings, overrides } = create(leader, { overrides: { 'index.number_of_shards': '3' } });
  assert.deepEqual([settings['index.number_of_shards'], settings['index.number_of_routing_shards']], ['3', undefined]);
  assert.deepEqual(overrides, ['index.number_of_routing_shards', 'index.number_of_shards']);
});

test('a leader that is a follower itself counts with its own values', () => {
  const mark = marked({
    restore: { 'index.refresh_interval': '9s', 'index.number_of_replicas': null },
    heldBack: { 'index.default_pipeline': 'in', 'index.gc_deletes': null },
  });
  const settings = {
    'index.refresh_interval': '-1',
    'index.number_of_replicas': '0',
    'index.default_pipeline': 'slipstream-guard',
    'index.gc_deletes': '15m',
  };
  const { restore, heldBack } = followerSettings({
    leader: described({ settings, mappings: { _meta: { slipstream: mark } } }),
    overrides: {},
    guarded: true,
    followerKnowsAll: true,
  });
  assert.deepEqual([restore['index.refresh_interval'], restore['index.number_of_replicas']], ['9s', null]);
  assert.deepEqual([heldBack['index.default_pipeline'], heldBack['index.gc_deletes']], ['in', null]);
});

const limit = 'index.mapping.total_fields.limit';
for (const [name, leader, follower, mark, expected] of [
  [
    'changed on the leader',
    { [limit]: '5' },
    { [limit]: '4' },
    {},
    { put: { [limit]: '5' }, fixed: [], copied: [limit] },
  ],
  ['new on the leader', { [limit]: '5' }, {}, {}, { put: { [limit]: '5' }, fixed: [], copied: [limit] }],
  ['equal', { [limit]: '5' }, { [limit]: '5' }, {}, { put: {}, fixed: [], copied: [limit] }],
  [
    'dropped by the leader',
    {},
    { [limit]: '5' },
    { copied: { settings: [limit], aliases: [] } },
    { put: { [limit]: null }, fixed: [], copied: [] },
  ],
  [
    'dropped by the leader and gone',
    {},
    {},
    { copied: { settings: [limit], aliases: [] } },
    { put: {}, fixed: [], copied: [] },
  ],
  ['set by the follower itself', {}, { [limit]: '5' }, {}, { put: {}, fixed: [], copied: [] }],
  ['overridden', { [limit]: '5' }, { [limit]: '9' }, { overrides: [limit] }, { put: {}, fixed: [], copied: [] }],
  [
    'static',
    { 'index.sort.field': ['a'] },
    { 'index.sort.field': ['b'] },
    {},
    { put: {}, fixed: ['index.sort.field'], copied: [] },
  ],
  [
    'static, a list of one',
    { 'index.sort.field': ['a'] },
    { 'index.sort.field': 'a' },
    {},
    { put: {}, fixed: [], copied: [] },
  ],
  [
    'managed, once or foreign',
    {
      'index.refresh_interval': '1s',
      'index.priority': '3',
      'index.lifecycle.name': 'l',
      'index.blocks.write': 'true',
    },
    {},
    {},
    { put: {}, fixed: [], copied: [] },
  ],
] as const) {
  test(`a setting that is ${name} is judged rightly`, () => {
    assert.deepEqual(
      diffSettings({
        leader: described({ settings: leader }),
        follower: described({ settings: follower }),
        mark: marked(mark),
      }),
      expected,
    );
  });
}

test('a setting reset on the leader, printed as null, is not set', () => {
  const settings = { [limit]: null } as unknown as FlatSettings;
  const diff = diffSettings({
    leader: described({ settings }),
    follower: described({ settings: { [limit]: '5' } }),
    mark: marked({ copied: { settings: [limit], aliases: [] } }),
  });
  assert.deepEqual(diff.put, { [limit]: null });
});

test('overrides are read in every form people write them', () => {
  assert.deepEqual(
    readOverrides({
      number_of_replicas: 0,
      index: { mapping: { total_fields: { limit: 5 } }, hidden: true },
      'index.query.default_field': ['a', 'b'],
      'index.priority': null,
    }),
    {
      settings: {
        'index.number_of_replicas': '0',
        [limit]: '5',
        'index.hidden': 'true',
        'index.query.default_field': ['a', 'b'],
        'index.priority': null,
      },
      faults: [],
    },
  );
});

test('overrides that would make another index of it are refused by name', () => {
  const { faults } = readOverrides({
    'index.mode': 'logsdb',
    uuid: 'x',
    'blocks.write': true,
    'analysis.analyzer.a.type': 'standard',
    priority: 1,
    index: { priority: 2 },
  });
  assert.deepEqual(faults, [
    "index.mode must equal the leader's",
    'index.uuid cannot be set on a follower',
    'index.blocks.write cannot be set on a follower',
    "index.analysis.analyzer.a.type must equal the leader's",
    'index.priority is given twice',
  ]);
});

test('values that a cluster would refuse only when everything is copied are refused at once', () => {
  const wrong = {
    'index.refresh_interval': 'abc',
    'index.number_of_replicas': '-1',
    'index.auto_expand_replicas': '0-many',
    'index.gc_deletes': '5',
    'index.translog.durability': 'none',
  };
  const { settings, faults } = readOverrides(wrong);
  assert.deepEqual(settings, {});
  assert.deepEqual(
    faults.map((fault) => fault.split(' must be ')[0]),
    Object.keys(wrong),
  );
  for (const right of [
    { refresh_interval: -1, number_of_replicas: 2, auto_expand_replicas: false, gc_deletes: '0' },
    { refresh_interval: '500ms', number_of_replicas: null, auto_expand_replicas: '0-all', gc_deletes: '1H' },
    { refresh_interval: null, 'translog.durability': 'ASYNC', auto_expand_replicas: '1-3' },
  ])
    assert.deepEqual(readOverrides(right).faults, []);
});

test('values are compared as clusters print them', () => {
  for (const [one, other, same] of [
    ['1', 1, true],
    ['true', true, true],
    [['a'], 'a', true],
    [['a', 'b'], ['a', 'b'], true],
    [['a', 'b'], ['b', 'a'], false],
    [null, undefined, true],
    [null, '', false],
  ] as const) {
    assert.equal(sameValue(one, other), same, JSON.stringify([one, other]));
  }
});

test('time values are read with their units', () => {
  for (const [text, ms] of [
    ['500ms', 500],
    ['15m', 900_000],
    ['1.5h', 5_400_000],
    ['2d', 172_800_000],
    ['-1', undefined],
    ['', undefined],
    ['10', undefined],
  ] as const)
    assert.equal(durationMs(text), ms, text);
});
