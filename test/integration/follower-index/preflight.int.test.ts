/** What real clusters answer to the questions asked before a follow. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { preflight } from '../../../src/replication/index/preflight.ts';
import { failureOf, openBench, signal } from './two-clusters.ts';

for (const [name, code, body, then] of [
  ['a leader that is closed', 'leader_closed', {}, '_close'],
  ['_source disabled', 'source_unusable', { mappings: { _source: { enabled: false } } }, undefined],
  ['_source filtered', 'source_unusable', { mappings: { _source: { excludes: ['secret.*'] } } }, undefined],
  ['sequence numbers disabled', 'seq_no_unusable', { settings: { 'index.disable_sequence_numbers': true } }, undefined],
] as const) {
  test(`${name} is refused, and no follower appears`, async () => {
    await using bench = openBench();
    const index = bench.name();
    await bench.createLeader(index, body);
    if (then !== undefined) assert.equal((await bench.leader.raw('POST', `/${index}/${then}`)).status, 200);
    const failure = await failureOf(bench.follow(index));
    assert.deepEqual([failure.code, failure.cluster], [code, 'left']);
    assert.equal(await bench.follower.admin.describe(index, signal), undefined);
  });
}

test('a leader that is missing or an alias is refused', async () => {
  await using bench = openBench();
  const [index, alias] = [bench.name(), bench.name()];
  assert.equal((await failureOf(preflight(bench.request(index), signal))).code, 'leader_missing');
  await bench.createLeader(index, { aliases: { [alias]: {} } });
  assert.equal((await failureOf(preflight(bench.request(alias), signal))).code, 'leader_not_an_index');
});

test('a follower name that is taken by an index, empty or not, or by an alias is refused, and what stands there is left alone', async () => {
  await using bench = openBench();
  const [index, alias] = [bench.name(), bench.name()];
  await Promise.all([bench.createLeader(index), bench.createLeader(alias)]);
  await bench.follower.raw('PUT', `/${index}`, { aliases: { [`${alias}`]: {} } });
  const empty = await failureOf(preflight(bench.request(index), signal));
  assert.deepEqual([empty.code, empty.cluster], ['follower_exists', 'right']);
  await bench.follower.raw('POST', `/${index}/_doc/1?refresh=true`, { a: 1 });
  assert.equal((await failureOf(preflight(bench.request(index), signal))).code, 'follower_exists');
  assert.match((await failureOf(preflight(bench.request(alias), signal))).reason, /is an alias there/);
  assert.equal((await bench.follower.raw('GET', `/${index}/_count`)).body['count'], 1);
});

test('an index is not followed into itself, under whatever name of its cluster', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index);
  const request = bench.request(index);
  assert.equal(
    (await failureOf(preflight({ ...request, followerAdmin: request.leaderAdmin }, signal))).code,
    'follows_itself',
  );
});

test('a synthetic _source and a leader with required routing can be followed', async () => {
  await using bench = openBench();
  const index = bench.name();
  await bench.createLeader(index, {
    settings: { 'index.mapping.source.mode': 'synthetic', number_of_shards: 2 },
    mappings: { _routing: { required: true }, properties: { k: { type: 'keyword' } } },
  });
  const { prepared } = await bench.follow(index);
  assert.deepEqual([prepared.differences, prepared.aligned], [[], true]);
});
