import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeText } from '../../../src/domain/wire/bulk-answer.ts';
import type { SearchPage, WireHit } from '../../../src/domain/wire/search-page.ts';
import type { LeaderCluster } from '../../../src/ports/leader-cluster.ts';
import { AWKWARD_ID, AWKWARD_NAMES, createIndex, never, openReal, rejectsWith, urlOf } from './real-cluster.ts';

const url = urlOf('SLIPSTREAM_LEADER_URL');

const idOf = (page: SearchPage, hit: WireHit): string => decodeText(page.body, hit.idStart, hit.idEnd);
const sourceOf = (page: SearchPage, hit: WireHit): string =>
  Buffer.from(page.body.subarray(hit.sourceStart, hit.sourceEnd)).toString();

async function nodeOf(leader: LeaderCluster, index: string, shard = 0): Promise<string> {
  const stats = (await leader.shardStats([index], never)).get(index)?.get(shard);
  assert.ok(stats, `shard ${shard} of ${index} is there`);
  return stats.nodeId;
}

function documents(count: number): readonly object[] {
  return Array.from({ length: count }, (_, n) => [
    { index: { _id: `d${n}`, ...(n % 3 === 0 ? { routing: `r${n}` } : {}) } },
    { n },
  ]).flat();
}

describe('reading pages of a leader shard', () => {
  it('gives changes in order with raw sources, routings, and the exact total of the shard', async () => {
    await using index = await createIndex(url, 'pages', { settings: { number_of_shards: 2 } });
    await using c = openReal(url);
    await index.bulk(documents(200));
    let seen = 0;
    for (const shard of [0, 1]) {
      const nodeId = await nodeOf(c.leader, index.name, shard);
      const maxSeqNo = (await c.leader.shardStats([index.name], never)).get(index.name)?.get(shard)?.maxSeqNo ?? -1;
      let after = -1;
      for (let more = true; more;) {
        const page = await c.leader.readPage(
          { index: index.name, shard, nodeId, after, size: 30, countTotal: true },
          never,
        );
        assert.equal(page.total, maxSeqNo + 1);
        for (const hit of page.hits) {
          assert.equal(hit.seqNo, after + 1);
          after = hit.seqNo;
          const n = Number(idOf(page, hit).slice(1));
          assert.equal(sourceOf(page, hit), `{"n":${n}}`);
          assert.equal(hit.routingStart >= 0, n % 3 === 0);
          seen += 1;
        }
        more = page.hits.length === 30;
      }
      assert.equal(after, maxSeqNo);
    }
    assert.equal(seen, 200);
  });

  it('gives the hits up to a bound, and counts them alone', async () => {
    await using index = await createIndex(url, 'bound');
    await using c = openReal(url);
    await index.bulk(documents(50));
    const nodeId = await nodeOf(c.leader, index.name);
    const request = { index: index.name, shard: 0, nodeId, after: 9, size: 100, countTotal: true };
    const page = await c.leader.readPage({ ...request, upTo: 19 }, never);
    assert.deepEqual([page.total, page.hits.map((hit) => hit.seqNo)], [10, [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]]);
    const window = await c.leader.readPage({ ...request, upTo: 19, size: 10, unsorted: true }, never);
    assert.deepEqual(
      window.hits.map((hit) => hit.seqNo).toSorted((a, b) => a - b),
      page.hits.map((hit) => hit.seqNo),
    );
    const count = await c.leader.readPage({ ...request, size: 0 }, never);
    assert.deepEqual([count.total, count.hits.length], [50, 0]);
    const uncounted = await c.leader.readPage({ ...request, countTotal: false }, never);
    assert.deepEqual([uncounted.total, uncounted.hits.length], [undefined, 40]);
  });

  it('keeps numbers, escapes and awkward ids as they were sent', async () => {
    await using index = await createIndex(url, 'bytes', { mappings: { dynamic: false } });
    await using c = openReal(url);
    const source = '{"big":9223372036854775807,"one":1.0,"e":1e400,"\\u00e9":"\\ud83d\\ude00"}';
    const action = JSON.stringify({ index: { _id: AWKWARD_ID, routing: 'ü"\\' } });
    await index.call('POST', '/_bulk?refresh=true', `${action}\n${source}\n`);
    const nodeId = await nodeOf(c.leader, index.name);
    const request = { index: index.name, shard: 0, nodeId, after: -1, size: 10, countTotal: true };
    const page = await c.leader.readPage(request, never);
    const [hit] = page.hits;
    assert.ok(hit);
    assert.equal(sourceOf(page, hit), source);
    assert.equal(idOf(page, hit), AWKWARD_ID);
    assert.equal(decodeText(page.body, hit.routingStart, hit.routingEnd), 'ü"\\');
  });

  it('has the vectors that a plain search leaves out', async () => {
    const properties = { v: { type: 'dense_vector', dims: 2, similarity: 'l2_norm' } };
    await using index = await createIndex(url, 'vectors', { mappings: { properties } });
    await using c = openReal(url);
    await index.bulk([{ index: { _id: 'a' } }, { v: [0.5, 0.25], n: 1 }]);
    const nodeId = await nodeOf(c.leader, index.name);
    const request = { index: index.name, shard: 0, nodeId, after: -1, size: 10, countTotal: true };
    const page = await c.leader.readPage(request, never);
    const [hit] = page.hits;
    assert.ok(hit);
    assert.deepEqual(JSON.parse(sourceOf(page, hit)), { v: [0.5, 0.25], n: 1 });
    const plain = JSON.stringify(await index.call('POST', '/_search', {}));
    assert.ok(plain.includes('"n":1') && !plain.includes('0.25'), plain);
  });

  it('reads the same bytes compressed', async () => {
    await using index = await createIndex(url, 'gzip');
    await using plain = openReal(url);
    await using zipped = openReal(url, true);
    await index.bulk(documents(500));
    const request = {
      index: index.name,
      shard: 0,
      nodeId: await nodeOf(plain.leader, index.name),
      after: -1,
      size: 500,
      countTotal: true,
    };
    const hits = async ({ leader }: { leader: LeaderCluster }): Promise<Buffer> => {
      const { body } = await leader.readPage(request, never);
      return Buffer.from(body.subarray(body.indexOf(0x5b)));
    };
    assert.ok((await hits(plain)).equals(await hits(zipped)));
  });

  it('tells unusable sources, missing, closed and moved shards apart', async () => {
    await using c = openReal(url);
    await using index = await createIndex(url, 'unusable', { mappings: { _source: { enabled: false } } });
    await index.bulk(documents(1));
    const nodeId = await nodeOf(c.leader, index.name);
    const request = { index: index.name, shard: 0, nodeId, after: -1, size: 10, countTotal: true };
    await rejectsWith(c.leader.readPage(request, never), 'source_unusable');
    await rejectsWith(c.leader.readPage({ ...request, nodeId: 'another' }, never), 'leader_moved_primary');
    await rejectsWith(c.leader.readPage({ ...request, shard: 7 }, never), 'partial_answer');
    await rejectsWith(c.leader.readPage({ ...request, index: `${index.name}-not` }, never), 'index_deleted');
    await index.call('POST', '/_close');
    await rejectsWith(c.leader.readPage(request, never), 'index_closed');
    await rejectsWith(c.leader.openView({ index: index.name, shard: 0, nodeId }, never), 'index_closed');
    await rejectsWith(c.leader.refresh(index.name, never), 'index_closed');
    await rejectsWith(c.leader.multiGet(index.name, [{ id: 'd0', routing: undefined }], never), 'index_closed');
  });

  it('tells sequence numbers that are switched off', async () => {
    await using c = openReal(url);
    const settings = { 'index.disable_sequence_numbers': true, 'index.seq_no.index_options': 'doc_values_only' };
    await using index = await createIndex(url, 'no-seq-no', { settings });
    await index.bulk(documents(1));
    const nodeId = await nodeOf(c.leader, index.name);
    const request = { index: index.name, shard: 0, nodeId, after: -1, size: 10, countTotal: true };
    await rejectsWith(c.leader.readPage(request, never), 'unexpected_answer');
  });

  it('ends at once when it is given up', async () => {
    await using c = openReal(url);
    const stop = new AbortController();
    const reason = new Error('paused');
    const reading = c.leader.readPage(
      { index: 'any', shard: 0, nodeId: 'n', after: -1, size: 1, countTotal: true },
      stop.signal,
    );
    stop.abort(reason);
    await assert.rejects(reading, reason);
  });
});

