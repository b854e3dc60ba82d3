/**
 * `npm run bench:unaligned -- [--documents N] [--deletes N] [--listing]`: what it costs that shards do not align. The same documents, two shards, are
 * followed into two, three and one: first copy, processor time, comparison of one pair, recount, latency of deletes. `--listing` adds the comparison by
 * listing everything, which needs no aggregation. Servers named in the environment are used, the others started.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openCluster, type OpenCluster } from '../src/infra/search/open-cluster.ts';
import { systemClock } from '../src/infra/system/clock.ts';
import { compareSides } from '../src/replication/compare-sides.ts';
import type { Sides } from '../src/replication/sides.ts';
import { Stopwatch } from '../src/replication/stopwatch.ts';
import { startStack } from '../stack/local-stack.ts';
import { createIndex, loadDocuments } from '../test/support/bulk-load.ts';
import { LEADER, openWorld, type Side } from '../test/support/replication-world.ts';
import { until } from '../test/support/until.ts';
import { endSignal } from './steps.ts';

const { values } = parseArgs({
  options: {
    documents: { type: 'string', default: '100000' },
    deletes: { type: 'string', default: '5' },
    listing: { type: 'boolean', default: false },
  },
});
const [documents, deletes] = [Number(values.documents), Number(values.deletes)];
const LEADER_SHARDS = 2;
const PATIENCE_MS = 1_800_000;
const TICKS_PER_SECOND = 100;
const signal = endSignal();

await using stack = await startStack({
  parts: ['leader', 'follower', 'nats'],
  log: (line) => console.log(line),
  signal,
});
const [leaderUrl = '', followerUrl = '', natsUrl = ''] = [
  'SLIPSTREAM_LEADER_URL',
  'SLIPSTREAM_FOLLOWER_URL',
  'SLIPSTREAM_NATS_URL',
].map((name) => (stack.env[name] ?? '').replace(/\/$/, ''));
await using world = await openWorld({
  leader: { url: leaderUrl },
  follower: { url: followerUrl },
  natsUrl,
  defaults: { scan_share: 0.02 },
});
const leaderIndex = world.name('-bench');
await createIndex(world.leader, leaderIndex);
await loadDocuments(world.leader, leaderIndex, documents);
await world.leader.ok('POST', `/${leaderIndex}/_forcemerge?max_num_segments=5`);
const { pid } = await world.start();
let deleted = 0;
const rows: Record<string, string>[] = [];
for (const followerShards of [2, 3, 1]) rows.push(await measure(followerShards));
console.log(`\n${documents} documents, ${LEADER_SHARDS} shards`);
console.table(rows);

async function measure(followerShards: number): Promise<Record<string, string>> {
  const index = world.name(`-bench-${followerShards}`);
  const follower = world.followerOf(index);
  const before = await processorSeconds();
  const startedAtMs = performance.now();
  const settings = { 'index.number_of_shards': followerShards };
  await world.control.follow({ leader: { cluster: LEADER, index: leaderIndex }, follower, settings });
  const pairs = await world.awaitPairs(
    index,
    'everything is copied',
    PATIENCE_MS,
    ({ state }) => state === 'following',
  );
  const copiedMs = performance.now() - startedAtMs;
  const after = await processorSeconds();
  const aligned = pairs[0]?.aligned === true;
  const latencies = await deleteLatencies(index);
  await world.control.unfollow({ follower });
  await world.leader.ok('POST', `/${leaderIndex}/_refresh`);
  await world.follower.ok('POST', `/${index}/_refresh`);
  await using open = opened();
  // What the engine can do is known only then.
  await open.follower.admin.identify(signal);
  const sides: Sides = {
    leader: open.leader.leader,
    leaderIndex,
    follower: open.follower.follower,
    followerIndex: index,
    shard: 0,
    aligned,
    scheme: { epoch: 1, leaderShards: LEADER_SHARDS, layout: aligned ? 'interleaved' : 'by-shard' },
  };
  const row = {
    into: `${followerShards}${aligned ? ', aligned' : ''}`,
    'first copy': `${(copiedMs / 1000).toFixed(1)} s`,
    'CPU supervisor': `${(after.supervisor - before.supervisor).toFixed(1)} s`,
    'CPU leader': `${(after.leader - before.leader).toFixed(1)} s`,
    'CPU follower': `${(after.follower - before.follower).toFixed(1)} s`,
    'compare one pair': `${median(await times(5, () => compare(sides))).toFixed(0)} ms`,
    'by listing': values.listing
      ? `${(await times(1, () => compare(withoutAggregation(sides))))[0]?.toFixed(0)} ms`
      : '',
    recount: `${median(await times(5, () => recount(sides))).toFixed(0)} ms`,
    'delete p50': `${(median(latencies) / 1000).toFixed(1)} s`,
    'delete max': `${(Math.max(...latencies) / 1000).toFixed(1)} s`,
  };
  console.log(row);
  await world.follower.ok('DELETE', `/${index}`);
  return row;
}

/** From the acknowledgement on the leader until a GET on the follower misses it; at moments that have nothing to do with the last scan. */
async function deleteLatencies(index: string): Promise<readonly number[]> {
  const latencies: number[] = [];
  for (let nth = 0; nth < deletes; nth += 1) {
    const id = `doc-${(deleted += 7)}`;
    await world.leader.ok('DELETE', `/${leaderIndex}/_doc/${id}`);
    const startedAtMs = performance.now();
    await until('it is gone on the follower', PATIENCE_MS, async () =>
      (await world.follower.call('GET', `/${index}/_doc/${id}?_source=false`)).status === 404 ? true : undefined,
    );
    latencies.push(performance.now() - startedAtMs);
    await delay(700 + 900 * (nth % 3));
  }
  return latencies;
}

