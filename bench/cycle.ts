/** What one cycle of following costs, at one size of the index. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Percentiles, percentiles } from '../demo/visibility.ts';
import { type Cluster, finishIndex, sendBulk } from './cluster.ts';
import { type Corpus, corpusOf, indexLines, loadCorpus } from './corpus.ts';
import { untilSame } from './live.ts';
import { type Slipstream, startSlipstream } from './slipstream.ts';
import { startSampler } from './sampler.ts';
import { type Cost, startMeter, type World } from './world.ts';

export interface CycleResult {
  readonly documents: number;
  readonly firstCopy: Cost;
  readonly peakMib: number;
  /** The search of a cycle that finds a few changes, as the leader is asked it. */
  readonly searchMs: Percentiles;
  readonly changes: number;
  /** From the leader's acknowledgement until a GET on the follower shows it. */
  readonly readableMs: Percentiles;
  /** While the changes came, idle looks included. */
  readonly cost: Cost;
}

const SEARCHES = 100;
/** Not counted: the same search takes 6 ms at first, and 1 ms when Java has compiled what it needs, whatever the size of the index. */
const SEARCHES_BEFORE = 1000;
const CHANGES = 100;
const CHANGE_EVERY_MS = 250;
/** Written together. */
const CHANGE_DOCUMENTS = 5;
const LAST_SEEN_WITHIN_MS = 30_000;
const POLL_MS = 25;

/** Loads the cities so many times, copies them, changes a few; nothing stays. Throws when documents are missing. */
export async function measureCycle(world: World, copies: number): Promise<CycleResult> {
  const { leader, follower, log } = world;
  const corpus = await corpusOf(copies);
  const { documents } = corpus;
  const leaderIndex = `big-${copies}`;
  const followerIndex = `${leaderIndex}-copy`;
  log(`big: loading ${documents} documents`);
  await loadCorpus(leader, { index: leaderIndex, corpus, onProgress: () => undefined });
  await using supervisor = await startSlipstream(world);
  await world.quiet();
  const stop = startMeter(world, supervisor.pid);
  await supervisor.follow(leaderIndex, followerIndex);
  await finishIndex(follower, followerIndex, documents);
  const firstCopy = stop();
  log(`big: copied in ${firstCopy.seconds.toFixed(1)} s`);
  await world.quiet();
  const seen = await changeAFew({ world, supervisor, leaderIndex, followerIndex, corpus });
  const searchMs = await timeSearches(leader, leaderIndex);
  await untilSame({ world, leaderIndex, followerIndex });
  const peakMib = supervisor.peakMib();
  await supervisor.unfollow(followerIndex);
  await follower.call('DELETE', `/${followerIndex}`);
  await leader.call('DELETE', `/${leaderIndex}`);
  return { documents, firstCopy, peakMib, searchMs, changes: CHANGES, ...seen };
}

interface ChangeOptions {
  readonly world: World;
  readonly supervisor: Slipstream;
  readonly leaderIndex: string;
  readonly followerIndex: string;
  readonly corpus: Corpus;
}

async function changeAFew({
  world,
  supervisor,
  leaderIndex,
  followerIndex,
  corpus,
}: ChangeOptions): Promise<Pick<CycleResult, 'readableMs' | 'cost'>> {
  const { leader, follower, signal } = world;
  const sampler = startSampler({
    pollMs: POLL_MS,
    look: async (ids) => {
      const path = `/${followerIndex}/_mget?_source_includes=revision`;
      const { docs } = await follower.json<{ docs: { _source?: { revision: number } }[] }>('POST', path, { ids });
      return new Set(ids.filter((_, at) => docs[at]?._source?.revision === 1));
    },
  });
  const spacing = Math.floor(corpus.documents / (CHANGES * CHANGE_DOCUMENTS));
  const stop = startMeter(world, supervisor.pid);
  const startedMs = performance.now();
  for (let change = 0; change < CHANGES; change += 1) {
    await delay(Math.max(0, startedMs + change * CHANGE_EVERY_MS - performance.now()), undefined, { signal });
    const places = Array.from({ length: CHANGE_DOCUMENTS }, (_, at) => (change * CHANGE_DOCUMENTS + at) * spacing);
    const lines = places.map((at) => indexLines(corpus.id(at), corpus.document(at, 1)));
    await sendBulk(leader, leaderIndex, Buffer.from(lines.join('')));
    sampler.watch(corpus.id(places[0] ?? 0), performance.now());
  }
  const cost = stop();
  const deadlineMs = performance.now() + LAST_SEEN_WITHIN_MS;
  while (sampler.waiting() > 0 && performance.now() < deadlineMs) await delay(POLL_MS, undefined, { signal });
  const { samples, unseen } = await sampler.stop();
  if (unseen > 0) throw new Error(`${unseen} changes did not reach ${followerIndex}`);
  return { readableMs: samples, cost };
}

/** The total of the whole shard and the last changes: what a cycle asks for. */
async function timeSearches(leader: Cluster, index: string): Promise<Percentiles> {
  const search = { size: CHANGE_DOCUMENTS, sort: [{ _seq_no: 'desc' }], track_total_hits: false };
  const path = `/${index}/_search?seq_no_primary_term=true&preference=_shards:0`;
  const newest = await leader.json<{ hits: { hits: { _seq_no: number }[] } }>('POST', path, search);
  const after = (newest.hits.hits.at(-1)?._seq_no ?? 0) - 1;
  const tookMs: number[] = [];
  for (let count = -SEARCHES_BEFORE; count < SEARCHES; count += 1) {
    const startedMs = performance.now();
    await leader.json('POST', path, {
      size: CHANGE_DOCUMENTS,
      track_total_hits: true,
      sort: [{ _seq_no: 'asc' }],
      search_after: [after],
    });
    if (count >= 0) tookMs.push(performance.now() - startedMs);
  }
  return percentiles(tookMs);
}
