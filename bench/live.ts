/** The live phase: a steady load on a followed index, and how soon the follower shows it. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Percentiles, percentiles } from '../demo/visibility.ts';
import { type Cluster, sendBulk } from './cluster.ts';
import type { Corpus } from './corpus.ts';
import { type LiveBatch, LIVE_REVISION, type LiveKind, planLive, splitPlan } from './live-plan.ts';
import { type Sampler, startSampler } from './sampler.ts';
import { startSlipstream } from './slipstream.ts';
import { type Cost, startMeter, type World } from './world.ts';

export interface LiveResult {
  /** What came before the minute that counts: Java compiles what following needs, whoever follows. */
  readonly warmUp: { readonly seconds: number; readonly writesReadable: Percentiles };
  readonly operations: number;
  /** Below the rate asked for where the leader is slower. */
  readonly operationsPerSecond: number;
  readonly acknowledgedMs: Percentiles;
  /** By GET. */
  readonly writesReadable: Percentiles;
  readonly deletesGone: Percentiles;
  readonly writesSearchable: Percentiles;
  readonly deletesUnsearchable: Percentiles;
  /** From the last acknowledgement until both sides count the same. */
  readonly settledSeconds: number;
  /** Searches for deletes, of the first copy too. */
  readonly deleteScans: number;
  readonly cost: Cost;
}

export const LIVE_SECONDS = 60;
export const LIVE_WARM_UP_SECONDS = 20;
const OPERATIONS_PER_SECOND = 2_000;
const BATCH_MS = 50;
const BATCHES_IN_FLIGHT = 8;
const LAST_SEEN_WITHIN_MS = 60_000;
/** The search for deletes may take a small share of time only, so on a slow machine the last ones come late. */
const SETTLED_WITHIN_MS = 600_000;
/** A GET of a document that was just written makes the node refresh for itself: few and together is what disturbs least. */
const READ_EVERY_MS = 25;
const DELETES_EVERY_MS = 50;
const SEARCH_EVERY_MS = 100;

type LiveOptions = { readonly world: World; readonly leaderIndex: string; readonly corpus: Corpus };

/** The index must hold the corpus, and is changed. Throws when the two sides do not come to the same number of documents. */
export async function measureLive({ world, leaderIndex, corpus }: LiveOptions): Promise<LiveResult> {
  const { leader, follower } = world;
  const followerIndex = 'live';
  await leader.json('PUT', `/${leaderIndex}/_settings`, { index: { 'translog.durability': 'request' } });
  await using supervisor = await startSlipstream(world);
  world.log('live: first copy');
  await supervisor.follow(leaderIndex, followerIndex);
  await world.quiet();
  // As long as there are documents for it.
  const spareSeconds = Math.floor(corpus.documents / OPERATIONS_PER_SECOND) - LIVE_SECONDS;
  const warmUpSeconds = Math.max(0, Math.min(LIVE_WARM_UP_SECONDS, spareSeconds));
  const seconds = warmUpSeconds + LIVE_SECONDS;
  const plan = planLive({ corpus, operationsPerSecond: OPERATIONS_PER_SECOND, seconds, batchMs: BATCH_MS });
  const [first, counted] = splitPlan(plan, warmUpSeconds * 1000);
  const task = { leader, leaderIndex, signal: world.signal };
  world.log(`live: ${OPERATIONS_PER_SECOND} operations a second for ${warmUpSeconds} s, which do not count`);
  const writesBefore = readSampler(follower, followerIndex);
  await runLoad({ ...task, plan: first, samplers: { writesReadable: writesBefore } });
  world.log(`live: ${OPERATIONS_PER_SECOND} operations a second for ${LIVE_SECONDS} s`);
  const samplers = samplersOf(follower, followerIndex);
  const stop = startMeter(world, supervisor.pid);
  const load = await runLoad({ ...task, plan: counted, samplers });
  const cost = stop();
  const endedMs = performance.now();
  world.log(`live: ${Math.round(load.operationsPerSecond)} operations a second were acknowledged`);
  await untilSame({ world, leaderIndex, followerIndex });
  const settledSeconds = (performance.now() - endedMs) / 1000;
  const all = [...Object.values(samplers), writesBefore];
  while (all.some((sampler) => sampler.waiting() > 0) && performance.now() < endedMs + LAST_SEEN_WITHIN_MS)
    await delay(READ_EVERY_MS, undefined, { signal: world.signal });
  const result = {
    ...load,
    warmUp: { seconds: warmUpSeconds, writesReadable: await allSeen(writesBefore) },
    writesReadable: await allSeen(samplers.writesReadable),
    deletesGone: await allSeen(samplers.deletesGone),
    writesSearchable: await allSeen(samplers.writesSearchable),
    deletesUnsearchable: await allSeen(samplers.deletesUnsearchable),
    settledSeconds,
    deleteScans: (await supervisor.status(followerIndex)).deleteScans,
    cost,
  };
  await supervisor.unfollow(followerIndex);
  await follower.call('DELETE', `/${followerIndex}`);
  return result;
}

/** Both sides count the same by now: what the follower does not show is an operation that it lost. */
async function allSeen(sampler: Sampler): Promise<Percentiles> {
  const { samples, unseen } = await sampler.stop();
  if (unseen > 0) throw new Error(`${unseen} of ${unseen + samples.samples} watched operations did not arrive`);
  return samples;
}

// --- the load -------------------------------------------------------------------------------------------------------------------

type Samplers = Readonly<
  Record<'writesReadable' | 'deletesGone' | 'writesSearchable' | 'deletesUnsearchable', Sampler>
>;

