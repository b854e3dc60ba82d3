import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareAfterCreate } from '../../../src/domain/index-spec/created-index.ts';
import { diffAliases } from '../../../src/domain/index-spec/follower-aliases.ts';
import { followerIndexBody } from '../../../src/domain/index-spec/follower-body.ts';
import { followerMappings, mappingToPut } from '../../../src/domain/index-spec/follower-mapping.ts';
import { markOf } from '../../../src/domain/index-spec/follower-mark.ts';
import type { Json } from '../../../src/domain/index-spec/index-shape.ts';
import { described, marked } from './described.ts';

const mark = marked({ restore: { 'index.refresh_interval': null }, heldBack: { 'index.final_pipeline': 'f' } });
const keyword = { type: 'keyword' };

test('a mark is read back as it was written, whatever stands beside it', () => {
  const mappings = JSON.parse(
    JSON.stringify(followerMappings({ _meta: { a: 1 }, properties: { k: keyword } }, mark)),
  ) as Json;
  assert.deepEqual(markOf(mappings), { kind: 'mark', mark });
  assert.deepEqual(mappings['_meta'], { a: 1, slipstream: JSON.parse(JSON.stringify(mark)) });
});

for (const [name, found, kind] of [
  ['no _meta', undefined, 'none'],
  ['another _meta', { a: 1 }, 'none'],
  ['a mark of another form', { slipstream: { role: 'follower' } }, 'unreadable'],
  ['a mark with an unknown role', { slipstream: { ...mark, role: 'king' } }, 'unreadable'],
  ['a mark with epoch 0', { slipstream: { ...mark, epoch: 0 } }, 'unreadable'],
  ['no object', { slipstream: 'x' }, 'unreadable'],
] as const) {
  test(`a mapping with ${name} is ${kind === 'none' ? 'not marked' : 'marked unreadably'}`, () => {
    assert.equal(markOf(found === undefined ? {} : { _meta: found }).kind, kind);
  });
}

test('the mark of a leader that is a follower itself gives way to ours', () => {
  const { _meta: meta } = followerMappings({ _meta: { a: 1, slipstream: marked({ epoch: 9 }) } }, mark);
  assert.deepEqual(meta, { a: 1, slipstream: mark });
});

const inStep = (leader: Json, follower: Json): Record<string, unknown> | undefined =>
  mappingToPut({ leader, follower: { ...follower, _meta: { slipstream: mark } }, mark });

for (const [name, leader, follower] of [
  ['equal', { properties: { k: keyword } }, { properties: { k: keyword } }],
  [
    'equal but for the order of keys',
    { properties: { a: { type: 'text', fields: { r: keyword } }, b: keyword } },
    { properties: { b: keyword, a: { fields: { r: keyword }, type: 'text' } } },
  ],
  [
    'wider by fields of its own',
    { properties: { o: { properties: { a: keyword } } } },
    { properties: { o: { properties: { a: keyword, x: keyword } }, y: { properties: { z: keyword } } } },
  ],
  [
    'written with defaults',
    {},
    {
      dynamic: 'true',
      date_detection: true,
      numeric_detection: false,
      dynamic_templates: [],
      runtime: {},
      properties: {},
    },
  ],
  ['written with other types', { dynamic: true, date_detection: 'false' }, { dynamic: 'true', date_detection: false }],
] as const) {
  test(`nothing is put when the mapping of the follower is ${name}`, () => {
    assert.equal(inStep(leader, follower), undefined);
  });
}

for (const [name, leader, follower, put] of [
  ['a new field', { properties: { k: keyword } }, {}, { properties: { k: keyword } }],
  [
    'a new subfield',
    { properties: { k: { ...keyword, fields: { t: { type: 'text' } } } } },
    { properties: { k: keyword } },
    { properties: { k: { ...keyword, fields: { t: { type: 'text' } } } } },
  ],
  [
    'a parameter dropped from a field',
    { properties: { k: keyword } },
    { properties: { k: { ...keyword, ignore_above: 5 } } },
    { properties: { k: keyword } },
  ],
  [
    'a runtime field dropped',
    { runtime: { b: keyword } },
    { runtime: { a: keyword } },
    { runtime: { a: null, b: keyword } },
  ],
  ['dynamic templates dropped', {}, { dynamic_templates: [{ t: {} }] }, { dynamic_templates: [] }],
  ['dynamic dropped', {}, { dynamic: 'strict', date_detection: false }, { dynamic: 'true', date_detection: true }],
  ['a _meta of the leader', { _meta: { a: 1 } }, {}, { _meta: { a: 1, slipstream: mark } }],
] as const) {
  test(`${name} is put`, () => {
    assert.deepEqual(inStep(leader, follower), { _meta: { slipstream: mark }, ...put });
  });
}

