import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeText } from '../../../src/domain/wire/bulk-answer.ts';
import {
  scanSearchPage,
  type SearchPage,
  type WireHit,
  WireFormatError,
} from '../../../src/domain/wire/search-page.ts';
import { answerText, hitText, text, utf8 } from './answer-text.ts';

function onlyHit(page: SearchPage): WireHit {
  assert.equal(page.hits.length, 1);
  const [hit] = page.hits;
  assert.ok(hit);
  return hit;
}

function slice(page: SearchPage, start: number, end: number): string {
  return text(page.body.subarray(start, end));
}

function sourceOf(source: string): string {
  const page = scanSearchPage(utf8(answerText([hitText({ source })])));
  const hit = onlyHit(page);
  return slice(page, hit.sourceStart, hit.sourceEnd);
}

function refused(body: string | Uint8Array): WireFormatError {
  try {
    scanSearchPage(typeof body === 'string' ? utf8(body) : body);
  } catch (error) {
    assert.ok(error instanceof WireFormatError, String(error));
    assert.ok(error.offset >= 0 && error.offset <= body.length, `offset ${error.offset}`);
    assert.notEqual(error.expected, '');
    return error;
  }
  assert.fail('the answer was accepted');
}

test('a hit is found as slices of the answer', () => {
  const page = scanSearchPage(
    utf8(answerText([hitText({ id: '"Ä\\n\\"x"', more: ',"_version":3,"_routing":"r\\u0007"', source: '{"a":1.0}' })])),
  );
  const hit = onlyHit(page);
  assert.equal(slice(page, hit.idStart, hit.idEnd), '"Ä\\n\\"x"');
  assert.equal(decodeText(page.body, hit.idStart, hit.idEnd), 'Ä\n"x');
  assert.equal(decodeText(page.body, hit.routingStart, hit.routingEnd), 'r\u0007');
  assert.equal(slice(page, hit.sourceStart, hit.sourceEnd), '{"a":1.0}');
  assert.deepEqual([hit.seqNo, hit.primaryTerm, hit.version, hit.sourceMultiline], [7, 1, 3, false]);
});

test('a hit without routing, source, version and primary term says so', () => {
  const hit = onlyHit(scanSearchPage(utf8(answerText(['{"_id":"1","_seq_no":0}']))));
  assert.deepEqual([hit.routingStart, hit.routingEnd, hit.sourceStart, hit.sourceEnd], [-1, -1, -1, -1]);
  assert.deepEqual([hit.version, hit.primaryTerm], [undefined, undefined]);
});

test('the envelope is read', () => {
  const page = scanSearchPage(
    utf8(
      '{"pit_id":"p==","took":3,"timed_out":true,"terminated_early":true,"_shards":{"total":5,"successful":4,"skipped":2,"failed":1,"failures":[{"shard":0}]},' +
        '"hits":{"total":{"value":9007199254740991,"relation":"gte"},"max_score":1.5,"hits":[]},"aggregations":{"m":{"value":1.0E2}},"status":200}',
    ),
  );
  assert.equal(page.pitId, 'p==');
  assert.equal(page.timedOut, true);
  assert.equal(page.terminatedEarly, true);
  assert.deepEqual(page.shards, { total: 5, successful: 4, skipped: 2, failed: 1 });
  assert.deepEqual([page.total, page.totalRelation, page.hits.length], [Number.MAX_SAFE_INTEGER, 'gte', 0]);
  assert.deepEqual(
    [...page.other].map(([key, [start, end]]) => [key, slice(page, start, end)]),
    [
      ['took', '3'],
      ['aggregations', '{"m":{"value":1.0E2}}'],
      ['status', '200'],
    ],
  );
});

test('an untracked total is unknown, and nothing else is claimed', () => {
  const page = scanSearchPage(
    utf8(
      '{"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"max_score":null,"hits":[]}}',
    ),
  );
  assert.deepEqual(
    [page.total, page.totalRelation, page.pitId, page.terminatedEarly],
    [undefined, undefined, undefined, false],
  );
});

