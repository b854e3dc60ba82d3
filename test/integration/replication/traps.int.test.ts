/** The traps of copying from outside: what a network between two clusters can do to a copy that looks healthy. */
import assert from 'node:assert/strict';
import { gunzipSync } from 'node:zlib';
import { test, type TestContext } from 'node:test';
import { createIndex } from '../../support/bulk-load.ts';
import { createChurnIndex, differencesFromExpected, startChurn } from '../../support/churn/churn.ts';
import { type HttpProxy, type ProxiedRequest, startHttpProxy, type Treatment } from '../../support/http-proxy.ts';
import { addressOf, openWorld, type World } from '../../support/replication-world.ts';
import { bySize } from '../../support/test-size.ts';
import { until } from '../../support/until.ts';

const REQUEST_TIMEOUT_MS = 3000;
const PASS: Treatment = { kind: 'pass' };

/** A world whose supervisor reaches the follower (or the leader) through a proxy. */
async function worldThrough(side: 'leader' | 'follower', proxy: HttpProxy): Promise<World> {
  const url = addressOf(side === 'leader' ? 'SLIPSTREAM_LEADER_URL' : 'SLIPSTREAM_FOLLOWER_URL');
  return openWorld({ [side]: { url, seenAt: proxy.url }, requestTimeoutMs: REQUEST_TIMEOUT_MS });
}

function bodyOf({ body, headers }: ProxiedRequest): Buffer {
  return headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
}

function isBulkOn(index: string, { method, path }: ProxiedRequest): boolean {
  return method === 'POST' && path.startsWith(`/${index}/_bulk`);
}

test('a late copy of an old bulk does not bring a deleted document back', async () => {
  await using proxy = await startHttpProxy(addressOf('SLIPSTREAM_FOLLOWER_URL'));
  await using world = await worldThrough('follower', proxy);
  const index = world.name('-late');
  await createIndex(world.leader, index);
  await world.start();
  await world.follow(index);
  await world.awaitSettled(index);
  for (const id of ['kept', 'gone']) await world.leader.ok('PUT', `/${index}/_doc/${id}?routing=r`, { id });
  await world.awaitSettled(index);
  const late = proxy.requests.filter((request) => isBulkOn(index, request) && bodyOf(request).includes('"gone"'));
  assert.equal(late.length, 1, 'the document travelled in one bulk');
  const [old] = late;
  assert.ok(old !== undefined);

  await world.leader.ok('DELETE', `/${index}/_doc/gone?routing=r`);
  const before = await world.awaitSettled(index);
  assert.equal((await world.follower.call('GET', `/${index}/_doc/gone?routing=r`)).status, 404);

  const replayed = await world.follower.ok('POST', old.path, new Uint8Array(bodyOf(old)));
  const items = (replayed['items'] as readonly { index: { status: number } }[]).map(({ index: { status } }) => status);
  assert.ok(items.includes(409), `the deleted document is refused: ${items.join(', ')}`);
  assert.equal((await world.follower.call('GET', `/${index}/_doc/gone?routing=r`)).status, 404);

  // The rest of the late bulk rewrote what was there: the ledger sees it, and the pair goes on.
  await world.leader.ok('PUT', `/${index}/_doc/next?routing=r`, { id: 'next' });
  const after = await world.awaitSettled(index);
  for (const [at, { state, conflicts, transitions }] of after.entries())
    assert.deepEqual(
      { state, conflicts, transitions },
      { state: 'following', conflicts: 0, transitions: before[at]?.transitions },
    );
  const comparison = await world.compare(index);
  assert.ok(comparison.equal, JSON.stringify(comparison));
  assert.equal(comparison.rightDocuments, 2);
});

