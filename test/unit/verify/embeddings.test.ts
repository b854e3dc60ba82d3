import assert from 'node:assert/strict';
import { test } from 'node:test';
import { computesEmbeddings, withoutEmbeddings } from '../../../src/replication/verify/embeddings.ts';

function kept(source: string): string {
  return new TextDecoder().decode(withoutEmbeddings(new TextEncoder().encode(source)));
}

test('embeddings at the end of a document are no part of what is compared, and nothing else is left out', () => {
  const embeddings = '"_inference_fields":{"t":{"inference":{"chunks":[0.1]}}}';
  assert.equal(kept(`{"t":"a, b","n":1.0,${embeddings}}`), '{"t":"a, b","n":1.0');
  assert.notEqual(kept(`{"t":"a",${embeddings}}`), kept(`{"t":"b",${embeddings}}`));
  assert.equal(kept(`{${embeddings}}`), '{');
  for (const whole of [`{"o":{${embeddings}}}`, String.raw`{"t":",\"_inference_fields\":1"}`, '{}', '{/* x */"a":1}'])
    assert.equal(kept(whole), whole);
});

test('only mappings with a field of that type compute embeddings, however deep it lies', () => {
  const field = { type: 'semantic_text', inference_id: 'x' };
  assert.ok(computesEmbeddings({ properties: { o: { properties: { t: field } } } }));
  assert.ok(!computesEmbeddings({ properties: { semantic_text: { type: 'text' } } }));
  assert.ok(!computesEmbeddings({}));
});
