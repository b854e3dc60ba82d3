import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createIndex } from '../../support/bulk-load.ts';
import { startHttpProxy } from '../../support/http-proxy.ts';
import { addressOf, openWorld, type Side, type World } from '../../support/replication-world.ts';
import { bySize } from '../../support/test-size.ts';
import { until } from '../../support/until.ts';

const IDLE_MS = bySize({ short: 12_000, full: 120_000 });
/** The position of the last change is saved 2 s after it was applied, and settings that changed are looked at every 5 s. */
const QUIET_MS = 7_000;

interface Work {
  readonly indexed: unknown;
  readonly searches: unknown;
  readonly refreshes: unknown;
  readonly gets: unknown;
}

async function work(side: Side, index: string): Promise<Work> {
  const { _all: all } = (await side.ok('GET', `/${index}/_stats/indexing,search,refresh,get`)) as {
    _all: { total: Record<string, Record<string, unknown>> };
  };
  const { indexing, search, refresh, get } = all.total;
  return {
    indexed: [indexing?.['index_total'], indexing?.['delete_total']],
    searches: [search?.['query_total'], search?.['fetch_total'], search?.['open_contexts']],
    refreshes: refresh?.['external_total'],
    gets: get?.['total'],
  };
}

/** The versions of the positions of both shards: each save raises one. */
async function positionVersions(world: World, index: string): Promise<unknown> {
  const query = { version: true, query: { prefix: { pair: `right/${index}/` } }, sort: ['pair'], _source: ['pair'] };
  await world.follower.ok('POST', '/.replication_checkpoint/_refresh');
  const { hits } = (await world.follower.ok('POST', '/.replication_checkpoint/_search', query)) as {
    hits: { hits: readonly { _version: number }[] };
  };
  return hits.hits.map(({ _version: version }) => version);
}

test('an idle pair writes nothing to either cluster and searches neither', async (t: TestContext) => {
  await using toLeader = await startHttpProxy(addressOf('SLIPSTREAM_LEADER_URL'));
  await using toFollower = await startHttpProxy(addressOf('SLIPSTREAM_FOLLOWER_URL'));
  await using world = await openWorld({
    leader: { url: addressOf('SLIPSTREAM_LEADER_URL'), seenAt: toLeader.url },
    follower: { url: addressOf('SLIPSTREAM_FOLLOWER_URL'), seenAt: toFollower.url },
  });
  const index = world.name('-idle');
  await createIndex(world.leader, index);
  for (let at = 0; at < 20; at += 1) await world.leader.ok('PUT', `/${index}/_doc/${at}`, { at });
  await world.start();
  await world.follow(index);
  await world.awaitSettled(index);
  await world.leader.ok('DELETE', `/${index}/_doc/3`);
  await world.awaitSettled(index);
  const allowed = [`GET /_cluster/state/version`, `GET /${index}/_stats/docs`, `GET /_cluster/state/metadata/${index}`];
  const asked = (): readonly string[] =>
    [...toLeader.requests, ...toFollower.requests].map(({ method, path }) => `${method} ${path.split('?')[0]}`);
  const others = (): readonly string[] => [...new Set(asked())].filter((request) => !allowed.includes(request));
  // On a busy machine the last change is followed up late.
  const quiet = async (): Promise<true | undefined> => {
    toLeader.clear();
    toFollower.clear();
    await delay(QUIET_MS);
    return others().length === 0 ? true : undefined;
  };
  await until('nothing is left to be done', 60_000, quiet, () => others().join(', '));

  const sides = [world.leader, world.follower];
  const before = await Promise.all(sides.map((side) => work(side, index)));
  const positions = await positionVersions(world, index);
  toLeader.clear();
  toFollower.clear();
  await delay(IDLE_MS);
  const requests = asked();
  assert.deepEqual(others(), []);
  assert.deepEqual(await Promise.all(sides.map((side) => work(side, index))), before);
  assert.deepEqual(await positionVersions(world, index), positions);
  assert.ok(requests.length > 0, 'it goes on looking');
  t.diagnostic(`${requests.length} requests in ${IDLE_MS} ms: ${[...new Set(requests)].join(', ')}`);

  await world.leader.ok('PUT', `/${index}/_doc/new`, { at: 1000 });
  await world.awaitSettled(index);
  assert.ok((await world.compare(index)).equal, 'and wakes up');
});
