import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BulkBody } from '../../../src/domain/wire/bulk-body.ts';
import type { ListedDocument } from '../../../src/ports/search-cluster.ts';
import { AWKWARD_ID, AWKWARD_NAMES, createIndex, never, openReal, rejectsWith, urlOf } from './real-cluster.ts';

const url = urlOf('SLIPSTREAM_FOLLOWER_URL');
const leaderUrl = urlOf('SLIPSTREAM_LEADER_URL');
const EPOCH = 2 ** 44;

const write = (id: string, version: number, routing?: string): readonly object[] => [
  { index: { _id: id, version, version_type: 'external_gte', ...(routing === undefined ? {} : { routing }) } },
  {},
];
const bodyOf = (lines: readonly object[]): Uint8Array =>
  new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));

describe('bulk writes', () => {
  it('copy pages of a leader byte for byte and tell the outcome of every operation', async () => {
    for (const label of AWKWARD_NAMES) {
      await using source = await createIndex(leaderUrl, label);
      await using target = await createIndex(url, label);
      await using leader = openReal(leaderUrl);
      await using c = openReal(url, label.includes('+'));
      await source.bulk([
        { index: { _id: AWKWARD_ID, routing: 'x,y' } },
        { n: 1.0 },
        { index: { _id: 'b' } },
        { n: '' },
      ]);
      const nodeId = (await leader.leader.shardStats([source.name], never)).get(source.name)?.get(0)?.nodeId ?? '';
      const request = { index: source.name, shard: 0, nodeId, after: -1, size: 10, countTotal: true };
      const page = await leader.leader.readPage(request, never);
      const body = new BulkBody();
      for (const hit of page.hits) body.addIndex(page, hit, EPOCH + hit.seqNo);
      const bulk = { index: target.name, body: body.bytes(), operations: 2 };
      assert.deepEqual(
        (await c.follower.bulk(bulk, never)).map(({ result }) => result),
        ['created', 'created'],
      );
      assert.deepEqual(
        (await c.follower.bulk(bulk, never)).map(({ result }) => result),
        ['updated', 'updated'],
      );
      const keys = [
        { id: AWKWARD_ID, routing: 'x,y' },
        { id: 'b', routing: undefined },
      ];
      const found = await c.follower.multiGet(target.name, keys, never);
      assert.deepEqual(
        found.map(({ version }) => version),
        [EPOCH, EPOCH + 1],
      );
    }
  });

  it('go past the default pipeline and tell refusals by item', async () => {
    await using index = await createIndex(url, 'guarded', {
      settings: { default_pipeline: 'search-int-no-such-pipeline' },
      mappings: { properties: { n: { type: 'long' } } },
    });
    await using c = openReal(url);
    const lines = [
      ...write('a', 7),
      ...write('a', 6),
      { delete: { _id: 'x', version: 9, version_type: 'external_gte' } },
      { index: { _id: 'b' } },
      { n: 'word' },
    ];
    const items = await c.follower.bulk({ index: index.name, body: bodyOf(lines), operations: 4 }, never);
    assert.deepEqual(
      items.map(({ status }) => status),
      [201, 409, 404, 400],
    );
    assert.deepEqual(
      items.map(({ errorType }) => errorType),
      [undefined, 'version_conflict_engine_exception', undefined, 'document_parsing_exception'],
    );
  });

  it('that cannot be read by the cluster are thrown as ambiguous', async () => {
    await using index = await createIndex(url, 'malformed');
    await using c = openReal(url);
    const body = bodyOf([...write('a', 1), { nosuch: {} }, {}]);
    const thrown = await rejectsWith(
      c.follower.bulk({ index: index.name, body, operations: 2 }, never),
      'unexpected_answer',
    );
    assert.equal(thrown.failure.ambiguous, true);
  });

  it('that are given up are ambiguous, and the cluster may still run them', async () => {
    await using index = await createIndex(url, 'abandoned');
    await using c = openReal(url);
    const lines = Array.from({ length: 2000 }, (_, n) => write(`d${n}`, EPOCH + n)).flat();
    const stop = new AbortController();
    const sending = c.follower.bulk({ index: index.name, body: bodyOf(lines), operations: 2000 }, stop.signal);
    setImmediate(() => stop.abort());
    assert.equal((await rejectsWith(sending, 'request_timeout')).failure.ambiguous, true);
    await c.follower.bulk({ index: index.name, body: bodyOf(lines), operations: 2000 }, never);
    await c.follower.refresh(index.name, never);
    assert.equal(await c.follower.count(index.name, undefined, never), 2000);
  });
});

