/** The ways to copy an index, all from and to the same state: an index of one shard, searchable, on the disk, complete. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CITY_MAPPINGS } from '../demo/cities.ts';
import { type Cluster, createIndex, restoreSettings, sendBodies } from './cluster.ts';
import type { Variant } from './options.ts';
import { type Slipstream, startSlipstream } from './slipstream.ts';
import type { World } from './world.ts';

export interface CopyTask {
  readonly world: World;
  readonly leaderIndex: string;
  readonly followerIndex: string;
  /** For the floor; made before any clock runs. */
  readonly bodies: readonly Buffer[];
  /** The same with versions, for the floor that reads. */
  readonly versioned: readonly Buffer[];
  /** The program of elasticdump; undefined when it does not take part. */
  readonly elasticdump: string | undefined;
}

export interface ReadyCopy {
  readonly supervisor?: Slipstream;
  /** What the clock measures. */
  copy(): Promise<void>;
  /** Afterwards. */
  end(): Promise<void>;
}

/** Everything that a user has done before copying starts. */
export async function prepareCopy(variant: Variant, task: CopyTask): Promise<ReadyCopy> {
  const { world, leaderIndex, followerIndex } = task;
  const { follower } = world;
  if (variant === 'slipstream') {
    const supervisor = await startSlipstream(world);
    return {
      supervisor,
      copy: () => supervisor.follow(leaderIndex, followerIndex),
      end: async () => {
        await supervisor.unfollow(followerIndex);
        await supervisor[Symbol.asyncDispose]();
      },
    };
  }
  const temporary = variant !== 'reindex';
  await createIndex(follower, followerIndex, { mappings: CITY_MAPPINGS, temporary });
  const way = wayOf(variant, task);
  return {
    copy: async () => {
      await way();
      if (temporary) await restoreSettings(follower, followerIndex);
    },
    end: async () => undefined,
  };
}

function wayOf(variant: Exclude<Variant, 'slipstream'>, task: CopyTask): () => Promise<void> {
  const { world, followerIndex, bodies } = task;
  const floor = (connections: number) => () => sendBodies(world.follower, followerIndex, { bodies, connections });
  switch (variant) {
    case 'reindex':
      return () => reindex(task, {});
    case 'reindex-ranges-1':
      return () => reindexRanges(task, 1);
    case 'reindex-ranges-2':
      return () => reindexRanges(task, 2);
    case 'reindex-ranges-4':
      return () => reindexRanges(task, 4);
    case 'elasticdump':
      return () => dumpRanges(task, DUMP_PROCESSES);
    case 'floor-2':
      return floor(2);
    case 'floor-4':
      return floor(4);
    case 'floor-8':
      return floor(8);
    case 'floor-reading':
      return () => floorReading(task);
  }
}

// --- _reindex from remote -------------------------------------------------------------------------------------------------------

/** As large as a scroll may be asked for. */
const REINDEX_SIZE = 10_000;

async function reindex({ world, leaderIndex, followerIndex }: CopyTask, source: object): Promise<void> {
  const remote = { host: world.leader.url };
  const answer = await world.follower.json<{ failures: unknown[]; timed_out: boolean }>(
    'POST',
    '/_reindex?refresh=false',
    {
      source: { remote, index: leaderIndex, ...source },
      dest: { index: followerIndex },
    },
  );
  if (answer.timed_out || answer.failures.length > 0)
    throw new Error(`_reindex failed: ${JSON.stringify(answer).slice(0, 500)}`);
}

async function reindexRanges(task: CopyTask, ranges: number): Promise<void> {
  const queries = await rangesOf(task.world.leader, task.leaderIndex, ranges);
  await Promise.all(queries.map((query) => reindex(task, { size: REINDEX_SIZE, query })));
}

/** Queries that part the index by `_seq_no`; everything, for one range. `_reindex` from remote knows no slices. */
export async function rangesOf(leader: Cluster, index: string, ranges: number): Promise<readonly object[]> {
  if (ranges === 1) return [{ match_all: {} }];
  const size = (await maxSeqNo(leader, index)) + 1;
  return Array.from({ length: ranges }, (_, at) => ({
    range: { _seq_no: { gte: Math.floor((at * size) / ranges), lt: Math.floor(((at + 1) * size) / ranges) } },
  }));
}

async function maxSeqNo(leader: Cluster, index: string): Promise<number> {
  const stats = await leader.json<{ indices: Record<string, { shards: Record<string, ShardCopy[]> }> }>(
    'GET',
    `/${index}/_stats/docs?level=shards`,
  );
  const copies = Object.values(stats.indices[index]?.shards ?? {}).flat();
  return Math.max(...copies.map((copy) => copy.seq_no.max_seq_no));
}

interface ShardCopy {
  readonly seq_no: { readonly max_seq_no: number };
}

// --- the floor of whoever reads as well -------------------------------------------------------------------------------------------

const READING = { connections: 4, size: 10_000 };

/** Reads the leader as cheaply as it can be read and throws that away; writes what was prepared, with versions. Nothing is parsed or built. */
async function floorReading({ world, leaderIndex, followerIndex, versioned }: CopyTask): Promise<void> {
  const { connections, size } = READING;
  const last = await maxSeqNo(world.leader, leaderIndex);
  let next = -1;
  const read = async (): Promise<void> => {
    while (next < last) {
      const after = next;
      next += size;
      const query = { range: { _seq_no: { gt: after, lte: after + size } } };
      const search = { size, track_total_hits: false, query, sort: ['_doc'] };
      await world.leader.call('POST', `/${leaderIndex}/_search?seq_no_primary_term=true`, JSON.stringify(search));
    }
  };
  const reading = Array.from({ length: connections }, read);
  await Promise.all([...reading, sendBodies(world.follower, followerIndex, { bodies: versioned, connections })]);
}

// --- elasticdump ----------------------------------------------------------------------------------------------------------------

const DUMP_PROCESSES = 2;
/** Its defaults undone: 100 documents a batch, one request at a time, five in five seconds, failed writes ignored. */
const DUMP_FLAGS = [
  '--type=data',
  '--limit=5000',
  '--concurrency=4',
  '--intervalCap=1000',
  '--concurrencyInterval=1',
  '--noRefresh',
  '--ignore-es-write-errors=false',
  '--quiet',
];

async function dumpRanges(task: CopyTask, processes: number): Promise<void> {
  const queries = await rangesOf(task.world.leader, task.leaderIndex, processes);
  await Promise.all(queries.map((query) => dump(task, { query, sort: ['_doc'] })));
}

async function dump({ world, leaderIndex, followerIndex, elasticdump }: CopyTask, searchBody: object): Promise<void> {
  if (elasticdump === undefined) throw new Error('elasticdump is not installed');
  const ends = [`--input=${world.leader.url}/${leaderIndex}`, `--output=${world.follower.url}/${followerIndex}`];
  const child = spawn(
    process.execPath,
    [elasticdump, ...ends, ...DUMP_FLAGS, `--searchBody=${JSON.stringify(searchBody)}`],
    { stdio: ['ignore', 'pipe', 'pipe'], signal: world.signal, killSignal: 'SIGKILL' },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`elasticdump ended with ${code ?? 'a signal'}: ${output.slice(-500)}`);
}
