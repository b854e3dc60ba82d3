/** Loads that would fill the memory of whoever buffers without a bound. Each asserts what the product promises of its supervisor's memory. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { createIndex } from '../../support/bulk-load.ts';
import { assertPeakMemory } from '../../support/peak-memory.ts';
import { addressOf, openWorld, type Side, type World } from '../../support/replication-world.ts';
import { startSlowLink } from '../../support/slow-link.ts';
import { bySize } from '../../support/test-size.ts';
import { until } from '../../support/until.ts';

const MB = 1e6;
const UNINDEXED = { dynamic: false };

/** Of random hexadecimal digits, so that compressing makes it half as long and no shorter. */
function filler(sizeBytes: number): string {
  return randomBytes(Math.ceil(sizeBytes / 2))
    .toString('hex')
    .slice(0, sizeBytes);
}

async function load(
  side: Side,
  index: string,
  { documents, sizeBytes, atOnce = 1_000 }: { documents: number; sizeBytes: number; atOnce?: number },
): Promise<void> {
  // The same few fillers again: making them costs more than sending them.
  const fillers = Array.from({ length: 50 }, () => filler(sizeBytes));
  for (let from = 0; from < documents; from += atOnce) {
    const lines = Array.from({ length: Math.min(atOnce, documents - from) }, (_, at) => {
      const number = from + at;
      return `{"index":{"_id":"d${number}"}}\n{"n":${number},"text":"${fillers[number % fillers.length] ?? ''}"}\n`;
    });
    const { errors } = await side.ok('POST', `/${index}/_bulk?filter_path=errors`, lines.join(''));
    assert.equal(errors, false);
  }
}

async function counted(side: Side, index: string): Promise<number> {
  await side.ok('POST', `/${index}/_refresh`);
  return Number((await side.ok('GET', `/${index}/_count`))['count']);
}

/** Bytes a second at which the leader gives its documents away. */
async function readingSpeed(side: Side, index: string): Promise<number> {
  let startedMs = performance.now();
  let bytes = 0;
  for (let page = 0; page < 4; page += 1) {
    // The first one warms up.
    if (page === 1) [startedMs, bytes] = [performance.now(), 0];
    const query = JSON.stringify({ size: 1_000, from: page * 1_000, sort: ['_seq_no'] });
    const answer = await fetch(`${side.url}/${index}/_search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: query,
    });
    bytes += (await answer.arrayBuffer()).byteLength;
  }
  return (bytes * 1000) / (performance.now() - startedMs);
}

async function equalCounts(world: World, index: string): Promise<void> {
  assert.equal(await counted(world.follower, index), await counted(world.leader, index));
}

test('a follower that takes a tenth of what the leader gives', async (t) => {
  const documents = bySize({ short: 4_000, full: 40_000 });
  const sizeBytes = 4_000;
  // The index is loaded before the world is opened through the link.
  await using source = await openWorld();
  const index = source.name('-slow');
  await createIndex(source.leader, index, { mappings: UNINDEXED });
  await load(source.leader, index, { documents, sizeBytes });
  await source.leader.ok('POST', `/${index}/_refresh`);
  const given = await readingSpeed(source.leader, index);
  const url = addressOf('SLIPSTREAM_FOLLOWER_URL');
  await using link = await startSlowLink(url, Math.max(given / 10, 2 * MB));
  await using world = await openWorld({ follower: { url, seenAt: link.url } });
  await world.start();
  const startedMs = performance.now();
  await world.follow(index);
  await world.awaitSettled(index, bySize({ short: 120_000, full: 900_000 }));
  const seconds = (performance.now() - startedMs) / 1000;
  t.diagnostic(
    `the leader gives ${(given / MB).toFixed(0)} MB/s; ${((documents * sizeBytes) / MB).toFixed(0)} MB of documents in ${seconds.toFixed(1)} s, ` +
      `${(link.carriedBytes / MB).toFixed(0)} MB through the link`,
  );
  await equalCounts(world, index);
  await assertPeakMemory(t, world);
  await world.follower.call('DELETE', `/${index}`);
});

test('64 shards at once under one byte budget', async (t) => {
  await using world = await openWorld();
  const index = world.name('-64');
  const [documents, sizeBytes] = bySize({ short: [16_000, 2_000], full: [96_000, 6_000] });
  await createIndex(world.leader, index, { settings: { number_of_shards: 64 }, mappings: UNINDEXED });
  await load(world.leader, index, { documents, sizeBytes });
  await world.start();
  const startedMs = performance.now();
  await world.follow(index);
  const pairs = await world.awaitSettled(index, bySize({ short: 120_000, full: 600_000 }));
  t.diagnostic(
    `${((documents * sizeBytes) / MB).toFixed(0)} MB in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`,
  );
  assert.equal(pairs.length, 64);
  await equalCounts(world, index);
  await assertPeakMemory(t, world);
});

test('documents from the smallest to the largest that the follower accepts', async (t) => {
  await using world = await openWorld();
  const index = world.name('-sizes');
  await createIndex(world.leader, index, { settings: { number_of_shards: 1 }, mappings: UNINDEXED });
  await world.start();
  await world.follow(index);
  await world.awaitSettled(index);
  const taken: number[] = [];
  const put = async (sizeBytes: number): Promise<string | undefined> => {
    const frame = '{"text":""}'.length;
    const body = sizeBytes < frame ? '{}' : `{"text":"${filler(sizeBytes - frame)}"}`;
    const answer = await world.leader.call('PUT', `/${index}/_doc/s${sizeBytes}`, new TextEncoder().encode(body));
    if (answer.status < 300) taken.push(sizeBytes);
    return answer.status < 300 ? undefined : `${answer.status} ${JSON.stringify(answer.body).slice(0, 200)}`;
  };
  for (const sizeBytes of [2, 100, 10_000, 1 * MB, 10 * MB]) assert.equal(await put(sizeBytes), undefined);
  // The largest that the leader takes, down from what a request may hold.
  for (const sizeBytes of bySize({
    short: [40 * MB, 20 * MB],
    full: [100, 90, 75, 60, 45, 40, 30, 20].map((mb) => mb * MB),
  })) {
    const refusal = await put(sizeBytes);
    if (refusal === undefined) break;
    t.diagnostic(`the leader refuses ${sizeBytes / MB} MB: ${refusal}`);
  }
  const pairs = await world.awaitPairs(
    index,
    'each is copied or set aside',
    bySize({ short: 120_000, full: 300_000 }),
    ({ state, lagOperations, followerDocuments, quarantined }) =>
      state === 'following' && lagOperations === 0 && (followerDocuments ?? 0) + quarantined === taken.length,
  );
  t.diagnostic(
    `the leader took ${taken.join(', ')} bytes; ${pairs[0]?.quarantined ?? 0} of them were refused by the follower`,
  );
  await assertPeakMemory(t, world);
});

test('deletes of most of an index by one _delete_by_query', async (t) => {
  await using world = await openWorld();
  const index = world.name('-dbq');
  const [documents, deletes] = bySize({ short: [20_000, 15_000], full: [150_000, 100_000] });
  await createIndex(world.leader, index, { settings: { number_of_shards: 1 } });
  await load(world.leader, index, { documents, sizeBytes: 50, atOnce: 5_000 });
  await world.start();
  await world.follow(index, { mass_delete_share: 1 });
  await world.awaitSettled(index, 120_000);
  await world.leader.ok('POST', `/${index}/_delete_by_query?refresh=true&scroll_size=5000`, {
    query: { range: { n: { lt: deletes } } },
  });
  const startedMs = performance.now();
  const [pair] = await world.awaitSettled(index, bySize({ short: 60_000, full: 300_000 }));
  t.diagnostic(
    `${deletes} deletes were on the follower ${((performance.now() - startedMs) / 1000).toFixed(1)} s after the leader's last one, found by ${pair?.deleteScans ?? 0} scans`,
  );
  assert.equal(await counted(world.follower, index), documents - deletes);
  await assertPeakMemory(t, world);
});

