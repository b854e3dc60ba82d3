/** What a bulk does with documents that are refused, alone or in company; and that overload is never taken for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failed } from '../../../src/domain/failure.ts';
import type { BulkItem } from '../../../src/domain/wire/bulk-answer.ts';
import { scanSearchPage, type WireHit } from '../../../src/domain/wire/search-page.ts';
import type { FollowerCluster } from '../../../src/ports/follower-cluster.ts';
import { BufferPool } from '../../../src/domain/wire/buffer-pool.ts';
import { BulkWriter, type WrittenHits } from '../../../src/replication/bulk-writer.ts';
import { countingRandom, sleepingClock } from '../../support/control-bench.ts';
import { parseBulk } from '../../support/memory-search/memory-follower.ts';
import { answerText, hitText, utf8 } from '../wire/answer-text.ts';

const WRITTEN: BulkItem = { status: 201, result: 'created', errorType: undefined, errorReason: undefined };
const LIMIT_BYTES = 4000;

function refused(status: number, errorType: string, errorReason: string): BulkItem {
  return { status, result: undefined, errorType, errorReason };
}

/** In the follower's own words; `others` are the bytes in its books beside the operation itself. */
function pressure(others: number, chargeBytes: number): BulkItem {
  const reason = `rejected execution of primary operation [coordinating_and_primary_bytes=${others}, replica_bytes=0, all_bytes=${others}, primary_operation_bytes=${chargeBytes}, max_primary_bytes=${LIMIT_BYTES}]`;
  return refused(429, 'es_rejected_execution_exception', reason);
}

interface Run {
  readonly result: WrittenHits | undefined;
  readonly failure: Failed | undefined;
  readonly requests: readonly (readonly string[])[];
  readonly written: readonly string[];
}

/** Documents `d0`, `d1` ... with sources of these sizes, sent to a follower that answers each request as told. */
async function send(
  sizes: readonly number[],
  answer: (ids: readonly string[], bodyBytes: number) => readonly BulkItem[],
): Promise<Run> {
  const hits = sizes.map((size, at) =>
    hitText({ id: `"d${at}"`, seqNo: String(at), source: JSON.stringify({ text: 'x'.repeat(size) }) }),
  );
  const page = scanSearchPage(utf8(answerText(hits)));
  const requests: string[][] = [];
  const written: string[] = [];
  const bulk: FollowerCluster['bulk'] = async ({ body }) => {
    const ids = parseBulk(body).map(({ id }) => id);
    requests.push(ids);
    return answer(ids, body.length);
  };
  const writer = new BulkWriter({
    follower: { name: 'replica', bulk } as FollowerCluster,
    index: 'copy',
    clock: sleepingClock(),
    random: countingRandom(),
    limits: { operationsMax: 100, bytesMax: 1_000_000, outstandingMax: 1, retryDelayMaxMs: 100 },
    buffers: new BufferPool(1024 * 1024),
    events: { answered: () => undefined, unsure: () => undefined, retried: () => undefined },
  });
  const on = {
    versionOfHit: ({ seqNo }: WireHit) => seqNo + 1,
    written: ({ seqNo }: WireHit) => void written.push(`d${seqNo}`),
  };
  try {
    const result = await writer.writeHits(page, page.hits, on, new AbortController().signal);
    return { result, failure: undefined, requests, written };
  } catch (thrown) {
    if (!(thrown instanceof Failed)) throw thrown;
    return { result: undefined, failure: thrown, requests, written };
  }
}

function refusals({ result }: Run): readonly string[] {
  return (result?.refused ?? []).map(({ hit, code, reason }) => `d${hit.seqNo} ${code}: ${reason}`);
}

test('one refused document leaves the others written, and its reason holds no value', async () => {
  const secret =
    "failed to parse field [when] of type [date] in document with id 'd1'. Preview of field's value: 'secret'";
  const run = await send([10, 10, 10], (ids) =>
    ids.map((id) => (id === 'd1' ? refused(400, 'document_parsing_exception', secret) : WRITTEN)),
  );
  assert.deepEqual(refusals(run), [
    'd1 document_rejected: document_parsing_exception: failed to parse field [when] of type [date]',
  ]);
  assert.deepEqual(run.written, ['d0', 'd2']);
  assert.equal(run.requests.length, 1);
});

test('a document that never fits is found in company, by sending it alone', async () => {
  const run = await send([10, 5000, 10, 20], (ids, bodyBytes) =>
    ids.includes('d1') ? ids.map(() => pressure(bodyBytes, 20_000)) : ids.map(() => WRITTEN),
  );
  const [told, ...more] = refusals(run);
  assert.deepEqual(more, []);
  const above = "above the follower's indexing_pressure.memory.limit of 4000 bytes; the document needs";
  assert.match(told ?? '', new RegExp(`^d1 too_large_for_follower: ${above} 2\\d{4} bytes of it$`));
  assert.deepEqual(run.written.toSorted(), ['d0', 'd2', 'd3']);
  assert.ok(run.requests.some((ids) => ids.join() === 'd1'));
});

test('overload is waited for and refuses nothing, however long it lasts', async () => {
  let left = 4;
  const passing = await send([10, 3000, 10], (ids) => {
    left -= 1;
    return ids.map(() => (left >= 0 ? pressure(1_000_000, 100) : WRITTEN));
  });
  assert.deepEqual(refusals(passing), []);
  assert.deepEqual(passing.written.toSorted(), ['d0', 'd1', 'd2']);

  const lasting = await send([10, 3000, 10], (ids) => ids.map(() => pressure(1_000_000, 100)));
  assert.equal(lasting.failure?.failure.code, 'cluster_busy');
  const breaker = refused(429, 'circuit_breaking_exception', '[parent] Data too large, data for [bulk] would be');
  const heap = await send([3000], (ids) => ids.map(() => breaker));
  assert.equal(heap.failure?.failure.code, 'cluster_busy');
});

test('a missing privilege is no matter of the document', async () => {
  const run = await send([10], (ids) => ids.map(() => refused(403, 'security_exception', 'is unauthorized')));
  assert.equal(run.failure?.failure.code, 'forbidden');
});