describe('versions of a whole index', () => {
  it('are counted, put into buckets and listed over all of its shards', async () => {
    await using index = await createIndex(url, 'whole', { settings: { number_of_shards: 3 } });
    await using c = openReal(url);
    await c.admin.identify(never);
    const versions = Array.from({ length: 60 }, (_, n) => (n < 30 ? EPOCH + n : 2 * EPOCH + n));
    const lines = versions.flatMap((version, n) => write(`d${n}`, version));
    await c.follower.bulk({ index: index.name, body: bodyOf(lines), operations: 60 }, never);
    await c.follower.refresh(index.name, never);
    const ranges = [
      { from: EPOCH + 5, to: EPOCH + 9 },
      { from: 2 * EPOCH + 40, to: 2 * EPOCH + 100 },
    ];
    const counted = { index: index.name, shard: undefined, field: '_version' as const };
    assert.deepEqual(await c.follower.countRanges({ ...counted, ranges }, never), [5, 20]);
    assert.deepEqual(await c.follower.countRanges({ ...counted, ranges: [] }, never), []);
    const each = Array.from({ length: 16_000 }, (_, n) => ({ from: EPOCH + n, to: EPOCH + n }));
    const single = await c.follower.countRanges({ ...counted, ranges: each }, never);
    assert.deepEqual(
      single.flatMap((count, n) => (count > 0 ? [n] : [])),
      Array.from({ length: 30 }, (_, n) => n),
    );
    const [first, second] = await c.follower.listVersionRanges(
      { index: index.name, shard: undefined, ranges, sizeEach: 10 },
      never,
    );
    assert.deepEqual(
      first?.map(({ version }) => version),
      versions.slice(5, 10),
    );
    assert.equal(second, undefined, 'more than fit');
    const within = { min: EPOCH, max: 2 * EPOCH - 1 };
    const histogram = await c.follower.histogram(
      { index: index.name, shard: undefined, field: '_version', interval: 10, offset: 0, ...within },
      never,
    );
    const counts = [...histogram.values()];
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      30,
    );
    assert.ok(Math.max(...counts) <= 10);
  });
});

describe('counting', () => {
  it('counts root documents that are searchable, by shard and in all', async () => {
    await using index = await createIndex(url, 'count', {
      settings: { number_of_shards: 3 },
      mappings: { properties: { children: { type: 'nested' } } },
    });
    await using c = openReal(url);
    await index.bulk(
      Array.from({ length: 90 }, (_, n) => [{ index: { _id: `${n}` } }, { children: [{ a: 1 }, { a: 2 }] }]).flat(),
    );
    const counts = await Promise.all([0, 1, 2].map((shard) => c.follower.count(index.name, shard, never)));
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      90,
    );
    assert.ok(counts.every((count) => count > 0));
    assert.equal(await c.follower.count(index.name, undefined, never), 90);
    await index.call('POST', '/_doc/late', {});
    assert.equal(await c.follower.count(index.name, undefined, never), 90);
    await c.follower.refresh(index.name, never);
    assert.equal(await c.follower.count(index.name, undefined, never), 91);
    await c.follower.flush(index.name, never);
    await rejectsWith(c.follower.count(`${index.name}-not`, undefined, never), 'index_deleted');
    await index.call('POST', '/_close');
    await rejectsWith(c.follower.count(index.name, 0, never), 'index_closed');
  });

  it('counts more than ten thousand exactly', async () => {
    await using index = await createIndex(url, 'count-many');
    await using c = openReal(url);
    await index.bulk(Array.from({ length: 10_500 }, () => [{ index: {} }, {}]).flat());
    assert.equal(await c.follower.count(index.name, 0, never), 10_500);
  });
});

