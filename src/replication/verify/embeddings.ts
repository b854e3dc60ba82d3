import { isRecord } from '../../domain/index-spec/json-tree.ts';
import { asciiBytes, JsonCursor, WireFormatError } from '../../domain/wire/json-cursor.ts';

/**
 * What Elasticsearch computed from the texts of `semantic_text` fields. A copy is given it, so that nothing is computed again, but keeps it in its index
 * alone, with fewer digits, and shows it in a root member of its own (9.4.3).
 */
const EMBEDDINGS = asciiBytes('_inference_fields');

export function computesEmbeddings(mappings: unknown): boolean {
  if (!isRecord(mappings)) return false;
  return mappings['type'] === 'semantic_text' || Object.values(mappings).some(computesEmbeddings);
}

/** The bytes before the embeddings, which come last; the whole document where it has none. */
export function withoutEmbeddings(source: Uint8Array): Uint8Array {
  const cursor = new JsonCursor(source);
  let end = 1;
  try {
    for (let more = cursor.open('{', 'a document'); more; more = cursor.more('{')) {
      cursor.readKey();
      if (cursor.keyIs(EMBEDDINGS)) return source.subarray(0, end);
      cursor.skipValue();
      end = cursor.at;
    }
  } catch (error) {
    if (!(error instanceof WireFormatError)) throw error;
  }
  return source;
}
