/** The byte codec between two real clusters: what one returns, the other takes, and both then hold the same bytes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { decodeText, scanBulkAnswer } from '../../src/domain/wire/bulk-answer.ts';
import { BulkBody } from '../../src/domain/wire/bulk-body.ts';
import { scanSearchPage, type SearchPage, WireFormatError } from '../../src/domain/wire/search-page.ts';

function url(variable: string): string {
  const value = process.env[variable];
  assert.ok(value, `${variable} must hold the url of a running cluster`);
  return value;
}

const leader = url('SLIPSTREAM_LEADER_URL');
const follower = url('SLIPSTREAM_FOLLOWER_URL');
const index = `wire-int-${process.pid}-${Date.now()}`;
const BULK = '_bulk?pipeline=_none&require_alias=false&refresh=true&filter_path=errors,items.*.status,items.*.error';

async function send(
  method: string,
  address: string,
  body?: string | Uint8Array<ArrayBuffer>,
  type = 'application/json',
): Promise<{ status: number; body: Uint8Array }> {
  const response = await fetch(
    address,
    body === undefined ? { method } : { method, headers: { 'content-type': type }, body },
  );
  return { status: response.status, body: await response.bytes() };
}

async function ok(
  method: string,
  address: string,
  body?: string | Uint8Array<ArrayBuffer>,
  type?: string,
): Promise<Uint8Array> {
  const answer = await send(method, address, body, type);
  assert.ok(answer.status < 300, `${method} ${address}: ${answer.status} ${text(answer.body)}`);
  return answer.body;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

/** `stored` as it was sent to the leader; `copied` where the follower's bytes are meant to differ. */
interface Nasty {
  readonly id: string;
  readonly routing?: string;
  readonly stored: string;
  readonly copied?: string;
}

const nasty: readonly Nasty[] = [
  {
    id: 'numbers',
    stored: '{"a":1e400,"b":9223372036854775807,"c":12345678901234567890123,"d":1.0,"e":-0.0,"f":1E+2}',
  },
  {
    id: 'keys',
    stored: '{"_id":"x","_seq_no":9,"_source":{"hits":{"hits":[{"_id":"y"}]}},"sort":[1],"_routing":"no"}',
  },
  {
    id: 'strings',
    stored: '{"a":"},\\"sort\\":[7]},{\\"_id\\":\\"b\\"","b":"\\\\","\\"}":"\\/\\u00e9\\ud800\\u0000","c":"// /* x"}',
  },
  { id: 'utf8', stored: '{"é":"東京 😀 \u2028\u0085\ufeff\u007f"}' },
  { id: 'blank', stored: '{ "a" : [ 1 , { } ] ,\t"b" : null }' },
  { id: 'empty', stored: '{}' },
  { id: 'deep', stored: `${'{"a":['.repeat(400)}1${']}'.repeat(400)}` },
  { id: `${'"\\\u0001\n😀é'.repeat(40)}`, routing: 'r"\\\u0007é😀/', stored: '{"a":1}' },
  { id: 'a/b?c d#e%', routing: ' ', stored: '{"a":2}' },
  { id: 'pretty', stored: '{\r\n  "x": [1,\n 2]\r}\r\n', copied: '{    "x": [1,  2] }' },
  { id: 'mark', stored: '\ufeff{"a":3}', copied: '{"a":3}' },
  { id: 'block comments', stored: '{"a":/**/1 /* " } */ ,"b":2} /* } */ ', copied: '{"a":/**/1 /* " } */ ,"b":2}' },
  {
    id: 'line comments',
    stored: '{"a":1, // it is " }\n"b":2}',
    copied: `{"a":1, ${' '.repeat('// it is " }'.length)} "b":2}`,
  },
];

const docUrl = (cluster: string, endpoint: string, doc: Nasty): string =>
  `${cluster}/${index}/${endpoint}/${encodeURIComponent(doc.id)}${doc.routing === undefined ? '' : `?routing=${encodeURIComponent(doc.routing)}`}`;

