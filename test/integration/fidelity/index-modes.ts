/** Indices that keep, order, place or change documents in ways of their own. */
import { type Document, json, type Kind } from './kind.ts';

const at = (minute: number): string => `2026-01-01T00:${String(minute).padStart(2, '0')}:00.000Z`;

/** What a rebuilt `_source` shows otherwise than it was sent: order, doubles, empty arrays, objects in dots. */
const shapes: readonly Document[] = [
  {
    id: '1',
    source: '{"z":1,"a":[3,1,2,2],"f":1e3,"o":[{"k":"b"},{"k":"a"}],"none":[],"null":null,"p":{"lat":1,"lon":2}}',
  },
  { id: '2', source: '{"o.k":"dotted","f":0.10,"d":"2024-01-01","t":["b","a","b"],"big":9007199254740993}' },
  { id: '3', source: '{"unmapped":{"x":[1.0,{"y":"\\u00e9"}]},"t":"x","ignored":"not a number"}' },
  { id: '4', source: '{}' },
];
const shaped = {
  z: { type: 'integer' },
  a: { type: 'long' },
  f: { type: 'double' },
  o: { properties: { k: { type: 'keyword' } } },
  t: { type: 'keyword' },
  d: { type: 'date' },
  big: { type: 'long' },
  p: { type: 'geo_point' },
  none: { type: 'keyword' },
  ignored: { type: 'integer', ignore_malformed: true },
  unmapped: { type: 'object', enabled: false },
};

const logs: readonly Document[] = [1, 2, 3, 4].map((minute) =>
  json(`log-${minute}`, {
    '@timestamp': at(minute),
    'host.name': `h${minute % 2}`,
    message: `line ${minute}`,
    code: [2, 1],
  }),
);
const logFields = {
  '@timestamp': { type: 'date' },
  host: { properties: { name: { type: 'keyword' } } },
  message: { type: 'text' },
  code: { type: 'long' },
};

const series = (minute: number, host: string, cpu: string): Document => ({
  source: `{"@timestamp":"${at(minute)}","host":"${host}","cpu":${cpu},"requests":${minute}00}`,
});

export const modeKinds: readonly Kind[] = [
  {
    name: 'synthetic source, as the leader rebuilds it',
    index: { settings: { 'index.mapping.source.mode': 'synthetic' }, mappings: { properties: shaped } },
    documents: shapes,
    rebuilt: true,
  },
  {
    name: 'synthetic source that keeps arrays',
    index: {
      settings: { 'index.mapping.source.mode': 'synthetic', 'index.mapping.synthetic_source_keep': 'arrays' },
      mappings: { properties: shaped },
    },
    documents: shapes,
    rebuilt: true,
  },
  {
    name: 'logsdb',
    index: { settings: { 'index.mode': 'logsdb' }, mappings: { properties: logFields } },
    documents: logs,
    rebuilt: true,
  },
  {
    name: 'logsdb with a stored source',
    index: {
      settings: { 'index.mode': 'logsdb', 'index.mapping.source.mode': 'stored' },
      mappings: { properties: logFields },
    },
    documents: logs,
  },
  {
    name: 'time series',
    index: {
      settings: {
        'index.mode': 'time_series',
        'index.routing_path': ['host'],
        'index.time_series.start_time': '2026-01-01T00:00:00Z',
        'index.time_series.end_time': '2026-01-02T00:00:00Z',
      },
      mappings: {
        properties: {
          '@timestamp': { type: 'date' },
          host: { type: 'keyword', time_series_dimension: true },
          cpu: { type: 'double', time_series_metric: 'gauge' },
          requests: { type: 'long', time_series_metric: 'counter' },
        },
      },
    },
    documents: [series(1, 'a', '0.5'), series(1, 'b', '1.0'), series(2, 'a', '0.25'), series(2, 'b', '1e2')],
    changes: [],
    deletes: [1, 2],
    rebuilt: true,
  },
  {
    name: 'an index in order of a field',
    index: {
      settings: { 'index.sort.field': ['n', 'k'], 'index.sort.order': ['desc', 'asc'] },
      mappings: { properties: { n: { type: 'long' }, k: { type: 'keyword' } } },
    },
    documents: [3, 1, 2, 1].map((n, place) => json(`s${place}`, { n, k: `k${place}` })),
  },
  {
    name: 'routing partitions',
    index: {
      settings: { number_of_shards: 5, 'index.number_of_routing_shards': 5, 'index.routing_partition_size': 2 },
      mappings: { _routing: { required: true } },
    },
    documents: Array.from({ length: 12 }, (_, place) => json(`p${place}`, { place }, `r${place % 2}`)),
  },
  {
    name: 'one id under several routings',
    index: { settings: { number_of_shards: 4 } },
    documents: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((routing) => json('same', { routing }, routing)),
  },
  { name: 'an empty index', documents: [] },
  {
    name: 'an index whose documents were all deleted',
    documents: [json('1', { n: 1 }), json('2', { n: 2 }), json('3', { n: 3 })],
    deletes: [0, 1, 2],
  },
  {
    name: 'an index without sequence numbers among its points',
    index: { settings: { 'index.seq_no.index_options': 'DOC_VALUES_ONLY' } },
    documents: [json('1', { n: 1 }), json('2', { n: 2 })],
  },
];

const encoded = (id: string, type: string, hex: string): Document => ({
  id,
  type,
  source: Uint8Array.from(Buffer.from(hex, 'hex')),
});

/** `{"a": 1.5, "b": h'0102', "c": 2^63 - 1, "d": "é"}`, and what each encoding has of its own. */
export const encodedKinds: readonly Kind[] = [
  {
    name: 'documents that came as YAML, CBOR or Smile, as the leader shows them',
    index: { mappings: { enabled: false } },
    documents: [
      { id: 'yaml', type: 'application/yaml', source: '---\na: 1.0\nb: [x, 0x10, ~, yes]\n"c": |\n  two\n  lines\n' },
      encoded(
        'cbor',
        'application/cbor',
        'a46161f93e006162420102616 31b7fffffffffffffff616462c3a9'.replaceAll(' ', ''),
      ),
      encoded('cbor of open ends', 'application/cbor', 'bf61619f01f97e00ff6162fb7fe0000000000000ff'),
      encoded('smile', 'application/smile', '3a290a01fa8061c28062f8c4c5f9fb'),
      { id: 'json', source: '{"a":1.0}' },
    ],
    rebuilt: true,
  },
];