test('one per cent of an index churns', async (t) => {
  // Of millions, deletes that lie everywhere take a scan of a minute, and one more waits for 49 times as long under the default share.
  await using world = await openWorld({ defaults: { scan_share: bySize({ short: 0.02, full: 0.5 }) } });
  const index = world.name('-churn');
  const documents = bySize({ short: 50_000, full: 5_000_000 });
  const churned = documents / 100;
  await createIndex(world.leader, index, { settings: { number_of_shards: 2, refresh_interval: '-1' } });
  await load(world.leader, index, { documents, sizeBytes: 20, atOnce: 10_000 });
  await world.start();
  const copyStartedMs = performance.now();
  await world.follow(index);
  await world.awaitSettled(index, bySize({ short: 120_000, full: 1_800_000 }));
  const copiedMs = performance.now() - copyStartedMs;
  // A third of the churn each: updates, deletes, new ones.
  const third = Math.floor(churned / 3);
  const step = Math.floor(documents / (2 * third));
  for (let from = 0; from < third; from += 2_000) {
    const lines = Array.from({ length: Math.min(2_000, third - from) }, (_, at) => {
      const nth = from + at;
      const [updated, deleted, created] = [2 * nth * step, (2 * nth + 1) * step, documents + nth];
      return `{"index":{"_id":"d${updated}"}}\n{"n":-1}\n{"delete":{"_id":"d${deleted}"}}\n{"index":{"_id":"d${created}"}}\n{"n":${created}}\n`;
    });
    await world.leader.ok('POST', `/${index}/_bulk?filter_path=errors`, lines.join(''));
  }
  const endedMs = performance.now();
  await world.awaitSettled(index, bySize({ short: 60_000, full: 600_000 }));
  const settledMs = performance.now() - endedMs;
  await equalCounts(world, index);
  // One delete on its own: what a reader of the follower waits for.
  const victim = `d${2 * third * step + 1}`;
  const single = performance.now();
  await world.leader.ok('DELETE', `/${index}/_doc/${victim}`);
  await until('the single delete arrived', bySize({ short: 60_000, full: 600_000 }), async () =>
    (await world.follower.call('HEAD', `/${index}/_doc/${victim}`).catch(() => ({ status: 200 }))).status === 404
      ? true
      : undefined,
  );
  const singleMs = performance.now() - single;
  const tookMs = await comparisons(world);
  t.diagnostic(
    `${documents} documents copied in ${(copiedMs / 1000).toFixed(1)} s; ${3 * third} of them churned, all was in step ${(settledMs / 1000).toFixed(1)} s after ` +
      `the last of them; a single delete came after ${(singleMs / 1000).toFixed(1)} s; ${tookMs.length} comparisons of a shard found deletes, in ${Math.min(...tookMs)} to ${Math.max(...tookMs)} ms each`,
  );
  await assertPeakMemory(t, world);
});

/** How long each comparison took that found something, as the supervisor's own log tells. */
async function comparisons(world: World): Promise<readonly number[]> {
  const lines = (await readFile(world.logFile, 'utf8')).split('\n');
  return lines
    .filter((line) => line.includes('"both sides were compared"'))
    .map((line) => JSON.parse(line) as { comparedMs: number; extras: number })
    .filter(({ extras }) => extras > 0)
    .map(({ comparedMs }) => Math.round(comparedMs));
}