async function compare(sides: Sides): Promise<void> {
  const { leader, leaderIndex: index, shard } = sides;
  const stats = (await leader.shardStats([index], signal)).get(index)?.get(shard);
  if (stats === undefined) throw new Error('the leader shard has no primary');
  const view = await leader.openView({ index, shard, nodeId: stats.nodeId }, signal);
  try {
    const compared = {
      view,
      upTo: stats.maxSeqNo,
      documents: documents / LEADER_SHARDS,
      searching: new Stopwatch(systemClock),
    };
    for await (const difference of compareSides(sides, compared, signal)) throw new Error(difference.kind);
  } finally {
    await leader.closeView(view);
  }
}

async function recount({ follower, followerIndex, aligned, scheme }: Sides): Promise<void> {
  if (aligned) await follower.count(followerIndex, 0, signal);
  else {
    const span = 2 ** 44 / scheme.leaderShards;
    const ranges = [{ from: 2 ** 44, to: 2 ** 44 + span - 1 }];
    await follower.countRanges({ index: followerIndex, shard: undefined, field: '_version', ranges }, signal);
  }
}

/** As on a cluster that cannot aggregate versions. */
function withoutAggregation(sides: Sides): Sides {
  return { ...sides, follower: { ...sides.follower, versionAggregates: false } };
}

function opened(): { leader: OpenCluster; follower: OpenCluster } & AsyncDisposable {
  const cluster = (name: string, url: string): OpenCluster =>
    openCluster({
      name,
      url,
      auth: { kind: 'none' },
      caPem: undefined,
      compression: false,
      requestTimeoutMs: 60_000,
      maxConnections: 4,
      clock: systemClock,
    });
  const [leader, follower] = [cluster('leader', leaderUrl), cluster('follower', followerUrl)];
  return {
    leader,
    follower,
    async [Symbol.asyncDispose]() {
      await Promise.all([leader.close(), follower.close()]);
    },
  };
}

async function times(count: number, work: () => Promise<void>): Promise<readonly number[]> {
  const took: number[] = [];
  for (let nth = 0; nth < count; nth += 1) {
    const startedAtMs = performance.now();
    await work();
    took.push(performance.now() - startedAtMs);
  }
  return took;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

/** Of the supervisor and of all nodes of both clusters, whoever used them. */
async function processorSeconds(): Promise<{ supervisor: number; leader: number; follower: number }> {
  const ofNodes = async (side: Side): Promise<number> => {
    const { nodes } = (await side.ok('GET', '/_nodes/stats/process?filter_path=nodes.*.process.cpu')) as {
      nodes: Readonly<Record<string, { process: { cpu: { total_in_millis: number } } }>>;
    };
    return Object.values(nodes).reduce((sum, { process: { cpu } }) => sum + cpu.total_in_millis / 1000, 0);
  };
  const stat = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return {
    supervisor: (Number(stat[11]) + Number(stat[12])) / TICKS_PER_SECOND,
    leader: await ofNodes(world.leader),
    follower: await ofNodes(world.follower),
  };
}
