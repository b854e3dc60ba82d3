/** Fields of every type that the servers of the tests know, and what mappings do to documents. */
import { json, type Kind } from './kind.ts';

const typed = {
  integer: { type: 'integer' },
  long: { type: 'long' },
  double: { type: 'double' },
  float: { type: 'float' },
  half: { type: 'half_float' },
  short: { type: 'short' },
  byte: { type: 'byte' },
  flag: { type: 'boolean' },
  date: { type: 'date', format: 'strict_date_optional_time||epoch_millis' },
  nanos: { type: 'date_nanos' },
  ip: { type: 'ip' },
  keyword: { type: 'keyword', ignore_above: 10, doc_values: false },
  counted: { type: 'counted_keyword' },
  text: { type: 'text', store: true, analyzer: 'english', fields: { raw: { type: 'keyword' } } },
  copied: { type: 'keyword', copy_to: ['all', 'nested_all.text'] },
  all: { type: 'text' },
  nested_all: { properties: { text: { type: 'text', store: true } } },
  bytes: { type: 'binary', store: true, doc_values: true },
  numbers: { type: 'integer_range' },
  longs: { type: 'long_range' },
  doubles: { type: 'double_range' },
  floats: { type: 'float_range' },
  dates: { type: 'date_range', format: 'yyyy-MM-dd' },
  addresses: { type: 'ip_range' },
  flat: { type: 'flattened', depth_limit: 5 },
  point: { type: 'geo_point' },
  suggestions: {
    type: 'completion',
    contexts: [{ name: 'kind', type: 'category' }],
  },
  same_as_long: { type: 'alias', path: 'long' },
  off: { type: 'object', enabled: false },
  quiet: { type: 'object', dynamic: false },
  unlisted: { type: 'keyword', index: false, doc_values: false },
  missing: { type: 'keyword', null_value: 'NONE' },
  through: { type: 'passthrough', priority: 1, properties: { x: { type: 'keyword' } } },
};

const values = [
  json('all of them', {
    integer: [1, 2],
    long: 5,
    double: 1e300,
    float: 0.1,
    half: 65504,
    short: -32768,
    byte: '12',
    flag: 'false',
    date: [1700000000000, '2024-02-29T12:00:00Z'],
    nanos: '2262-04-11T23:47:16.854775807Z',
    ip: ['::1', '10.0.0.1'],
    keyword: ['short', 'much longer than it may be'],
    counted: ['a', 'b', 'a'],
    text: ['one', null, 'two'],
    copied: 'to others',
    bytes: 'c29tZSBieXRlcw==',
    numbers: { gte: 1, lt: 5 },
    longs: [{ gt: -5 }],
    doubles: { gte: 0.5, lte: null },
    floats: {},
    dates: { gte: '2024-01-01', lte: '2024-12-31' },
    addresses: ['10.0.0.0/8', { gte: '::', lte: '::ff' }],
    flat: { a: { b: [1, 'x', true, null] }, 'c.d': 1.5 },
    point: [{ lat: 1, lon: 2 }, 'POINT (3 4)', '5,6', 's00twy01mtw'],
    suggestions: { input: ['aa', 'bb'], weight: 3, contexts: { kind: ['x'] } },
    off: { anything: [{ goes: 1 }, 2, 'three'] },
    quiet: { known: 'not mapped' },
    missing: null,
    through: { x: 'y' },
  }),
  {
    id: 'in their own spelling',
    source: '{"long":9223372036854775807,"double":1.0,"float":"1.50","half":0.10,"flag":""}',
  },
  { id: 'unmapped', source: '{"off":{"a":1e400,"b":1.0},"quiet":{"c":123456789012345678901234567890}}' },
  json('none', {}),
  json('ignored by length', { keyword: 'x'.repeat(50) }),
];

const lenient = {
  settings: { 'index.mapping.ignore_malformed': true, 'index.mapping.coerce': false },
  mappings: {
    properties: { n: { type: 'integer' }, d: { type: 'date' }, i: { type: 'ip' }, g: { type: 'geo_point' } },
  },
};