describe('a histogram of versions', () => {
  it('is exact at both ends of the range, up to 2^53-1, with foreign versions far outside', async () => {
    await using index = await createIndex(url, 'histogram');
    await using c = openReal(url);
    const base = 511 * EPOCH;
    const ours = [base, base + 1, base + 2, base + 6, base + 7, base + 8, base + 9, 2 ** 53 - 2, 2 ** 53 - 1];
    const foreign = ['1', '2', `${base - 1}`, '9007199254740992', '4611686018427387904', '9223372036854775807'];
    const lines = [...ours, ...foreign].map(
      (version, n) => `{"index":{"_id":"${n}","version":${version},"version_type":"external_gte"}}\n{}\n`,
    );
    await index.call('POST', '/_bulk?refresh=true', lines.join(''));
    const request = { index: index.name, shard: 0, field: '_version' as const };
    const of = async (
      interval: number,
      offset: number,
      min: number,
      max: number,
    ): Promise<readonly (readonly [number, number])[]> =>
      [...(await c.follower.histogram({ ...request, interval, offset, min, max }, never))].map(([key, count]) => [
        key - base,
        count,
      ]);
    assert.deepEqual(await of(1, 0, base, base + 9), [
      [0, 1],
      [1, 1],
      [2, 1],
      [6, 1],
      [7, 1],
      [8, 1],
      [9, 1],
    ]);
    assert.deepEqual(await of(1, 0, 2 ** 53 - 2, 2 ** 53 - 1), [
      [2 ** 53 - 2 - base, 1],
      [2 ** 53 - 1 - base, 1],
    ]);
    // Buckets that the range cuts count only what lies inside it.
    assert.deepEqual(await of(4, (base + 1) % 4, base + 2, base + 8), [
      [1, 1],
      [5, 3],
    ]);
    // The whole epoch in few buckets, and a shard's residue as the offset.
    const interval = 3 * 2 ** 38;
    const whole = await of(interval, (base + 2) % interval, base, 2 ** 53 - 1);
    assert.equal(
      whole.reduce((sum, [, count]) => sum + count, 0),
      ours.length,
    );
    assert.deepEqual(await of(1, 0, base + 100, base + 200), []);
    assert.equal(await c.follower.count(index.name, 0, never), ours.length + foreign.length);
    assert.equal(c.follower.versionAggregates, true);
  });

  it('agrees with a histogram of sequence numbers on the leader', async () => {
    await using source = await createIndex(leaderUrl, 'both', { settings: { number_of_shards: 3 } });
    await using target = await createIndex(url, 'both', { settings: { number_of_shards: 3 } });
    await using leader = openReal(leaderUrl);
    await using c = openReal(url);
    await source.bulk(Array.from({ length: 600 }, (_, n) => [{ index: { _id: `${n % 400}` } }, {}]).flat());
    for (const shard of [0, 1, 2]) {
      const nodeId = (await leader.leader.shardStats([source.name], never)).get(source.name)?.get(shard)?.nodeId ?? '';
      const page = await leader.leader.readPage(
        { index: source.name, shard, nodeId, after: -1, size: 500, countTotal: true },
        never,
      );
      const body = new BulkBody();
      for (const hit of page.hits) body.addIndex(page, hit, EPOCH + hit.seqNo * 3 + shard);
      await c.follower.bulk({ index: target.name, body: body.bytes(), operations: page.hits.length }, never);
    }
    await c.follower.refresh(target.name, never);
    for (const shard of [0, 1, 2]) {
      const left = await leader.leader.histogram(
        { index: source.name, shard, field: '_seq_no', interval: 8, offset: 0, min: 0, max: 1000 },
        never,
      );
      const right = await c.follower.histogram(
        {
          index: target.name,
          shard,
          field: '_version',
          interval: 24,
          offset: (EPOCH + shard) % 24,
          min: EPOCH + shard,
          max: EPOCH + 3 * 1000 + shard,
        },
        never,
      );
      assert.deepEqual(new Map([...right].map(([key, count]) => [(key - EPOCH - shard) / 3, count])), new Map(left));
    }
  });
});