interface LoadOptions {
  readonly leader: Cluster;
  readonly leaderIndex: string;
  readonly plan: readonly LiveBatch[];
  readonly samplers: Partial<Samplers>;
  readonly signal: AbortSignal;
}

type LoadResult = Pick<LiveResult, 'operations' | 'operationsPerSecond' | 'acknowledgedMs'>;

async function runLoad({ leader, leaderIndex, plan, samplers, signal }: LoadOptions): Promise<LoadResult> {
  const tookMs: number[] = [];
  const inFlight = new Set<Promise<void>>();
  let failure: Error | undefined;
  const send = async (batch: LiveBatch, at: number): Promise<void> => {
    const sentMs = performance.now();
    await sendBulk(leader, leaderIndex, batch.body);
    const nowMs = performance.now();
    tookMs.push(nowMs - sentMs);
    for (const [name, id] of samplesOf(batch, at)) samplers[name]?.watch(id, nowMs);
  };
  const startedMs = performance.now();
  for (const [at, batch] of plan.entries()) {
    const aheadMs = startedMs + batch.dueMs - performance.now();
    if (aheadMs > 0) await delay(aheadMs, undefined, { signal });
    while (inFlight.size >= BATCHES_IN_FLIGHT) await Promise.race(inFlight);
    if (failure !== undefined) throw failure;
    const sending: Promise<void> = send(batch, at)
      .catch((error: Error) => void (failure ??= error))
      .then(() => void inFlight.delete(sending));
    inFlight.add(sending);
  }
  await Promise.all(inFlight);
  if (failure !== undefined) throw failure;
  const operations = plan.reduce((sum, batch) => sum + batch.operations.length, 0);
  const elapsedSeconds = (performance.now() - startedMs) / 1000;
  return { operations, operationsPerSecond: operations / elapsedSeconds, acknowledgedMs: percentiles(tookMs) };
}

/** One write of each batch is read and another one searched for; with deletes it takes turns. */
function samplesOf({ operations }: LiveBatch, at: number): readonly (readonly [keyof Samplers, string])[] {
  const pick = (kinds: readonly LiveKind[], nth: number): string => {
    const own = operations.filter(({ kind }) => kinds.includes(kind));
    return own[nth % own.length]?.id ?? '';
  };
  const writes: readonly LiveKind[] = ['update', 'create'];
  return [
    ['writesReadable', pick(writes, at * 2)],
    ['writesSearchable', pick(writes, at * 2 + 1)],
    [at % 2 === 0 ? 'deletesGone' : 'deletesUnsearchable', pick(['delete'], at)],
  ];
}

// --- looking at the follower ----------------------------------------------------------------------------------------------------

function readSampler(follower: Cluster, index: string): Sampler {
  return startSampler({
    pollMs: READ_EVERY_MS,
    look: async (ids) => {
      const docs = await read(follower, index, ids);
      return new Set(ids.filter((_, at) => docs[at]?._source?.revision === LIVE_REVISION));
    },
  });
}

function samplersOf(follower: Cluster, index: string): Samplers {
  return {
    writesReadable: readSampler(follower, index),
    deletesGone: startSampler({
      pollMs: DELETES_EVERY_MS,
      look: async (ids) => {
        const docs = await read(follower, index, ids);
        return new Set(ids.filter((_, at) => docs[at]?.found === false));
      },
    }),
    writesSearchable: startSampler({
      pollMs: SEARCH_EVERY_MS,
      look: async (ids) => {
        const found = await search(follower, index, ids);
        return new Set(ids.filter((id) => found.get(id) === LIVE_REVISION));
      },
    }),
    deletesUnsearchable: startSampler({
      pollMs: SEARCH_EVERY_MS,
      look: async (ids) => {
        const found = await search(follower, index, ids);
        return new Set(ids.filter((id) => !found.has(id)));
      },
    }),
  };
}

interface ReadDocument {
  readonly found?: boolean;
  readonly _source?: { readonly revision: number };
}

async function read(follower: Cluster, index: string, ids: readonly string[]): Promise<readonly ReadDocument[]> {
  const path = `/${index}/_mget?_source_includes=revision&filter_path=docs.found,docs._source`;
  return (await follower.json<{ docs: ReadDocument[] }>('POST', path, { ids })).docs;
}

/** The revision of each that a search finds. */
async function search(follower: Cluster, index: string, ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const { hits = { hits: [] } } = await follower.json<{
    hits?: { hits?: { _id: string; fields: { revision: [number] } }[] };
  }>('POST', `/${index}/_search?filter_path=hits.hits._id,hits.hits.fields`, {
    size: ids.length,
    query: { ids: { values: ids } },
    _source: false,
    docvalue_fields: ['revision'],
    track_total_hits: false,
  });
  return new Map((hits.hits ?? []).map(({ _id, fields }) => [_id, fields.revision[0]]));
}

/** Until both sides count the same. Throws when that takes too long. */
export async function untilSame(task: { world: World; leaderIndex: string; followerIndex: string }): Promise<number> {
  const { world, leaderIndex, followerIndex } = task;
  const { leader, follower, signal } = world;
  const count = async (cluster: Cluster, index: string): Promise<number> => {
    await cluster.call('POST', `/${index}/_refresh`);
    return (await cluster.json<{ count: number }>('GET', `/${index}/_count`)).count;
  };
  const expected = await count(leader, leaderIndex);
  const deadlineMs = performance.now() + SETTLED_WITHIN_MS;
  for (;;) {
    const found = await count(follower, followerIndex);
    if (found === expected) return expected;
    if (performance.now() > deadlineMs)
      throw new Error(`${followerIndex} holds ${found} documents, its leader ${expected}`);
    await delay(POLL_MS, undefined, { signal });
  }
}

const POLL_MS = 250;
