/** Index templates of the follower's cluster must not spoil a copy: what can be undone is, what cannot is refused, the rest is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bench, failureOf, look, openBench } from './two-clusters.ts';

async function template(
  bench: Bench,
  index: string,
  body: { settings?: object; mappings?: object; aliases?: object },
): Promise<void> {
  const path = `/_index_template/${index}`;
  bench.afterwards(() => bench.follower.raw('DELETE', path));
  const { status, body: answer } = await bench.follower.raw('PUT', path, {
    index_patterns: [index],
    priority: 500,
    template: body,
  });
  assert.equal(status, 200, JSON.stringify(answer));
}

test('settings and mapping parts that a template adds are undone where they can be, and all are told', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, { mappings: { _meta: { a: 1 }, properties: { city: { type: 'keyword' } } } });
  await template(bench, index, {
    settings: {
      'index.disable_sequence_numbers': true,
      'index.final_pipeline': 'spy',
      'index.default_pipeline': 'spy',
      'index.blocks.write': true,
      'index.auto_expand_replicas': '0-1',
      'index.mapping.total_fields.limit': 5,
      'index.priority': 7,
      'index.gc_deletes': '1s',
      'index.analysis.analyzer.own.type': 'standard',
    },
    mappings: {
      _meta: { template: true },
      dynamic: 'strict',
      date_detection: false,
      dynamic_templates: [{ s: { match_mapping_type: 'string', mapping: { type: 'keyword' } } }],
      runtime: { extra: { type: 'long' } },
      properties: { added: { type: 'long' } },
    },
    aliases: { [`${index}-tpl`]: {} },
  });
  const { prepared } = await bench.follow(index);
  const follower = await look(bench.follower.raw, index);
  assert.deepEqual(
    prepared.differences.map(({ what, name, how, verdict }) => `${verdict} ${what} ${name} ${how}`).toSorted(),
    [
      'report alias ' + index + '-tpl added',
      'report mapping properties.added added',
      'report setting index.analysis.analyzer.own.type added',
      'report setting index.priority added',
      'undo mapping _meta changed',
      'undo mapping date_detection added',
      'undo mapping dynamic added',
      'undo mapping dynamic_templates added',
      'undo mapping runtime.extra added',
      'undo setting index.mapping.total_fields.limit added',
    ].toSorted(),
  );
  const unset = ['disable_sequence_numbers', 'blocks.write', 'auto_expand_replicas', 'mapping.total_fields.limit'];
  for (const key of unset) assert.equal(follower.settings[`index.${key}`] ?? null, null, key);
  assert.deepEqual(
    [
      follower.settings['index.final_pipeline'],
      follower.settings['index.default_pipeline'],
      follower.settings['index.gc_deletes'],
    ],
    ['_none', 'slipstream-guard', '15m'],
  );
  const { _meta: meta, properties, ...rest } = follower.mappings;
  assert.deepEqual(Object.keys(meta as object).toSorted(), ['a', 'slipstream']);
  assert.deepEqual(Object.keys(properties as object), ['added', 'city']);
  assert.deepEqual(
    { dynamic: 'true', date_detection: true, dynamic_templates: [], ...rest },
    { dynamic: 'true', date_detection: true, dynamic_templates: [] },
  );
});

for (const [what, body] of [
  ['_source', { mappings: { _source: { excludes: ['secret'] } } }],
  ['_routing', { mappings: { _routing: { required: true } } }],
  ['index.mapping.coerce', { settings: { 'index.mapping.coerce': false } }],
] as const) {
  test(`a template that adds ${what} is refused, every time, until it is corrected`, async () => {
    await using bench = openBench();
    const index = bench.name();
    await bench.createLeader(index);
    await template(bench, index, body);
    const failure = await failureOf(bench.follow(index));
    assert.equal(failure.code, 'settings_rejected');
    assert.match(failure.reason, new RegExp(`${what} \\(added\\)`));
    assert.match(failure.hint, /template/);
    assert.equal((await failureOf(bench.follow(index))).code, 'settings_rejected');
    await bench.follower.raw('DELETE', `/_index_template/${index}`);
    await bench.follower.raw('DELETE', `/${index}`);
    assert.deepEqual((await bench.follow(index)).prepared.differences, []);
  });
}

test('a template whose field contradicts the leader is overruled by the leader', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, { mappings: { properties: { city: { type: 'keyword' } } } });
  await template(bench, index, { mappings: { properties: { city: { type: 'long' } } } });
  await bench.follow(index);
  assert.deepEqual((await look(bench.follower.raw, index)).mappings['properties'], { city: { type: 'keyword' } });
});
