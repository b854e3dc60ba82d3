/**
 * Random answers. Documents are made as lists of JSON tokens, so that any blanks (and the comments that Elasticsearch
 * keeps) can stand between them; what a document means is `JSON.parse` of the same tokens without any.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { decodeText, scanBulkAnswer } from '../../../src/domain/wire/bulk-answer.ts';
import { BulkBody, bulkIndexSizeBytes } from '../../../src/domain/wire/bulk-body.ts';
import { scanSearchPage, WireFormatError } from '../../../src/domain/wire/search-page.ts';
import { answerText, hitText, text, utf8 } from './answer-text.ts';

type Tokens = readonly string[];

const anyText = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.string({ unit: 'grapheme', maxLength: 12 }));
const stringToken = fc.oneof(
  { weight: 4, arbitrary: anyText.map((value) => JSON.stringify(value)) },
  {
    weight: 1,
    arbitrary: anyText.map(
      (value) =>
        `"${value.replaceAll(/[\s\S]/gu, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`,
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '"_id"',
      '"_source"',
      '"hits"',
      '"sort"',
      '"//"',
      '"/*"',
      '"\\\\"',
      '"\\""',
      '"\\\\\\""',
      '"\\ud800"',
      '"}"',
      '"\\/"',
    ),
  },
);
const scalarToken = fc.oneof(
  stringToken,
  fc.constantFrom(
    '1e400',
    '1.0',
    '-0',
    '-0.0',
    '9223372036854775807',
    'true',
    'false',
    'null',
    '1E+2',
    '12345678901234567890123',
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
);

function separated(parts: readonly Tokens[]): string[] {
  return parts.flatMap((part, i) => (i === 0 ? part : [',', ...part]));
}

const { object: documentTokens } = fc.letrec<{ value: Tokens; object: Tokens; array: Tokens }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    scalarToken.map((token): Tokens => [token]),
    tie('object'),
    tie('array'),
  ),
  array: fc.array(tie('value'), { maxLength: 4 }).map((items): Tokens => ['[', ...separated(items), ']']),
  object: fc
    // No key twice: V8's JSON.parse, the judge here, mistakes the second `"\\/"` of one object for another key it saw before.
    .uniqueArray(fc.tuple(stringToken, tie('value')), { maxLength: 4, selector: ([key]) => JSON.parse(key) as string })
    .map((members): Tokens => ['{', ...separated(members.map(([key, value]) => [key, ':', ...value])), '}']),
}));

const blank = fc.constantFrom('', '', '', ' ', '\n', '\r\n', '\t', '  \n  ');
const blankOrComment = fc.oneof(
  { weight: 6, arbitrary: blank },
  { weight: 1, arbitrary: fc.constantFrom('/* " } */', '// it\'s " {\n', '//\r', '/**/', '/*/ \n*/') },
);

/** The tokens with something from `gaps` between any two of them. */
function spread(tokens: Tokens, gaps: readonly string[]): string {
  return tokens.map((token, i) => (i === 0 ? token : (gaps[i % Math.max(gaps.length, 1)] ?? '') + token)).join('');
}

/** JSON text as tokens, for documents without comments. */
function tokensOf(json: string): string[] {
  return json.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gsu) ?? [];
}

const randomHit = fc.record({
  id: anyText,
  routing: fc.option(anyText, { nil: undefined }),
  seqNo: fc.maxSafeNat(),
  version: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  tokens: documentTokens,
  gaps: fc.array(blankOrComment, { minLength: 1, maxLength: 12 }),
  before: fc.constantFrom('', ' ', '\ufeff', '\ufeff\r\n'),
  after: fc.constantFrom('', ' ', '\n', ' /* " } */ \n'),
  extra: fc.subarray([
    '"_score":1.5e-3',
    '"_ignored":["x","}"]',
    '"fields":{"_id":["y"]}',
    '"matched_queries":["\\""]',
    '"_primary_term":4',
  ]),
  order: fc.array(fc.nat(), { minLength: 10, maxLength: 10 }),
});
type RandomHit = typeof randomHit extends fc.Arbitrary<infer T> ? T : never;

function randomHitText(hit: RandomHit, source: string): string {
  const members = [
    `"_id":${JSON.stringify(hit.id)}`,
    ...(hit.routing === undefined ? [] : [`"_routing":${JSON.stringify(hit.routing)}`]),
    `"_seq_no":${hit.seqNo}`,
    `"_source":${hit.before}${source}${hit.after}`,
    ...hit.extra,
  ];
  const rank = (member: string): number => hit.order[members.indexOf(member)] ?? 0;
  return `{${members.toSorted((a, b) => rank(a) - rank(b)).join(',')}}`;
}