/** An index whose name no type has: the fields come with the documents. */
const dynamicMapping = {
  mappings: {
    dynamic_templates: [
      { ids: { match: '*_id', mapping: { type: 'keyword' } } },
      { texts: { match_mapping_type: 'string', mapping: { type: 'text', norms: false } } },
      { times: { path_match: 'at.*', runtime: { type: 'date' } } },
    ],
    numeric_detection: true,
    dynamic_date_formats: ['yyyy/MM/dd'],
    runtime: { day: { type: 'keyword', script: { source: "emit('monday')" } } },
    _meta: { owner: 'the tests', version: 3 },
  },
};

const children = (count: number, text: string): object[] =>
  Array.from({ length: count }, (_, at) => ({ at, text: `${text} ${at}`, deeper: [{ x: at }, { x: -at }] }));

const nested = {
  mappings: {
    properties: {
      children: { type: 'nested', properties: { deeper: { type: 'nested' } } },
      included: { type: 'nested', include_in_root: true },
    },
  },
};

const family = { relation: { type: 'join', relations: { question: ['answer', 'comment'], answer: 'vote' } } };

export const fieldKinds: readonly Kind[] = [
  { name: 'fields of many types', index: { mappings: { properties: typed } }, documents: values },
  {
    name: 'values that a field ignores',
    index: lenient,
    documents: [
      { id: '1', source: '{"n":"not a number","d":"never","i":"1.2.3","g":"nowhere"}' },
      { id: '2', source: '{"n":"12","d":true,"i":"1.2.3.4.5","g":"1,2,3,4"}' },
      { id: '3', source: '{"n":1.5}' },
    ],
  },
  {
    name: 'fields that documents bring',
    index: dynamicMapping,
    documents: [
      {
        id: '1',
        source: '{"long":9223372036854775807,"float":1.0,"customer_id":7,"name":"x","at":{"start":"2024-01-01"}}',
      },
      { id: '2', source: '{"digits":"12","half":"1.50","day_of":"2024/02/03","flag":true,"a.b.c":[1,2],"o":{"p":{}}}' },
      { id: '3', source: '{"nothing":null,"empty":[],"mixed":[1,2.5],"objects":[{"x":1},{"y":"2"}]}' },
    ],
  },
  {
    name: 'an index that takes only what it knows',
    index: { mappings: { dynamic: 'strict', properties: { a: { type: 'long' }, o: { enabled: false } } } },
    documents: [
      { id: '1', source: '{"a":1,"o":{"x":1e400}}' },
      { id: '2', source: '{"o":[1,{"a":2}]}' },
    ],
  },
  {
    name: 'fields made when asked for',
    index: { mappings: { dynamic: 'runtime', properties: { a: { type: 'object', subobjects: false } } } },
    documents: [
      { id: '1', source: '{"n":1,"s":"x","d":"2024-01-01","a":{"b.c":1,"b":2}}' },
      { id: '2', source: '{"n":2.0,"a.b.c":3,"t":true}' },
    ],
  },
  {
    name: 'nested documents',
    index: nested,
    documents: [
      json('none', { children: [] }),
      json('one', { children: { at: 1 }, included: [{ a: 1 }, { a: 2 }] }),
      json('some', { children: children(20, 'child') }),
      json('thousands', { children: children(3_000, 'one of thousands') }),
    ],
  },
  {
    name: 'parents and children',
    index: { settings: { number_of_shards: 2 }, mappings: { properties: family, _routing: { required: true } } },
    documents: [
      json('q1', { relation: 'question' }, 'q1'),
      json('a1', { relation: { name: 'answer', parent: 'q1' } }, 'q1'),
      json('v1', { relation: { name: 'vote', parent: 'a1' } }, 'q1'),
      json('q2', { relation: { name: 'question' } }, 'q2'),
      json('c2', { relation: { name: 'comment', parent: 'q2' } }, 'q2'),
    ],
    changes: [json('v1', { relation: { name: 'vote', parent: 'a1' }, up: 1.0 }, 'q1')],
    deletes: [1, 3],
  },
];
