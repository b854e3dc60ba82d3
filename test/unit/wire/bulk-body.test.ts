import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BulkBody, bulkIndexSizeBytes } from '../../../src/domain/wire/bulk-body.ts';
import { scanSearchPage } from '../../../src/domain/wire/search-page.ts';
import { answerText, hitText, text, utf8 } from './answer-text.ts';

function bulkOf(hits: readonly string[], version: number): string {
  const page = scanSearchPage(utf8(answerText(hits)));
  const bulk = new BulkBody(16);
  for (const hit of page.hits) {
    const before = bulk.sizeBytes;
    bulk.addIndex(page, hit, version);
    const bound = bulkIndexSizeBytes(hit);
    const added = bulk.sizeBytes - before;
    assert.ok(added <= bound && bound - added <= 16, `${added} bytes, announced as ${bound}`);
  }
  assert.equal(bulk.operations, hits.length);
  return text(bulk.bytes());
}

test('a hit becomes an action line and its own bytes', () => {
  assert.equal(
    bulkOf([hitText({ id: '"Ä\\n"', source: '{"a":1.0,"b":"\\ud800"}' })], 2 ** 44 + 5),
    '{"index":{"_id":"Ä\\n","version":17592186044421,"version_type":"external_gte"}}\n{"a":1.0,"b":"\\ud800"}\n',
  );
});

test('the routing goes with it, an empty one too', () => {
  assert.equal(
    bulkOf(
      [hitText({ more: ',"_routing":"r\\u0007"', source: '{}' }), hitText({ more: ',"_routing":""', source: '{}' })],
      1,
    ),
    '{"index":{"_id":"a","routing":"r\\u0007","version":1,"version_type":"external_gte"}}\n{}\n' +
      '{"index":{"_id":"a","routing":"","version":1,"version_type":"external_gte"}}\n{}\n',
  );
});

test('every version up to 2^53-1 is written exactly', () => {
  for (const version of [
    1,
    9,
    10,
    99,
    100,
    12345678,
    99999999,
    100000000,
    123456789,
    2 ** 44,
    511 * 2 ** 44,
    9007199254740990,
    Number.MAX_SAFE_INTEGER,
  ]) {
    assert.match(bulkOf([hitText({ source: '{}' })], version), new RegExp(`"version":${version},`, 'u'));
  }
});

test('a version that cannot be one appends nothing', () => {
  const page = scanSearchPage(utf8(answerText([hitText({ source: '{}' })])));
  const [hit] = page.hits;
  assert.ok(hit);
  const bulk = new BulkBody();
  for (const version of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => bulk.addIndex(page, hit, version), /version/u);
    assert.throws(() => bulk.addDelete('a', undefined, version), /version/u);
  }
  assert.deepEqual([bulk.sizeBytes, bulk.operations], [0, 0]);
});

test('a hit without a document is never written', () => {
  const page = scanSearchPage(utf8(answerText([hitText({})])));
  const [hit] = page.hits;
  assert.ok(hit);
  assert.throws(() => new BulkBody().addIndex(page, hit, 1), /_source/u);
});

test('line breaks between tokens become spaces and those in strings stay escaped', () => {
  const bulk = bulkOf([hitText({ source: '{\r\n  "a" : "x\\ny",\n\t"b":[1,\r2]\n}\r\n' })], 1);
  assert.equal(bulk.split('\n')[1], '{    "a" : "x\\ny", \t"b":[1, 2] }');
});

test('line comments become spaces, so that they do not swallow the rest of the line', () => {
  const bulk = bulkOf([hitText({ source: '{"a":"// \\" /*", // it\'s " }\r\n"b":2 /* " \n { // */ }' })], 1);
  assert.equal(bulk.split('\n')[1], `{"a":"// \\" /*", ${' '.repeat('// it\'s " }'.length)}  "b":2 /* "   { // */ }`);
});

test('a delete is one line', () => {
  const bulk = new BulkBody();
  bulk.addDelete('a"\\\n😀\ud800', undefined, 3);
  bulk.addDelete('b', 'r', 4);
  assert.equal(
    text(bulk.bytes()),
    '{"delete":{"_id":"a\\"\\\\\\n😀\\ud800","version":3,"version_type":"external_gte"}}\n' +
      '{"delete":{"_id":"b","routing":"r","version":4,"version_type":"external_gte"}}\n',
  );
  assert.equal(bulk.operations, 2);
});

test('a cleared body starts again and gives back what it grew by', () => {
  const page = scanSearchPage(
    utf8(answerText([hitText({ source: `{"a":"${'x'.repeat(100_000)}"}` }), hitText({ source: '{}' })])),
  );
  const [large, small] = page.hits;
  assert.ok(large && small);
  const bulk = new BulkBody(1000);
  bulk.addIndex(page, small, 1);
  const once = text(bulk.bytes());
  bulk.addIndex(page, large, 2);
  bulk.addIndex(page, small, 1);
  assert.ok(text(bulk.bytes()).startsWith(once) && text(bulk.bytes()).endsWith(once));
  assert.ok(bulk.bytes().buffer.byteLength > 100_000);
  bulk.clear();
  assert.deepEqual([bulk.sizeBytes, bulk.operations, bulk.bytes().length], [0, 0, 0]);
  bulk.addIndex(page, small, 1);
  assert.equal(text(bulk.bytes()), once);
  assert.equal(bulk.bytes().buffer.byteLength, 1000);
});

test('the bytes are a view on the body, not a copy', () => {
  const bulk = new BulkBody(1000);
  bulk.addDelete('a', undefined, 1);
  assert.equal(bulk.bytes().buffer, bulk.bytes().buffer);
});