describe('a view of a leader shard', () => {
  it('stays as it was while the index changes, for pages, listings and histograms', async () => {
    await using index = await createIndex(url, 'view');
    await using c = openReal(url);
    await index.bulk(documents(100));
    const nodeId = await nodeOf(c.leader, index.name);
    const view = await c.leader.openView({ index: index.name, shard: 0, nodeId }, never);
    try {
      await index.bulk([
        { delete: { _id: 'd1' } },
        { index: { _id: 'd2' } },
        { n: -2 },
        { index: { _id: 'new' } },
        { n: 0 },
      ]);
      const request = { index: index.name, shard: 0, nodeId, size: 40, countTotal: true, view };
      const seqNos: number[] = [];
      for (let after = -1; ;) {
        const page = await c.leader.readPage({ ...request, after }, never);
        assert.equal(page.total, 100);
        seqNos.push(...page.hits.map((hit) => hit.seqNo));
        if (page.hits.length < 40) break;
        after = seqNos.at(-1) ?? after;
      }
      assert.deepEqual(
        seqNos,
        Array.from({ length: 100 }, (_, n) => n),
      );
      const bounded = await c.leader.readPage({ ...request, after: 49, upTo: 59 }, never);
      assert.deepEqual([bounded.total, bounded.hits.length], [10, 10]);
      const shape = { index: index.name, shard: 0, view };
      const histogram = await c.leader.histogram(
        { ...shape, field: '_seq_no', interval: 32, offset: 4, min: 10, max: 90 },
        never,
      );
      assert.deepEqual(
        [...histogram],
        [
          [4, 26],
          [36, 32],
          [68, 23],
        ],
      );
      const listing = await c.leader.listBySeqNo({ ...shape, from: 2, to: 4, size: 10 }, never);
      assert.deepEqual(listing, [
        { id: 'd2', routing: undefined, seqNo: 2, version: 1 },
        { id: 'd3', routing: 'r3', seqNo: 3, version: 1 },
        { id: 'd4', routing: undefined, seqNo: 4, version: 1 },
      ]);
      const now = await c.leader.listBySeqNo({ ...shape, from: 0, to: 200, size: 200, view: undefined }, never);
      assert.deepEqual(
        now.slice(-2).map(({ id }) => id),
        ['d2', 'new'],
      );
      const current = await c.leader.histogram(
        { ...shape, view: undefined, field: '_seq_no', interval: 50, offset: 0, min: 0, max: 2 ** 53 - 2 },
        never,
      );
      assert.deepEqual(
        [...current],
        [
          [0, 48],
          [50, 50],
          [100, 2],
        ],
      );
    } finally {
      await c.leader.closeView(view);
    }
  });

  it('that is closed or expired is told by name, and closing twice is harmless', async () => {
    await using index = await createIndex(url, 'closed-view');
    await using c = openReal(url);
    const nodeId = await nodeOf(c.leader, index.name);
    const view = await c.leader.openView({ index: index.name, shard: 0, nodeId }, never);
    await c.leader.closeView(view);
    await c.leader.closeView(view);
    const request = { index: index.name, shard: 0, nodeId, after: -1, size: 1, countTotal: true, view };
    await rejectsWith(c.leader.readPage(request, never), 'view_expired');
    await rejectsWith(
      c.leader.openView({ index: index.name, shard: 0, nodeId: 'another' }, never),
      'leader_moved_primary',
    );
  });
});

