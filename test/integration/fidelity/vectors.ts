/** Vectors: Elasticsearch takes them out of `_source` when it stores a document, and puts them back, from the index, when asked to. */
import { type Document, json, type Kind } from './kind.ts';

const DIMENSIONS = 3;
const fields = {
  properties: {
    title: { type: 'keyword' },
    cosine: { type: 'dense_vector', dims: DIMENSIONS, similarity: 'cosine' },
    euclid: { type: 'dense_vector', dims: DIMENSIONS, similarity: 'l2_norm', index_options: { type: 'hnsw' } },
    product: { type: 'dense_vector', dims: DIMENSIONS, similarity: 'max_inner_product' },
    stored: { type: 'dense_vector', dims: DIMENSIONS, index: false },
    bytes: { type: 'dense_vector', dims: DIMENSIONS, element_type: 'byte', similarity: 'l2_norm' },
    bits: { type: 'dense_vector', dims: 16, element_type: 'bit' },
    sparse: { type: 'sparse_vector' },
    chunks: {
      type: 'nested',
      properties: { vector: { type: 'dense_vector', dims: DIMENSIONS, similarity: 'cosine' } },
    },
    off: { type: 'object', enabled: false },
  },
};

const documents: readonly Document[] = [
  {
    id: '1',
    source:
      '{"off":{"n":9007199254740993,"f":1.0,"e":1e2},"cosine":[0.1,0.2,0.3],"title":"a","euclid":[1,2.5,-3e-3],"bits":[1,-1]}',
  },
  {
    id: '2',
    source: '{"cosine":[3.3333333,-7.7777777,1e-7],"sparse":{"b":0.1,"a":2.7182818},"product":[1,1,0.33333334]}',
  },
  { id: '3', source: '{"bytes":[-128,0,127],"stored":[0.1,0.2,0.7],"title":"only some"}' },
  json('4', { chunks: [{ text: 'x', vector: [0.11, 0.22, 0.33] }, { vector: [5, 6, 7] }, { text: 'none' }] }),
  json('5', { title: 'none' }),
  ...Array.from({ length: 40 }, (_, at) =>
    json(`more ${at}`, {
      cosine: [Math.sin(at + 1), Math.cos(at * 3 + 1), Math.sqrt(at + 2)],
      product: [Math.fround(Math.sin(at)), at, 1 / (at + 3)],
      sparse: { [`t${at}`]: Math.exp(at / 7) },
    }),
  ),
];

export const vectorKinds: readonly Kind[] = [
  { name: 'vectors, as the leader returns them', index: { mappings: fields }, documents, rebuilt: true },
  {
    name: 'vectors that the leader keeps in its source',
    index: { settings: { 'index.mapping.exclude_source_vectors': false }, mappings: fields },
    documents,
  },
];