test('members of a hit may come in any order, and unknown ones are skipped', () => {
  const unknown =
    ',"_ignored":["a"],"ignored_field_values":{"a":["}"]},"fields":{"_id":["x"]},"matched_queries":["q"],"inner_hits":{"c":{"hits":{"hits":[{"_id":"inner","_seq_no":1,"_source":{}}]}}}';
  const page = scanSearchPage(
    utf8(
      answerText([
        `{"sort":[1,"x",[2]],"_source":{"a":[]},"_seq_no":4${unknown},"_routing":"r","_id":"z","_score":1.5e-3}`,
      ]),
    ),
  );
  const hit = onlyHit(page);
  assert.equal(hit.seqNo, 4);
  assert.equal(slice(page, hit.idStart, hit.idEnd), '"z"');
  assert.equal(slice(page, hit.sourceStart, hit.sourceEnd), '{"a":[]}');
});

const documents: Record<string, string> = {
  'with the keys of a hit':
    '{"_id":"x","_seq_no":99,"_source":{"_source":{}},"hits":{"hits":[{"_id":"y"}]},"sort":[1],"_routing":"no"}',
  'that quotes the end of a hit': '{"a":"},\\"sort\\":[7]},{\\"_id\\":\\"b\\"","b":"}}]}}"}',
  'with brackets and escapes in strings':
    '{"a":"{[]}}","b":"\\\\","c":"\\\\\\"","d":"\\\\\\\\\\"}","\\"}":[{"e":"\\\\"}]}',
  'with lone escaped surrogates': '{"a":"\\ud800","b":"\\udfff\\ud83d"}',
  'with numbers no double holds':
    '{"a":1e400,"b":9223372036854775807,"c":18446744073709551615,"d":1.0,"e":-0.0,"f":1E+2,"g":12345678901234567890123}',
  'with every kind of UTF-8': '{"é":"東京 😀 \u2028\u2029\u0085\ufeff\u007f"}',
  'that is empty': '{}',
  'with blanks': '{ "a" : [ 1 , { } , [ ] ] }',
};
for (const [name, source] of Object.entries(documents)) {
  test(`a document ${name} is sliced whole`, () => assert.equal(sourceOf(source), source));
}

test('a document nested a hundred thousand deep is sliced without recursion', () => {
  const deep = `{"a":${'['.repeat(50_000)}${'{"b":['.repeat(50_000)}${']}'.repeat(50_000)}${']'.repeat(50_000)}}`;
  assert.equal(sourceOf(deep), deep);
});

test('a pretty-printed document is sliced whole and known to span lines', () => {
  for (const source of ['{\n  "a": 1\r\n}', '{"a":\r1}', '{\t"a":1}', '{"a":1 /* b */}']) {
    const page = scanSearchPage(utf8(answerText([hitText({ source })])));
    const hit = onlyHit(page);
    assert.equal(slice(page, hit.sourceStart, hit.sourceEnd), source);
    assert.equal(hit.sourceMultiline, true);
  }
});

test('blanks, a byte order mark and block comments around a document are left out', () => {
  // Elasticsearch stores and returns all three as they came.
  for (const [before, after] of [
    ['  \n', '\r\n'],
    ['\ufeff', ''],
    ['\ufeff \n', ' /* " } */ \n /**/ '],
  ]) {
    assert.equal(sourceOf(`${before}{"a":{"b":2}}${after}`), '{"a":{"b":2}}');
  }
});

test('quotes and brackets in the comments of a document mean nothing', () => {
  for (const source of [
    '{"a":1 /* " } */ ,"b":2}',
    '{"a":1, // it is " }\n "b":2}',
    '{"a":1, // foo " { \r "b":2}',
    '{"a":/**/1/***/,"b":/*/ " */2}',
  ]) {
    assert.equal(sourceOf(source), source);
  }
});

test('a slash inside of a string starts no comment', () => {
  assert.equal(sourceOf('{"a":"http://x","b":"/* "}'), '{"a":"http://x","b":"/* "}');
});