describe('looking up documents', () => {
  it('answers in the order of the keys, realtime and by routing', async () => {
    await using index = await createIndex(url, 'lookup', { settings: { number_of_shards: 2 } });
    await using c = openReal(url);
    await index.call('POST', `/_doc/${encodeURIComponent(AWKWARD_ID)}?routing=x%2Cy`, { n: 1 });
    const found = await c.leader.multiGet(
      index.name,
      [
        { id: 'absent', routing: undefined },
        { id: AWKWARD_ID, routing: 'x,y' },
      ],
      never,
    );
    assert.deepEqual(found, [
      { found: false, seqNo: undefined, version: undefined },
      { found: true, seqNo: 0, primaryTerm: 1, version: 1, routing: 'x,y' },
    ]);
    assert.deepEqual(await c.leader.multiGet(index.name, [], never), []);
    await rejectsWith(
      c.leader.multiGet(`${index.name}-not`, [{ id: 'a', routing: undefined }], never),
      'index_deleted',
    );
  });
});

describe('documents of several shards that have one id', () => {
  it('are found on the shards that are asked; without routing an id has one shard alone', async () => {
    await using index = await createIndex(url, 'twins', { settings: { number_of_shards: 3 } });
    await using c = openReal(url);
    const routings = ['a', 'b', 'c', 'd', 'e', 'f'];
    const shards = await c.admin.shardsOf(index.name, routings, never);
    for (const [at, routing] of routings.entries())
      await index.call('POST', `/_doc/x${shards[at]}?routing=${routing}`, { n: at });
    await index.call('POST', '/_doc/alone', { n: 9 });
    await c.leader.refresh(index.name, never);
    const all = ['x0', 'x1', 'x2', 'alone'];
    const find = async (asked: readonly number[], unrouted: readonly string[], routed: readonly string[]) =>
      (await c.leader.listIds({ index: index.name, shards: asked, unrouted, routed, size: 100 }, never))
        .map(({ id }) => id)
        .toSorted();
    const there = [...new Set(shards)].toSorted((a, b) => Number(a) - Number(b)).map((shard) => `x${shard}`);
    assert.deepEqual(await find([0, 1, 2], all, []), there);
    assert.deepEqual(await find([0, 1, 2], [], all), ['alone', ...there]);
    assert.deepEqual(
      await find([0], all, []),
      there.filter((id) => id === 'x0'),
    );
    assert.deepEqual(await find([0, 1], ['nothing'], ['nowhere']), []);
  });
});

