/** A hit after another one means what it means when it stands alone, however much the two are alike. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HitPool } from '../../../src/domain/wire/hit-pool.ts';
import { scanSearchPage, WireFormatError } from '../../../src/domain/wire/search-page.ts';
import { answerText, utf8 } from './answer-text.ts';

const id = fc.oneof(fc.constantFrom('a', '"', '\\', '}', ',"_seq_no":9'), fc.string({ unit: 'binary', maxLength: 12 }));
const source = fc.constantFrom(
  '{}',
  '{"a":1}',
  '{"_id":"x","_seq_no":1,"sort":[3]}',
  '\ufeff{"a":"}"}',
  '{"a":\n[1]} ',
  '{"a":1}/* } */',
);
const between = fc.constantFrom(
  '"_primary_term":1,',
  '"_primary_term":2,',
  '"_score":null,',
  '"_version":7,',
  '"_routing":"r",',
  '',
);
const hit = fc
  .record({
    id,
    seqNo: fc.nat(3000),
    source,
    before: between,
    after: between,
    sort: fc.constantFrom(',"sort":[1]', ',"sort":[12,"x"]', ',"sort":[ ]', ''),
    end: fc.constantFrom('', '', '', ',"fields":{}', ' '),
  })
  .map(
    ({ id: name, seqNo, source: document, before, after, sort, end }) =>
      `{"_index":"i","_id":${JSON.stringify(name)},${before}"_seq_no":${seqNo},${after}"_source":${document}${sort}${end}}`,
  );

function scanned(hits: readonly string[], pool?: HitPool): object[] | string {
  const body = utf8(answerText(hits));
  try {
    return scanSearchPage(body, { pool }).hits.map((found) => ({
      seqNo: found.seqNo,
      primaryTerm: found.primaryTerm,
      version: found.version,
      multiline: found.sourceMultiline,
      texts: [
        [found.idStart, found.idEnd],
        [found.routingStart, found.routingEnd],
        [found.sourceStart, found.sourceEnd],
      ].map(([start = -1, end = -1]) => (start < 0 ? undefined : Buffer.from(body.subarray(start, end)).toString())),
    }));
  } catch (error) {
    assert.ok(error instanceof WireFormatError);
    return error.expected;
  }
}

test('every hit of a page is read as if it were the only one', () => {
  fc.assert(
    fc.property(fc.array(hit, { minLength: 1, maxLength: 5 }), (hits) => {
      // Most hits of a page are alike.
      const page = hits.flatMap((each) => [each, each.replace(/"_seq_no":\d+/, '"_seq_no":77')]);
      const alone = page.map((each) => scanned([each]));
      const told = scanned(page);
      const fault = alone.find((each) => typeof each === 'string');
      if (fault === undefined) assert.deepEqual(told, alone.flat());
      else assert.equal(told, fault);
    }),
    { numRuns: 500 },
  );
});

test('a byte that is another one is noticed wherever it stands', () => {
  const plain = '{"_index":"i","_id":"a","_seq_no":1,"_primary_term":1,"_source":{"a":1},"sort":[1]}';
  fc.assert(
    fc.property(
      fc.nat(plain.length - 1),
      fc.constantFrom('"', '{', '}', ',', ':', '[', ']', '1', ' ', 'x', '\n'),
      (at, byte) => {
        const changed = plain.slice(0, at) + byte + plain.slice(at + 1);
        const alone = scanned([changed]);
        const told = scanned([plain, changed, plain]);
        if (typeof alone === 'string') assert.equal(typeof told, 'string');
        else assert.deepEqual(told, [scanned([plain]), alone, scanned([plain])].flat());
      },
    ),
    { numRuns: 800 },
  );
});

test('hits that are used again keep nothing of what they were', () => {
  const pool = new HitPool(8);
  const routed = '{"_id":"a","_routing":"r","_version":3,"_seq_no":1,"_primary_term":4,"_source":{\n},"sort":[1]}';
  const plain = '{"_id":"b","_seq_no":2,"_source":{},"sort":[2]}';
  for (const hits of [
    [routed, routed],
    [plain, plain, routed, plain],
  ]) {
    const page = scanSearchPage(utf8(answerText(hits)), { pool });
    assert.deepEqual(scanned(hits, pool), scanned(hits));
    pool.give(page.hits);
  }
});