test('a document that ends in a line comment is refused by name, even where a later line break would close the comment', () => {
  const first = hitText({ id: '"1"', source: '{"a":1} // } "' });
  const second = hitText({ id: '"2"', source: '{\n"b":2}' });
  const error = refused(answerText([first, second]));
  assert.equal(error.problem, 'source_ends_in_line_comment');
  assert.equal(refused(answerText([hitText({ source: '{"a":1} // x\n' })])).problem, 'source_ends_in_line_comment');
});

test('a document that ends in a line comment is read when it is alone, whatever the comment says', () => {
  for (const comment of ['// } "', '//x\n', '// ,"sort":[1]}]}}', '/**/ // a // ,"sort":[', '//']) {
    const body = utf8(answerText([hitText({ source: `{"a":1}${comment}` })]));
    const page = scanSearchPage(body, { alone: true });
    const [hit] = page.hits;
    assert.ok(hit !== undefined && page.total === 1);
    assert.equal(text(body.subarray(hit.sourceStart, hit.sourceEnd)), '{"a":1}');
  }
});

test('an answer with blanks between all tokens is read', () => {
  const pretty = JSON.stringify(
    JSON.parse(answerText([hitText({ source: '{"a":[1,{"b":null}]}' })])),
    null,
    '\t',
  ).replaceAll('\n', ' \r\n');
  const page = scanSearchPage(utf8(`\n ${pretty} \n`));
  const hit = onlyHit(page);
  assert.deepEqual(JSON.parse(slice(page, hit.sourceStart, hit.sourceEnd)), { a: [1, { b: null }] });
  assert.equal(hit.seqNo, 7);
});

test('integers are exact up to 2^53-1 and refused above', () => {
  for (const [json, value] of [
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['0', 0],
    ['-2', -2],
  ] as const) {
    assert.equal(onlyHit(scanSearchPage(utf8(answerText([hitText({ seqNo: json })])))).seqNo, value);
  }
  for (const json of [
    '9007199254740992',
    '9007199254740993',
    '18446744073709551616',
    '-3',
    '1.0',
    '1e3',
    '01',
    '-',
    '"7"',
    'null',
    '7x',
    '',
  ]) {
    refused(answerText([hitText({ seqNo: json })]));
  }
  refused(answerText([hitText({ more: ',"_version":9007199254740992' })]));
  refused(answerText([hitText({ more: ',"_version":-1' })]));
  refused(answerText([]).replace('"value":0', '"value":9007199254740992'));
});

test('an id of 512 bytes of quotes, backslashes, control characters and emoji is sliced whole', () => {
  const id = '"\\\u0001\n😀é'.repeat(60).slice(0, 350);
  const page = scanSearchPage(utf8(answerText([hitText({ id: JSON.stringify(id), source: '{}' })])));
  const hit = onlyHit(page);
  assert.equal(decodeText(page.body, hit.idStart, hit.idEnd), id);
});

test('a raw line break in a string is refused, for it would split a bulk line', () => {
  refused(answerText([hitText({ id: '"a\nb"' })]));
  refused(answerText([hitText({ id: '"a\\\nb"' })]));
  refused(answerText([hitText({ more: ',"_routing":"a\rb"' })]));
  refused(answerText([hitText({ source: '{"a":"b\n{\\"delete\\":{}}\n"}' })]));
  refused(answerText([hitText({ source: '{"a":"b\\\nc"}' })]));
});