test('aliases are added, overwritten and, if they came from the leader, removed', () => {
  const changes = diffAliases({
    leader: {
      same: { filter: { term: { a: 1 } } },
      other: { search_routing: '1' },
      fresh: { is_write_index: true, is_hidden: true },
      cities: {},
      writable: {},
    },
    follower: {
      same: { filter: { term: { a: 1 } }, is_write_index: false },
      other: { search_routing: '2', is_write_index: false },
      gone: {},
      own: {},
      writable: { is_write_index: true },
    },
    followerIndex: 'cities',
    copied: ['same', 'other', 'gone', 'never-arrived'],
  });
  assert.deepEqual(
    changes.map(({ action }) => action),
    [
      { add: { index: 'cities', alias: 'other', search_routing: '1', is_write_index: false } },
      { add: { index: 'cities', alias: 'fresh', is_hidden: true, is_write_index: false } },
      { add: { index: 'cities', alias: 'writable', is_write_index: false } },
      { remove: { index: 'cities', alias: 'gone' } },
    ],
  );
});

function createdWith(parts: { settings?: Record<string, string>; mappings?: Json; aliases?: Record<string, object> }) {
  const { body } = followerIndexBody({
    leader: described({ defaults: { 'index.mode': 'standard' } }),
    leaderCluster: 'left',
    leaderClusterUuid: 'left-uuid',
    followerIndex: 'copy',
    journalId: 'journal',
    epoch: 1,
    overrides: {},
    guarded: true,
    followerKnowsAll: true,
  });
  const kept = Object.entries(body.settings).filter((entry): entry is [string, string] => entry[1] !== null);
  const settings = {
    ...Object.fromEntries(kept),
    'index.uuid': 'follower-uuid',
    'index.version.created': '9',
    ...parts.settings,
  };
  return compareAfterCreate(
    body,
    described({
      name: 'copy',
      settings,
      mappings: { ...body.mappings, ...parts.mappings },
      aliases: parts.aliases ?? {},
    }),
  );
}

test('an index created as asked shows no difference', () => {
  assert.deepEqual(createdWith({}), { differences: [], settings: {} });
});

for (const [name, parts, difference, put] of [
  [
    'a limit',
    { settings: { 'index.mapping.total_fields.limit': '5' } },
    'undo index.mapping.total_fields.limit added',
    { 'index.mapping.total_fields.limit': null },
  ],
  [
    'a write block',
    { settings: { 'index.blocks.write': 'true' } },
    'undo index.blocks.write added',
    { 'index.blocks.write': null },
  ],
  [
    'another final pipeline',
    { settings: { 'index.final_pipeline': 'spy' } },
    'undo index.final_pipeline changed',
    { 'index.final_pipeline': '_none' },
  ],
  ['a life cycle', { settings: { 'index.lifecycle.name': 'hot' } }, 'report index.lifecycle.name added', {}],
  [
    'an analyser',
    { settings: { 'index.analysis.analyzer.a.type': 'standard' } },
    'report index.analysis.analyzer.a.type added',
    {},
  ],
  [
    'a stored source',
    { settings: { 'index.mapping.source.mode': 'STORED' } },
    'report index.mapping.source.mode added',
    {},
  ],
  [
    'a synthetic source',
    { settings: { 'index.mapping.source.mode': 'synthetic' } },
    'refuse index.mapping.source.mode added',
    {},
  ],
  [
    'no sequence numbers',
    { settings: { 'index.disable_sequence_numbers': 'true' } },
    'refuse index.disable_sequence_numbers added',
    {},
  ],
  [
    'another number of shards',
    { settings: { 'index.number_of_shards': '3' } },
    'refuse index.number_of_shards changed',
    {},
  ],
  ['a filtered source', { mappings: { _source: { excludes: ['a'] } } }, 'refuse _source added', {}],
  ['no source', { mappings: { _source: { enabled: false } } }, 'refuse _source added', {}],
  ['a required routing', { mappings: { _routing: { required: true } } }, 'refuse _routing added', {}],
  ['the word that source is stored', { mappings: { _source: { enabled: true } } }, 'report _source added', {}],
  ['a strict mapping', { mappings: { dynamic: 'strict' } }, 'undo dynamic added', {}],
  ['a runtime field', { mappings: { runtime: { r: keyword } } }, 'undo runtime.r added', {}],
  ['a field', { mappings: { properties: { f: keyword } } }, 'report properties.f added', {}],
  ['an alias', { aliases: { tpl: {} } }, 'report tpl added', {}],
] as const) {
  test(`${name} from a template is judged: ${difference.split(' ')[0] ?? ''}`, () => {
    const { differences, settings } = createdWith(parts);
    assert.deepEqual(
      differences.map((found) => `${found.verdict} ${found.name} ${found.how}`),
      [difference],
    );
    assert.deepEqual(settings, put);
  });
}