const search = `${leader}/${index}/_search?preference=_shards:0&seq_no_primary_term=true&sort=_seq_no:asc&size=100&track_total_hits=true`;

async function readPage(): Promise<SearchPage> {
  await ok('POST', `${leader}/${index}/_refresh`);
  return scanSearchPage(await ok('GET', search));
}

before(async () => {
  const settings = { settings: { number_of_shards: 1, number_of_replicas: 0 }, mappings: { enabled: false } };
  for (const cluster of [leader, follower]) await ok('PUT', `${cluster}/${index}`, JSON.stringify(settings));
});

after(async () => {
  for (const cluster of [leader, follower]) await ok('DELETE', `${cluster}/${index}`);
});

test('documents of every kind arrive on the follower byte for byte', async () => {
  for (const doc of nasty) await ok('PUT', docUrl(leader, '_doc', doc), doc.stored);
  const page = await readPage();
  assert.deepEqual([page.total, page.totalRelation, page.hits.length], [nasty.length, 'eq', nasty.length]);
  const bulk = new BulkBody();
  for (const [i, hit] of page.hits.entries()) {
    assert.equal(hit.seqNo, i);
    assert.equal(hit.primaryTerm, 1);
    assert.equal(decodeText(page.body, hit.idStart, hit.idEnd), nasty[i]?.id);
    bulk.addIndex(page, hit, 2 ** 44 + hit.seqNo);
  }
  for (const result of ['created', 'updated']) {
    const items = scanBulkAnswer(
      await ok('POST', `${follower}/${index}/${BULK}`, bulk.bytes(), 'application/x-ndjson'),
      bulk.operations,
    );
    assert.deepEqual(
      items.map((item) => item.result),
      nasty.map(() => result),
    );
  }
  for (const doc of nasty) {
    assert.equal(text(await ok('GET', docUrl(leader, '_source', doc))), doc.stored);
    assert.equal(text(await ok('GET', docUrl(follower, '_source', doc))), doc.copied ?? doc.stored);
  }
});

test('deletes with a version remove what was written, and an older write is refused as a conflict', async () => {
  const page = await readPage();
  const bulk = new BulkBody();
  for (const doc of nasty) bulk.addDelete(doc.id, doc.routing, 2 ** 45);
  for (const hit of page.hits) bulk.addIndex(page, hit, 2 ** 44 + hit.seqNo);
  bulk.addDelete('never there', undefined, 1);
  const items = scanBulkAnswer(
    await ok('POST', `${follower}/${index}/${BULK}`, bulk.bytes(), 'application/x-ndjson'),
    bulk.operations,
  );
  for (const item of items.slice(0, nasty.length)) assert.deepEqual([item.status, item.result], [200, 'deleted']);
  for (const item of items.slice(nasty.length, -1))
    assert.deepEqual([item.status, item.errorType], [409, 'version_conflict_engine_exception']);
  assert.deepEqual([items.at(-1)?.status, items.at(-1)?.result], [404, 'not_found']);
});

test('a document that ends in a line comment is refused by name, and can be read in the words of the cluster', async () => {
  const doc: Nasty = { id: 'open end', stored: '{"a":1} // "' };
  await ok('PUT', docUrl(leader, '_doc', doc), doc.stored);
  await assert.rejects(
    readPage(),
    (error) => error instanceof WireFormatError && error.problem === 'source_ends_in_line_comment',
  );
  // A filter that matches nothing makes Elasticsearch write the document anew: numbers may change their form.
  const page = scanSearchPage(await ok('GET', `${search}&_source_excludes=no.such.field`));
  const hit = page.hits.at(-1);
  assert.ok(hit);
  assert.equal(text(page.body.subarray(hit.sourceStart, hit.sourceEnd)), '{"a":1}');
});

test('an error of the cluster is no empty page', async () => {
  const { status, body } = await send('GET', `${leader}/${index}-missing/_search`);
  assert.equal(status, 404);
  assert.throws(() => scanSearchPage(body), WireFormatError);
});
