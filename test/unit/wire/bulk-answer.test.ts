import assert from 'node:assert/strict';
import { test } from 'node:test';

import { scanBulkAnswer } from '../../../src/domain/wire/bulk-answer.ts';
import { WireFormatError } from '../../../src/domain/wire/search-page.ts';
import { utf8 } from './answer-text.ts';

const created = '{"index":{"status":201}}';
const updated = '{"index":{"status":200}}';
const conflict =
  '{"index":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"[a]: version conflict \\"é\\"","index_uuid":"u","shard":"0","caused_by":{"type":"inner","reason":"not this"}}}}';

function answer(items: readonly string[], errors = false): Uint8Array {
  return utf8(`{"errors":${errors},"items":[${items.join(',')}]}`);
}

test('an answer without errors gives one outcome for each item, in order', () => {
  const items = scanBulkAnswer(
    answer([created, created, updated, '{"delete":{"status":200}}', '{"delete":{"status":404}}', created]),
    6,
  );
  assert.deepEqual(
    items.map((item) => [item.status, item.result, item.errorType, item.errorReason]),
    [
      [201, 'created', undefined, undefined],
      [201, 'created', undefined, undefined],
      [200, 'updated', undefined, undefined],
      [200, 'deleted', undefined, undefined],
      [404, 'not_found', undefined, undefined],
      [201, 'created', undefined, undefined],
    ],
  );
});

test('a failed item carries the type and the reason of its outermost error', () => {
  const items = scanBulkAnswer(answer([created, conflict, created], true), 3);
  assert.deepEqual(items[1], {
    status: 409,
    result: undefined,
    errorType: 'version_conflict_engine_exception',
    errorReason: '[a]: version conflict "é"',
  });
  assert.deepEqual([items[0]?.result, items[2]?.result], ['created', 'created']);
});

test('members may come in any order, with blanks, and unknown ones are skipped', () => {
  const items = scanBulkAnswer(
    utf8(
      '\n{ "items" : [ { "index" : { "_id" : "a", "status" : 201 , "_shards":{"total":1}, "result" : "invented" } } ] , "took":1, "errors" : false }\n',
    ),
    1,
  );
  assert.equal(items[0]?.status, 201);
});

test('an error without a reason is still an error', () => {
  const [item] = scanBulkAnswer(answer(['{"index":{"status":500,"error":{"type":"x","reason":null}}}'], true), 1);
  assert.deepEqual(item, { status: 500, result: undefined, errorType: 'x', errorReason: undefined });
});

const ambiguous: Record<string, [Uint8Array, number]> = {
  'too few items': [answer([created]), 2],
  'too many items': [answer([created, created]), 1],
  'no items': [utf8('{"errors":false}'), 0],
  'no errors flag': [utf8(`{"items":[${created}]}`), 1],
  'an errors flag that contradicts a failed item': [answer([conflict]), 1],
  'an errors flag without a failed item': [answer([created], true), 1],
  'an item without a status': [answer(['{"index":{}}']), 1],
  'an item of an action that is not used': [answer(['{"create":{"status":201}}']), 1],
  'an indexed item whose status says nothing': [answer(['{"index":{"status":202}}']), 1],
  'an indexed item that was not found': [answer(['{"index":{"status":404}}']), 1],
  'a deleted item that was created': [answer(['{"delete":{"status":201}}']), 1],
  'a failed item without an error': [answer(['{"index":{"status":500}}'], true), 1],
  'an item with an error that is not told of': [answer(['{"index":{"status":200,"error":{}}}']), 1],
  'an item with two actions': [answer(['{"index":{"status":201},"delete":{"status":200}}']), 1],
  'an item without an action': [answer(['{}']), 1],
  'an item that is no object': [answer(['201']), 1],
  'two lists of items': [utf8(`{"errors":false,"items":[${created}],"items":[${created}]}`), 1],
  'an error of the whole request': [utf8('{"error":{"type":"x","reason":"y"},"status":429}'), 1],
  'a page of a proxy': [utf8('<html>502</html>'), 1],
  nothing: [new Uint8Array(), 0],
};
for (const [name, [body, expectedItems]] of Object.entries(ambiguous)) {
  test(`${name}: the answer is ambiguous`, () => {
    assert.throws(() => scanBulkAnswer(body, expectedItems), WireFormatError);
  });
}

test('every truncation of an answer is refused', () => {
  const body = answer([created, created, updated, conflict, created], true);
  assert.equal(scanBulkAnswer(body, 5).length, 5);
  for (let length = 0; length < body.length; length++) {
    for (let items = 0; items <= 5; items++)
      assert.throws(() => scanBulkAnswer(body.slice(0, length), items), WireFormatError);
  }
});
