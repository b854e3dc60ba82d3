/** Documents of every form that Elasticsearch takes, in indices that take anything. */
import { type Document, json, type Kind } from './kind.ts';

/** Fields that nobody looks into: here a document may hold what no field type takes. */
const UNMAPPED = { mappings: { enabled: false } };
const DYNAMIC_OFF = { mappings: { dynamic: false, properties: { known: { type: 'keyword' } } } };

function plain(sources: Readonly<Record<string, string>>): readonly Document[] {
  return Object.entries(sources).map(([id, source]) => ({ id, source }));
}

const numbers = plain({
  'beyond doubles': '{"a":9007199254740993,"b":-9223372036854775808,"c":18446744073709551615}',
  'beyond 64 bits': '{"a":12345678901234567890123456789012345678901234567890}',
  'with a fraction of zero': '{"a":1.0,"b":1.10,"c":100.000,"d":-0.0,"e":-0,"f":0e0}',
  exponents: '{"a":1e400,"b":-1E+400,"c":1e-400,"d":5e-324,"e":1E2,"f":2.50e+03}',
  digits: '{"a":0.1000000000000000055511151231257827021181583404541015625,"b":3.141592653589793238462643}',
  long: `{"a":${'9'.repeat(900)}.${'1'.repeat(90)}}`,
});

const strings = plain({
  escapes: String.raw`{"a":"\u0041\/\u00e9\b\f\n\r\t\"\\","\u0062":"\u2028\u2029\u0085"}`,
  'surrogates as escapes': String.raw`{"a":"\ud83d\ude00","b":"\ud800","c":"\udc00\ud800","\ud800":1}`,
  zeros: String.raw`{"a":"\u0000","\u0000":"x\u0000y"}`,
  'raw characters': '{"é":"東京 😀 𝒳 \u2028\u2029\u0085\ufeff\u007f\u{10ffff}"}',
  'looks like an answer': String.raw`{"a":"},\"sort\":[7]},{\"_id\":\"b\"","b":"]}}","c":"{\"_source\":{","d":"// /* x"}`,
  empty: '{"a":"","b":{},"c":[],"d":[[],{}],"e":null}',
  blank: '{ "a" : [ 1 , { } ] ,\t"b"\t: null }',
});

const keys = plain({
  'of a hit':
    '{"_id":"x","_seq_no":9,"_source":{"hits":{"hits":[{"_id":"y","_source":{}}]}},"sort":[1],"_routing":"no"}',
  'of an answer': '{"hits":{"total":{"value":0},"hits":[]},"timed_out":true,"_shards":{"failed":1},"pit_id":"p"}',
  'of a bulk': '{"index":{"_id":"x","version":1},"delete":{},"errors":true,"items":[]}',
  'own names': '{"_version":1,"_primary_term":2,"_index":"i","_score":null,"_ignored":["a"],"_type":"_doc"}',
  dots: '{"a.b":1,"a":{"b":2},"c.d.e":{"f.g":3}}',
  odd: '{" ":1,"*":2,"\\"":3,"\\\\":4,"a,b":5,"{":6,"[":7,"é":8,"😀":9}',
  __proto__: '{"__proto__":{"a":1},"constructor":2}',
});

const forms: readonly Document[] = [
  { id: 'nothing', source: '{}' },
  { id: 'nearly nothing', source: ' { } ', copied: '{ }' },
  { id: 'lines', source: '{\r\n  "x": [1,\n 2]\r}\r\n', copied: '{    "x": [1,  2] }' },
  { id: 'tabs', source: '{\n\t"a": {\n\t\t"b": "c"\n\t}\n}', copied: '{ \t"a": { \t\t"b": "c" \t} }' },
  { id: 'byte order mark', source: '\ufeff{"a":3}', copied: '{"a":3}' },
];

const comments: readonly Document[] = [
  { id: 'block', source: '{"a":/**/1 /* " } */ ,"b":2}' },
  { id: 'after', source: '{"a":1} /* } " */ ', copied: '{"a":1}' },
  { id: 'at the end', source: '{"a":1} // "sort":[1], } "', copied: '{"a":1}' },
  { id: 'at the end of a line', source: '{"a":1}// ,\"sort\":[1]}]}}\n', copied: '{"a":1}' },
  { id: 'line', source: '{"a":1, // it is " }\n"b":2}', copied: `{"a":1, ${' '.repeat('// it is " }'.length)} "b":2}` },
];

/** The leader's parser goes down a thousand levels. */
const deep: readonly Document[] = [
  { id: 'objects', source: `${'{"a":'.repeat(999)}{}${'}'.repeat(999)}` },
  { id: 'arrays', source: `{"a":${'['.repeat(999)}${']'.repeat(999)}}` },
  { id: 'both', source: `${'{"a":['.repeat(499)}1${']}'.repeat(499)}` },
];

const BYTES_512 = [
  'x'.repeat(512),
  '"'.repeat(512),
  '\\'.repeat(512),
  '\u0001'.repeat(512),
  '😀'.repeat(128),
  `${'"\\\u0001\n😀é/'.repeat(42)}12345678`,
  'é'.repeat(256),
];

const ids: readonly Document[] = [
  ...BYTES_512,
  ...[' ', '*', '%2F', 'a/b?c d#e%', 'a,b', '_all', '+', '\u0000', '\u007f\u0085\u2028', '\ufeff', '\t\n'],
  // These Elasticsearch stores in forms of their own: digits, and what could be base64.
  ...['0', '007', '1e5', '-1', '9223372036854775807', 'AAAA', 'bG9uZy1pZA', 'bG9uZy1pZA==', 'null', 'true'],
].map((id, at) => json(id, { at }));

const ROUTINGS = ['r', ' ', '"\\\u0007é😀/', 'a,b', '0', '007', '_none', '\n', 'x'.repeat(2_000), '%20', '*'];
const routed = ROUTINGS.map((routing, at) => json(`routed-${at}`, { at }, routing));

const megabytes = (count: number): string => 'long words and é 😀 '.repeat(count * 45_000);

export const documentKinds: readonly Kind[] = [
  { name: 'numbers that no double holds', index: UNMAPPED, documents: numbers },
  { name: 'numbers in a mapping that is not dynamic', index: DYNAMIC_OFF, documents: numbers },
  { name: 'strings and their escapes', index: UNMAPPED, documents: strings },
  { name: 'keys that an answer has too', index: UNMAPPED, documents: keys },
  { name: 'pretty-printed and empty documents', index: UNMAPPED, documents: forms },
  { name: 'documents with comments', index: UNMAPPED, documents: comments },
  { name: 'documents of a thousand levels', index: UNMAPPED, documents: deep },
  { name: 'ids', documents: ids },
  { name: 'routings', index: { settings: { number_of_shards: 3 } }, documents: [...routed, json('unrouted', {})] },
  {
    name: 'very long values',
    index: { mappings: { properties: { text: { type: 'text', index: false } } } },
    documents: [1, 2, 5].map((size) => json(`of ${size} MB`, { text: megabytes(size) })),
  },
];