test('the slices of any hits are their own bytes, and the bulk made of them is two lines each', () => {
  fc.assert(
    fc.property(fc.array(randomHit, { maxLength: 6 }), (hits) => {
      const sources = hits.map((hit) => spread(hit.tokens, hit.gaps));
      const page = scanSearchPage(utf8(answerText(hits.map((hit, i) => randomHitText(hit, sources[i] ?? '')))));
      assert.equal(page.hits.length, hits.length);
      const bulk = new BulkBody(8);
      let bound = 0;
      for (const [i, found] of page.hits.entries()) {
        const hit = hits[i];
        assert.ok(hit);
        assert.equal(text(page.body.subarray(found.sourceStart, found.sourceEnd)), sources[i]);
        assert.equal(text(page.body.subarray(found.idStart, found.idEnd)), JSON.stringify(hit.id));
        assert.equal(decodeText(page.body, found.idStart, found.idEnd), hit.id);
        assert.equal(
          found.routingStart < 0 ? undefined : decodeText(page.body, found.routingStart, found.routingEnd),
          hit.routing,
        );
        assert.equal(found.seqNo, hit.seqNo);
        bulk.addIndex(page, found, hit.version);
        bound += bulkIndexSizeBytes(found);
      }
      assert.ok(bulk.sizeBytes <= bound && bound - bulk.sizeBytes <= 16 * hits.length);
      const lines = text(bulk.bytes()).split('\n');
      assert.equal(lines.pop(), '');
      assert.equal(lines.length, 2 * hits.length);
      for (const [i, hit] of hits.entries()) {
        const routing = hit.routing === undefined ? {} : { routing: hit.routing };
        assert.deepEqual(JSON.parse(lines[2 * i] ?? ''), {
          index: { _id: hit.id, ...routing, version: hit.version, version_type: 'external_gte' },
        });
        const line = lines[2 * i + 1] ?? '';
        assert.ok(!line.includes('\r'));
        assert.equal(utf8(line).length, utf8(sources[i] ?? '').length);
        // Block comments stay, so they are taken out here, outside of strings only.
        const bare = line.replaceAll(/"(?:[^"\\]|\\.)*"|\/\*.*?\*\//gsu, (part) => (part.startsWith('"') ? part : ''));
        assert.deepEqual(JSON.parse(bare), JSON.parse(hit.tokens.join('')));
      }
    }),
    { numRuns: 600 },
  );
});

test('blanks between any tokens of the answer change nothing', () => {
  fc.assert(
    fc.property(
      fc.array(documentTokens, { maxLength: 3 }),
      fc.array(blank, { minLength: 1, maxLength: 9 }),
      (documents, gaps) => {
        const plain = answerText(documents.map((tokens, i) => hitText({ seqNo: String(i), source: tokens.join('') })));
        const page = scanSearchPage(utf8(spread(tokensOf(plain), gaps)));
        assert.deepEqual(
          page.hits.map((hit) => [
            hit.seqNo,
            tokensOf(text(page.body.subarray(hit.sourceStart, hit.sourceEnd))).join(''),
          ]),
          documents.map((tokens, i) => [i, tokens.join('')]),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test('any truncation of any answer is refused', () => {
  fc.assert(
    fc.property(
      fc.array(randomHit, { minLength: 1, maxLength: 2 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (hits, share) => {
        const body = utf8(answerText(hits.map((hit) => randomHitText(hit, spread(hit.tokens, hit.gaps)))));
        assert.throws(() => scanSearchPage(body.subarray(0, Math.floor(body.length * share))), WireFormatError);
      },
    ),
    { numRuns: 600 },
  );
});

const damage = fc.array(
  fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(...utf8('"\\{}[]:,/*\n\r 0')), fc.integer({ min: 0, max: 255 }))),
  { minLength: 1, maxLength: 6 },
);

function damaged(body: Uint8Array, changes: readonly (readonly [number, number])[]): Uint8Array {
  const copy = body.slice();
  for (const [place, byte] of changes) copy[place % copy.length] = byte;
  return copy;
}

test('a damaged search answer is refused, or gives slices within it that still make whole bulk lines', () => {
  const body = utf8(
    answerText([
      hitText({ id: '"a\\"é"', more: ',"_routing":"r\\\\"', source: '{"a":"\\"}","b":[1.0,{"c":null}] // x\n}\n' }),
      hitText({ source: '{"delete":{"_id":"z"}}' }),
    ]),
  );
  let accepted = 0;
  fc.assert(
    fc.property(damage, (changes) => {
      const wrong = damaged(body, changes);
      let page;
      try {
        page = scanSearchPage(wrong);
      } catch (error) {
        assert.ok(error instanceof WireFormatError, String(error));
        return;
      }
      accepted++;
      const bulk = new BulkBody();
      for (const hit of page.hits) {
        for (const [start, end] of [
          [hit.idStart, hit.idEnd],
          [hit.routingStart, hit.routingEnd],
          [hit.sourceStart, hit.sourceEnd],
        ] as const) {
          assert.ok((start === -1 && end === -1) || (start >= 0 && start < end && end <= wrong.length));
        }
        if (hit.sourceStart >= 0) bulk.addIndex(page, hit, 1);
      }
      assert.equal(bulk.bytes().filter((byte) => byte === 0x0a).length, 2 * bulk.operations);
    }),
    { numRuns: 5000 },
  );
  assert.ok(accepted > 0, 'some damage lies within documents and is not seen');
});

test('a damaged bulk answer is refused or has the expected number of items', () => {
  const body = utf8(
    '{"errors":true,"items":[{"index":{"result":"created","status":201}},{"index":{"result":"created","status":201}},{"index":{"status":409,"error":{"type":"x","reason":"y"}}}]}',
  );
  fc.assert(
    fc.property(damage, (changes) => {
      try {
        assert.equal(scanBulkAnswer(damaged(body, changes), 3).length, 3);
      } catch (error) {
        assert.ok(error instanceof WireFormatError, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});