test('answers to bulks that are cut or never come, while the server runs them to their end', async (t: TestContext) => {
  await using proxy = await startHttpProxy(addressOf('SLIPSTREAM_FOLLOWER_URL'));
  await using world = await worldThrough('follower', proxy);
  const index = world.name('-cut');
  const address = { url: world.leader.url, index };
  await createChurnIndex(address, { shards: 2, gcDeletes: '1s' });
  await world.start();
  await world.follow(index);
  const spoiled = { cut: 0, left: 0 };
  let bulks = 0;
  proxy.treat = (request) => {
    if (!isBulkOn(index, request)) return PASS;
    bulks += 1;
    if (bulks % 3 === 2) {
      spoiled.cut += 1;
      return { kind: 'cut', afterBytes: 40 };
    }
    if (bulks % 3 === 0) {
      spoiled.left += 1;
      return { kind: 'leave' };
    }
    return PASS;
  };
  const churn = await startChurn({
    ...address,
    seed: 21,
    // A shard whose answer never comes stands still for the request's timeout: so long that it can happen to both of them several times.
    operations: bySize({ short: 10_000, full: 40_000 }),
    operationsPerSecond: 1000,
  });
  const unknown = until('the count is unknown', 60_000, async () =>
    (await world.status(index))?.pairs.some((pair) => pair.leaderDocuments !== null && pair.followerDocuments === null),
  );
  await unknown;
  await churn.done;
  proxy.treat = () => PASS;
  const pairs = await world.awaitSettled(index);
  t.diagnostic(`${bulks} bulks, ${spoiled.cut} answers cut, ${spoiled.left} never came`);
  assert.ok(spoiled.cut > 1 && spoiled.left > 1);
  assert.deepEqual(await differencesFromExpected(address, churn.expected), []);
  const comparison = await world.compare(index);
  assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
  for (const { conflicts, scanSurprises, foreignWrites } of pairs)
    assert.deepEqual({ conflicts, scanSurprises, foreignWrites }, { conflicts: 0, scanSurprises: 0, foreignWrites: 0 });
  assert.equal(
    pairs.reduce((total, pair) => total + (pair.followerDocuments ?? 0), 0),
    comparison.rightDocuments,
  );
});

test('answers with status 200 that are timed out or partial are not used', async (t: TestContext) => {
  await using proxy = await startHttpProxy(addressOf('SLIPSTREAM_LEADER_URL'));
  await using world = await worldThrough('leader', proxy);
  const index = world.name('-partial');
  await createIndex(world.leader, index);
  await world.start();
  await world.follow(index);
  await world.awaitSettled(index);
  const lies = [
    (text: string) => text.replace('"timed_out":false', '"timed_out":true'),
    (text: string) => text.replace('"failed":0', '"failed":1'),
    (text: string) => text.replace('"skipped":0', '"skipped":1'),
    (text: string) => text.replace('"relation":"eq"', '"relation":"gte"'),
    // What such an answer looks like when it counts: nothing is there any more.
    (text: string) =>
      text
        .replace('"timed_out":false', '"timed_out":true')
        .replace(/"hits":\[.*\]/s, '"hits":[]')
        .replace(/"value":\d+/, '"value":0'),
  ];
  let told = 0;
  let lying = false;
  proxy.treat = ({ method, path }) => {
    if (!lying || method !== 'POST' || !path.includes('_search')) return PASS;
    const lie = lies[told % lies.length];
    told += 1;
    return lie === undefined
      ? PASS
      : {
          kind: 'rewrite',
          body: (text) => {
            const changed = lie(text);
            assert.notEqual(changed, text, 'the answer is not what it was');
            return changed;
          },
        };
  };
  const lines = (from: number): string =>
    Array.from({ length: 50 }, (_, at) => `{"index":{"_id":"d${from + at}"}}\n{"n":${from + at}}\n`).join('');
  await world.leader.ok('POST', `/${index}/_bulk`, lines(0));
  await world.awaitSettled(index);
  const before = await world.follower.ok(
    'GET',
    `/${index}/_stats/indexing?filter_path=_all.primaries.indexing.index_total`,
  );
  lying = true;
  await world.leader.ok('POST', `/${index}/_bulk`, lines(50));
  await world.leader.ok('DELETE', `/${index}/_doc/d1`);
  const failing = await world.awaitPairs(
    index,
    'the pairs say why they wait',
    30_000,
    ({ state, failure }) => state === 'retrying' && failure?.code === 'partial_answer',
  );
  await until('every lie was told twice', 60_000, async () => (told >= 2 * lies.length ? true : undefined));
  const meanwhile = await world.follower.ok(
    'GET',
    `/${index}/_stats/indexing?filter_path=_all.primaries.indexing.index_total`,
  );
  assert.deepEqual(meanwhile, before, 'nothing was written from such answers');
  lying = false;
  const pairs = await world.awaitSettled(index);
  t.diagnostic(`${told} answers, ${failing.map((pair) => pair.failure?.reason).join('; ')}`);
  const comparison = await world.compare(index);
  assert.ok(comparison.equal, JSON.stringify(comparison));
  assert.equal(comparison.rightDocuments, 99);
  assert.equal(
    pairs.reduce((total, pair) => total + pair.deletesFound, 0),
    1,
  );
});
