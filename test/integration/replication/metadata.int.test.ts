import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIndex } from '../../support/bulk-load.ts';
import { openWorld, type Side } from '../../support/replication-world.ts';
import { until } from '../../support/until.ts';

interface Described {
  readonly aliases: Readonly<Record<string, unknown>>;
  readonly mappings: { readonly properties?: Readonly<Record<string, unknown>> };
  readonly settings: Readonly<Record<string, string>>;
}

async function described(side: Side, index: string): Promise<Described> {
  const answer = await side.ok('GET', `/${index}?flat_settings=true`);
  return answer[index] as Described;
}

test('a field gets the type it has on the leader, not the one that its first document suggests', async () => {
  await using world = await openWorld();
  const index = world.name('-fields');
  await createIndex(world.leader, index, { mappings: { properties: { plain: { type: 'keyword' } } } });
  await world.start();
  await world.follow(index);
  await world.leader.ok('PUT', `/${index}/_doc/1`, { plain: 'a' });
  await world.awaitSettled(index);
  for (let at = 0; at < 10; at += 1) {
    // As text, all of these would be mapped otherwise: text with a keyword below, and long.
    const properties = {
      [`ip_${at}`]: { type: 'ip' },
      [`half_${at}`]: { type: 'half_float' },
      [`flat_${at}`]: { type: 'flattened' },
    };
    await world.leader.ok('PUT', `/${index}/_mapping`, { properties });
    await world.leader.ok('PUT', `/${index}/_doc/m${at}`, {
      [`ip_${at}`]: '10.0.0.1',
      [`half_${at}`]: 3,
      [`flat_${at}`]: { a: { b: 1 } },
      [`dynamic_${at}`]: 'found by the leader',
    });
  }
  await world.awaitSettled(index);
  const [leader, follower] = [await described(world.leader, index), await described(world.follower, index)];
  assert.deepEqual(follower.mappings.properties, leader.mappings.properties);
  assert.equal(Object.keys(leader.mappings.properties ?? {}).length, 41);
  assert.ok((await world.compare(index)).equal);
});

test('dynamic settings and aliases follow while nothing is written', async () => {
  await using world = await openWorld();
  const index = world.name('-idle-metadata');
  const alias = `${index}-alias`;
  await createIndex(world.leader, index);
  await world.leader.ok('PUT', `/${index}/_doc/1`, { a: 1 });
  await world.start();
  await world.follow(index);
  await world.awaitSettled(index);
  await world.leader.ok('PUT', `/${index}/_settings`, { 'index.mapping.total_fields.limit': 1234 });
  await world.leader.ok('PUT', `/${index}/_alias/${alias}`, { filter: { term: { a: 1 } } });
  await until('settings and aliases are in step', 15_000, async () => {
    const { settings, aliases } = await described(world.follower, index);
    return settings['index.mapping.total_fields.limit'] === '1234' && alias in aliases ? true : undefined;
  });
  await world.leader.ok('DELETE', `/${index}/_alias/${alias}`);
  await until('the alias is gone', 15_000, async () =>
    alias in (await described(world.follower, index)).aliases ? undefined : true,
  );
});
