/** Windows without order are whole, whatever stands in them: every document of the ranges is read once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failed } from '../../../src/domain/failure.ts';
import { splitRange } from '../../../src/domain/ranges.ts';
import type { LeaderCluster, PageRequest } from '../../../src/ports/leader-cluster.ts';
import { ByteBudget } from '../../../src/replication/byte-budget.ts';
import { PageReader } from '../../../src/replication/page-reader.ts';
import type { PairProgress } from '../../../src/replication/pair-progress.ts';
import { copyRanges } from '../../../src/replication/range-copy.ts';
import { MemoryCluster } from '../../support/memory-search/memory-cluster.ts';
import { memoryLeader } from '../../support/memory-search/memory-leader.ts';

const never = AbortSignal.any([]);
const RANGES = 4;

interface Options {
  readonly documentsMax?: number;
  readonly refuse?: (size: number) => boolean;
  /** What becomes of a page. */
  readonly apply?: (seqNos: readonly number[]) => Promise<void>;
  readonly ended?: () => boolean;
}

interface Copied {
  readonly requests: readonly PageRequest[];
  readonly seen: readonly number[];
  readonly wanted: readonly number[];
  /** How often the end was told to be near. */
  readonly told: number;
}

/** `alive`: whether the document of a sequence number still stands. `refuse`: an answer that is too large. */
async function copied(
  operations: number,
  alive: (seqNo: number) => boolean,
  { documentsMax = 100, refuse = () => false, apply = () => Promise.resolve(), ended = () => false }: Options = {},
): Promise<Copied> {
  const cluster = new MemoryCluster({ name: 'left', monotonicMs: () => 0 });
  const { name } = cluster.createIndex('logs', { shards: 1 });
  // What is written again at the end leaves a hole where it stood.
  for (let seqNo = 0; seqNo < operations; seqNo += 1) cluster.write(name, { id: `d${seqNo}`, source: '{"n":1}' });
  for (let seqNo = 0; seqNo < operations; seqNo += 1)
    if (!alive(seqNo)) cluster.write(name, { id: `d${seqNo}`, source: '{"n":2}' });
  const memory = memoryLeader(cluster);
  await memory.refresh(name, never);
  const requests: PageRequest[] = [];
  const leader: LeaderCluster = {
    ...memory,
    readPage: (request, signal) => {
      requests.push(request);
      if (refuse(request.size)) return Promise.reject(failed('answer_too_large', { op: 'search', reason: 'so be it' }));
      return memory.readPage(request, signal);
    },
  };
  const budget = (): ByteBudget => new ByteBudget({ capacityBytes: 1e9, capacityOperations: 1e9 });
  const limits = { documentsMax, bytesTarget: 1e7 };
  const reader = new PageReader({ leader, budget: budget(), own: budget(), limits });
  const last = operations - 1;
  let reached = -1;
  const progress = {
    ranges: splitRange(-1, last, RANGES),
    advance: (to: number) => {
      reached = to;
    },
  } as unknown as PairProgress;
  const seen: number[] = [];
  const wish = { index: name, shard: 0, nodeId: 'node' };
  let told = 0;
  const nearlyDone = (): void => {
    told += 1;
  };
  await copyRanges({ reader, progress, wish, hands: RANGES, ended, nearlyDone }, never, async (page) => {
    const seqNos = page.hits.map((hit) => hit.seqNo);
    seen.push(...seqNos);
    await apply(seqNos);
  });
  assert.deepEqual([reached, told], ended() ? [-1, 0] : [last, 1]);
  const wanted = Array.from({ length: operations }, (_, seqNo) => seqNo).filter(alive);
  return { requests, seen: seen.toSorted((a, b) => a - b), wanted, told };
}

const width = ({ after, upTo = Number.NaN }: PageRequest): number => upTo - after;

test('where every number stands, windows have no order and are as wide as a page', async () => {
  const { requests, seen, wanted } = await copied(3_000, () => true);
  assert.deepEqual(seen, wanted);
  assert.ok(requests.every((request) => request.unsorted === true && width(request) <= request.size));
  assert.ok(requests.length < 60, `${requests.length} requests`);
});

test('where few stand, pages are in order, and no window is walked number by number', async () => {
  const { requests, seen, wanted } = await copied(3_000, (seqNo) => seqNo % 50 === 0);
  assert.deepEqual(seen, wanted);
  assert.ok(requests.length < 40, `${requests.length} requests`);
  assert.ok(requests.some((request) => request.unsorted !== true));
});

test('a range with holes beside dense ones goes its own way', async () => {
  const { requests, seen, wanted } = await copied(4_000, (seqNo) => seqNo >= 1_000 || seqNo % 100 === 0);
  assert.deepEqual(seen, wanted);
  const dense = requests.filter(({ after }) => after >= 1_000 - 1);
  assert.ok(dense.every((request) => request.unsorted === true));
});

test('a page that is too large is asked for again with a narrower window', async () => {
  const { requests, seen, wanted } = await copied(1_000, () => true, { refuse: (size) => size > 20 });
  assert.deepEqual(seen, wanted);
  assert.ok(requests.every((request) => request.unsorted !== true || width(request) <= request.size));
  assert.ok(requests.some(({ size }) => size > 20) && requests.some(({ size }) => size <= 20));
});

test('what a slow page keeps back is gone by the others, except for itself', async () => {
  const held = Promise.withResolvers<void>();
  let [outside, inside] = [0, 0];
  const { seen, wanted } = await copied(4_000, () => true, {
    apply: async (seqNos) => {
      // The second page of the first range is held until everything else is written.
      if (seqNos[0] === 4) return held.promise;
      outside += seqNos.filter((seqNo) => seqNo >= 1_000).length;
      inside += seqNos.filter((seqNo) => seqNo < 1_000).length;
      if (outside === 3_000 && inside >= 850) held.resolve();
    },
  });
  assert.deepEqual(
    [...new Set(seen)].toSorted((a, b) => a - b),
    wanted,
  );
  assert.ok(seen.length - wanted.length <= 100, `${seen.length - wanted.length} were written twice`);
});

test('hands that are to end at once begin nothing', async () => {
  const { requests, seen, told } = await copied(1_000, () => true, { ended: () => true });
  assert.deepEqual([requests, seen, told], [[], [], 0]);
});

test('where one range fails, the others end with the pages that they are at', async () => {
  let after = 0;
  let broken = false;
  const copying = copied(4_000, () => true, {
    apply: async () => {
      if (broken) after += 1;
      else {
        broken = true;
        throw new Error('so be it');
      }
      await Promise.resolve();
    },
  });
  await assert.rejects(copying, /so be it/);
  assert.ok(after <= 3, `${after} pages were written afterwards`);
});