test('what is no search answer is refused', () => {
  const page = answerText([hitText({ source: '{}' })]);
  const bodies = {
    nothing: '',
    text: 'no healthy upstream',
    html: '<html></html>',
    'an array': '[]',
    'an error': '{"error":{"type":"index_not_found_exception","reason":"no such index"},"status":404}',
    'another answer': '{"id":"p","_shards":{"total":1,"successful":1,"skipped":0,"failed":0}}',
    'no hits': page.replace('"hits":{', '"hots":{'),
    'no list of hits': page.replace('"hits":[', '"hots":['),
    'no shards': page.replace('_shards', '_shirds'),
    'no timed_out': page.replace('timed_out', 'timed_in'),
    'a shard count missing': page.replace('"skipped":0,', ''),
    'a shard count of another type': page.replace('"failed":0', '"failed":"0"'),
    'a fractional total': page.replace('"value":1', '"value":1.5'),
    'a total of an old kind': page.replace('{"value":1,"relation":"eq"}', '1'),
    'an unknown relation': page.replace('"eq"', '"ne"'),
    'timed_out of another type': page.replace('"timed_out":false', '"timed_out":0'),
    'a longer word': page.replace('"timed_out":false', '"timed_out":falsey'),
    'hits as an array': page.replace('"hits":{', '"hits":[{'),
    'a hit that is no object': answerText(['7']),
    'an id that is no string': answerText([hitText({ id: '7' })]),
    'no id': answerText(['{"_seq_no":1}']),
    'no sequence number': answerText(['{"_id":"1"}']),
    'two ids': answerText([hitText({ more: ',"_id":"b"' })]),
    'two sequence numbers': answerText([hitText({ more: ',"_seq_no":8' })]),
    'two routings': answerText([hitText({ more: ',"_routing":"a","_routing":"b"' })]),
    'two sources': answerText([hitText({ source: '{},"_source":{}' })]),
    'a source that is no object': answerText([hitText({ source: '[]' })]),
    'a source that is null': answerText([hitText({ source: 'null' })]),
    'an open comment': answerText([hitText({ source: '{"a":1 /* }' })]),
    'a bare slash': answerText([hitText({ source: '{"a":1 / 2}' })]),
    'a sort that is no array': page.replace('"sort":[7]', '"sort":7'),
    'a sort that is an object': page.replace('"sort":[7]', '"sort":{}'),
    'two lists of hits': page.replace('"max_score":null', '"hits":[]'),
    'two envelopes of hits': page.replace('"took":3', '"hits":{"hits":[]}'),
    'a missing comma': page.replace(',"_id"', '"_id"'),
    'a comma too much': page.replace('"sort":[7]}', '"sort":[7],}'),
    'a missing colon': page.replace('"took":3', '"took" 3'),
    'a missing value': page.replace('"took":3', '"took":'),
    'something after the end': `${page}{}`,
    'two answers': page + page,
  };
  for (const [name, body] of Object.entries(bodies)) assert.doesNotThrow(() => refused(body), `refuses ${name}`);
});

test('every truncation of an answer is refused', () => {
  const body = utf8(
    answerText(
      [
        hitText({
          id: '"\\"é😀\\\\"',
          more: ',"_version":12,"_routing":"r"',
          source: '{"a":"\\"}","b":[1.0,{"c":null}],\n"d":1e400 /* x */}\n/* y */',
        }),
        hitText({ source: '{}' }),
      ],
      ',"pit_id":"p","terminated_early":true,"aggregations":{"a":{"value":1}},"x":null,"y":-1.5',
    ),
  );
  assert.equal(scanSearchPage(body).hits.length, 2);
  for (let length = 0; length < body.length; length++) refused(body.slice(0, length));
});

test('an error tells the place and never the content', () => {
  const error = refused(answerText([hitText({ source: '{"secret":"hunter2\u0001"}' })]));
  assert.match(error.message, /at byte \d+/u);
  assert.ok(!`${error.message}${error.expected}`.includes('hunter2'));
});

test('text that is no string, or no UTF-8, is refused', () => {
  for (const bytes of [
    utf8('12'),
    utf8('"a'),
    utf8('"a"b'),
    utf8('"\\q"'),
    Uint8Array.of(0x22, 0xff, 0x22),
    utf8(''),
  ]) {
    assert.throws(() => decodeText(bytes, 0, bytes.length), WireFormatError);
  }
  assert.throws(() => decodeText(utf8('"a"'), -1, -1), WireFormatError);
  assert.equal(decodeText(utf8('x"\\ud800\ufeff"y'), 1, 12), '\ud800\ufeff');
});