describe('the state of a cluster', () => {
  it('is told for every index there is, whatever its name, and leaves out the others', async () => {
    await using c = openReal(url);
    await using stack = new AsyncDisposableStack();
    const names: string[] = [];
    for (const label of AWKWARD_NAMES) {
      const index = stack.use(await createIndex(url, label));
      await index.bulk([{ index: {} }, {}, { index: {} }, {}]);
      names.push(index.name);
    }
    const closed = stack.use(await createIndex(url, 'closed'));
    await closed.call('POST', '/_close');
    const asked = ['search-int-missing', ...names, closed.name];
    const stats = await c.leader.shardStats(asked, never);
    assert.deepEqual([...stats.keys()].toSorted(), names.toSorted());
    for (const shards of stats.values()) {
      const shard = shards.get(0);
      assert.deepEqual([shards.size, shard?.globalCheckpoint, shard?.maxSeqNo], [1, 1, 1]);
      assert.match(shard?.historyUuid ?? '', /^\S{20,}$/);
    }
    const versions = await c.leader.indexVersions(asked, never);
    assert.deepEqual([...versions.keys()].toSorted(), [...names, closed.name].toSorted());
    assert.equal(versions.get(closed.name)?.state, 'close');
    for (const name of names) {
      assert.equal(versions.get(name)?.state, 'open');
      assert.deepEqual(versions.get(name)?.primaryTerms, [1]);
      await c.leader.refresh(name, never);
    }
    assert.equal((await c.leader.shardStats([], never)).size, 0);
  });

  it('is told for more indices than one request line can name', async () => {
    await using c = openReal(url);
    await using first = await createIndex(url, 'many-first');
    await using last = await createIndex(url, 'many-last');
    const missing = Array.from({ length: 300 }, (_, n) => `search-int-${'missing-'.repeat(8)}${n}`);
    const asked = [first.name, ...missing, last.name];
    assert.deepEqual([...(await c.leader.shardStats(asked, never)).keys()], [first.name, last.name]);
    assert.deepEqual([...(await c.leader.indexVersions(asked, never)).keys()], [first.name, last.name]);
  });

  it('changes its version with every change of metadata', async () => {
    await using c = openReal(url);
    await using index = await createIndex(url, 'metadata');
    const before = await c.leader.stateVersion(never);
    const old = (await c.leader.indexVersions([index.name], never)).get(index.name);
    await index.call('PUT', '/_mapping', { properties: { added: { type: 'keyword' } } });
    assert.notEqual(await c.leader.stateVersion(never), before);
    const now = (await c.leader.indexVersions([index.name], never)).get(index.name);
    assert.deepEqual([now?.uuid, now?.settingsVersion], [old?.uuid, old?.settingsVersion]);
    assert.ok((now?.mappingVersion ?? 0) > (old?.mappingVersion ?? 0));
  });
});
