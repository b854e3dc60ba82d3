import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bulkVerdict, reasonWithoutContent, type BulkVerdict } from '../../../src/domain/bulk-verdict.ts';
import type { BulkItem } from '../../../src/domain/wire/bulk-answer.ts';

function item(parts: Partial<BulkItem>): BulkItem {
  return { status: 400, result: undefined, errorType: undefined, errorReason: undefined, ...parts };
}

const cases: readonly (readonly [Partial<BulkItem>, BulkVerdict])[] = [
  [{ status: 201, result: 'created' }, 'written'],
  [{ status: 200, result: 'updated' }, 'written'],
  [{ status: 200, result: 'deleted' }, 'written'],
  [{ status: 404, result: 'not_found' }, 'absent'],
  [{ status: 409, errorType: 'version_conflict_engine_exception' }, 'conflict'],
  [{ status: 429, errorType: 'es_rejected_execution_exception' }, 'busy'],
  [{ status: 413 }, 'too-large'],
  [{ status: 503, errorType: 'unavailable_shards_exception' }, 'unsure'],
  [{ status: 500 }, 'unsure'],
  [{ status: 403, errorType: 'cluster_block_exception' }, 'blocked'],
  [{ status: 429, errorType: 'cluster_block_exception' }, 'blocked'],
  [{ status: 400, errorType: 'index_closed_exception' }, 'blocked'],
  [{ status: 404, errorType: 'index_not_found_exception' }, 'gone'],
  [{ status: 400, errorType: 'document_parsing_exception' }, 'rejected'],
  [{ status: 400, errorType: 'strict_dynamic_mapping_exception' }, 'rejected'],
];

for (const [given, verdict] of cases) {
  test(`${given.status} ${given.result ?? given.errorType ?? 'without a type'} is ${verdict}`, () => {
    assert.equal(bulkVerdict(item(given)), verdict);
  });
}

test('a reason names the field and never the id or the value', () => {
  const secret = fc
    .oneof(
      fc.string({ unit: 'grapheme-ascii', minLength: 8, maxLength: 30 }),
      fc.constantFrom("it's. secret", "'. 'secret'. ", 'In document with id'),
    )
    .filter((text) => !/failed|parse|field|type|long|document/.test(text));
  fc.assert(
    fc.property(secret, secret, (id, value) => {
      for (const reason of [
        `[1:9] failed to parse field [price] of type [long] in document with id '${id}'. Preview of field's value: '${value}'`,
        `failed to parse field [price] of type [long] in document with id '${id}'. Preview of field's value: '${value}\n${value}'`,
        `For input string: "${value}"`,
        `failed to parse field [price] of type [long] in document with id '${id}'`,
      ]) {
        const told = reasonWithoutContent(item({ errorType: 'document_parsing_exception', errorReason: reason }));
        assert.ok(!told.includes(value) && !told.includes(id), told);
        assert.match(told, /^document_parsing_exception: /);
      }
    }),
  );
});

test('a reason is never empty and never long', () => {
  assert.equal(reasonWithoutContent(item({})), 'no type given: no reason given');
  const long = reasonWithoutContent(item({ errorType: 'x', errorReason: 'mapping '.repeat(1000) }));
  assert.equal(long.length, 500);
});