describe('listing by version', () => {
  const all = async (
    page: (after: ListedDocument | undefined) => Promise<readonly ListedDocument[]>,
    size: number,
  ): Promise<readonly ListedDocument[]> => {
    const found: ListedDocument[] = [];
    for (;;) {
      const documents = await page(found.at(-1));
      found.push(...documents);
      if (documents.length < size) return found;
    }
  };

  it('pages over every document once, however many share a version, of a shard and of the index', async () => {
    await using index = await createIndex(url, 'listing', { settings: { number_of_shards: 3 } });
    await using c = openReal(url);
    // 60 foreign documents of version 1 and few sequence numbers in all shards, then 30 of ours.
    await index.bulk(
      Array.from({ length: 60 }, (_, n) => [{ index: { _id: `f${n}`, routing: `r${n % 7}` } }, {}]).flat(),
    );
    await index.bulk(Array.from({ length: 30 }, (_, n) => write(`o${n}`, EPOCH + n)).flat());
    for (const size of [1, 2, 7, 100]) {
      const list = (shard: number | undefined) => (last: ListedDocument | undefined) =>
        c.follower.listByVersion(
          { index: index.name, shard, after: last?.version ?? -1, afterSeqNo: last?.seqNo, size },
          never,
        );
      const whole = await all(list(undefined), size);
      assert.equal(whole.length, 90);
      assert.equal(new Set(whole.map(({ id }) => id)).size, 90);
      assert.ok(whole.every(({ id, routing }) => (id.startsWith('f') ? routing !== undefined : routing === undefined)));
      const versions = whole.map(({ version }) => version);
      assert.deepEqual(
        versions,
        versions.toSorted((left, right) => left - right),
      );
      const parts = await Promise.all([0, 1, 2].map((shard) => all(list(shard), size)));
      assert.deepEqual(
        parts
          .flat()
          .map(({ id }) => id)
          .toSorted(),
        whole.map(({ id }) => id).toSorted(),
      );
    }
    const ours = await c.follower.listByVersion({ index: index.name, shard: undefined, after: 1, size: 100 }, never);
    assert.deepEqual(
      ours.map(({ id }) => id),
      Array.from({ length: 30 }, (_, n) => `o${n}`),
    );
    const above = await c.follower.listByVersion(
      { index: index.name, shard: undefined, after: EPOCH + 10, size: 2 },
      never,
    );
    assert.deepEqual(
      above.map(({ version }) => version),
      [EPOCH + 11, EPOCH + 12],
    );
  });

  it('ends at versions that numbers cannot hold', async () => {
    await using index = await createIndex(url, 'huge');
    await using c = openReal(url);
    const versions = ['5', '9007199254740993', '9223372036854775807'];
    await index.call(
      'POST',
      '/_bulk?refresh=true',
      versions
        .map((version, n) => `{"index":{"_id":"${n}","version":${version},"version_type":"external_gte"}}\n{}\n`)
        .join(''),
    );
    const list = (last: ListedDocument | undefined): Promise<readonly ListedDocument[]> =>
      c.follower.listByVersion(
        { index: index.name, shard: 0, after: last?.version ?? -1, afterSeqNo: last?.seqNo, size: 2 },
        never,
      );
    const found = await all(list, 2);
    assert.deepEqual(
      found.map(({ id }) => id),
      ['0', '1'],
    );
    assert.ok((await c.follower.maxVersion(index.name, never)) >= 2 ** 63 - 1024);
  });
});

describe('the greatest version', () => {
  it('is that of all shards, and 0 of an empty index', async () => {
    await using index = await createIndex(url, 'greatest', { settings: { number_of_shards: 3 } });
    await using c = openReal(url);
    assert.equal(await c.follower.maxVersion(index.name, never), 0);
    await index.bulk(Array.from({ length: 20 }, (_, n) => write(`${n}`, 511 * EPOCH + n)).flat());
    assert.equal(await c.follower.maxVersion(index.name, never), 511 * EPOCH + 19);
    await rejectsWith(c.follower.maxVersion(`${index.name}-not`, never), 'index_deleted');
  });
});
