import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexNameFault } from '../../../src/domain/index-name.ts';
import { unfitness } from '../../../src/domain/index-spec/leader-fitness.ts';
import { isAligned, SAMPLE_SIZE, sampleRoutingValues } from '../../../src/domain/index-spec/shard-alignment.ts';
import { described } from './described.ts';

for (const [name, parts, code] of [
  ['an ordinary index', {}, undefined],
  ['a closed one', { state: 'close' }, 'leader_closed'],
  ['_source disabled', { mappings: { _source: { enabled: false } } }, 'source_unusable'],
  ['_source disabled as text', { mappings: { _source: { enabled: 'false' } } }, 'source_unusable'],
  ['_source with includes', { mappings: { _source: { includes: ['a*'] } } }, 'source_unusable'],
  ['_source with excludes', { mappings: { _source: { excludes: ['a'] } } }, 'source_unusable'],
  ['_source with one exclude as text', { mappings: { _source: { excludes: 'a' } } }, 'source_unusable'],
  ['_source with empty filters', { mappings: { _source: { excludes: [], includes: [] } } }, undefined],
  ['_source mode disabled', { mappings: { _source: { mode: 'disabled' } } }, 'source_unusable'],
  ['a source mode setting of disabled', { settings: { 'index.mapping.source.mode': 'DISABLED' } }, 'source_unusable'],
  ['synthetic _source', { mappings: { _source: { mode: 'synthetic' } } }, undefined],
  [
    'logsdb',
    { settings: { 'index.mode': 'logsdb' }, defaults: { 'index.mapping.source.mode': 'SYNTHETIC' } },
    undefined,
  ],
  ['sequence numbers disabled', { settings: { 'index.disable_sequence_numbers': 'true' } }, 'seq_no_unusable'],
  [
    'sequence numbers disabled by default',
    { defaults: { 'index.disable_sequence_numbers': 'true' } },
    'seq_no_unusable',
  ],
  [
    'sequence numbers on, though off by default',
    { settings: { 'index.disable_sequence_numbers': 'false' }, defaults: { 'index.disable_sequence_numbers': 'true' } },
    undefined,
  ],
] as const) {
  test(`${name} ${code === undefined ? 'can be followed' : `is refused as ${code}`}`, () => {
    assert.equal(unfitness(described(parts))?.code, code);
  });
}

for (const name of ['cities', 'a.b-c_d', '.kibana_1', 'ünï-日本', 'a%b=c&d', 'a+b', '1', 'x'.repeat(255)]) {
  test(`${name.slice(0, 20)} (${name.length}) is an index name`, () => assert.equal(indexNameFault(name), undefined));
}

for (const name of [
  '',
  '.',
  '..',
  'Cities',
  'a*',
  'a,b',
  'a b',
  'a/b',
  'a\\b',
  'a?b',
  'a"b',
  '<a>',
  'a|b',
  'a#b',
  'left:a',
  '-a',
  '_all',
  '+a',
  'x'.repeat(256),
  'ü'.repeat(128),
  'Ä',
]) {
  test(`${JSON.stringify(name.slice(0, 20))} (${name.length}) is no index name`, () =>
    assert.notEqual(indexNameFault(name), undefined));
}

test('samples are distinct and always the same', () => {
  const values = sampleRoutingValues(SAMPLE_SIZE);
  assert.equal(new Set(values).size, 48);
  assert.deepEqual(values, sampleRoutingValues(SAMPLE_SIZE));
});

for (const [name, leader, follower, aligned] of [
  ['every value leads to the same shard', [2, [0, 1, 1]], [2, [0, 1, 1]], true],
  ['one value leads elsewhere', [2, [0, 1, 1]], [2, [0, 1, 0]], false],
  ['the numbers of shards differ', [2, [0, 0, 0]], [3, [0, 0, 0]], false],
  ['both have one shard', [1, []], [1, []], true],
  ['nothing was asked', [2, []], [2, []], false],
  ['one side answered less', [2, [0, 1]], [2, [0]], false],
] as const) {
  test(`shards are ${aligned ? '' : 'not '}aligned when ${name}`, () => {
    assert.equal(
      isAligned({ shards: leader[0], places: leader[1] }, { shards: follower[0], places: follower[1] }),
      aligned,
    );
  });
}
