/** Builds search answers as text, in Elasticsearch's own layout. Parts are JSON text, so that a test decides every byte. */
export interface HitParts {
  readonly id?: string;
  readonly seqNo?: string;
  readonly source?: string;
  /** Further members, as JSON text with a comma before each. */
  readonly more?: string;
}

export function hitText(parts: HitParts): string {
  const source = parts.source === undefined ? '' : `,"_source":${parts.source}`;
  return `{"_index":"cities","_id":${parts.id ?? '"a"'},"_seq_no":${parts.seqNo ?? '7'},"_primary_term":1,"_score":null${parts.more ?? ''}${source},"sort":[7]}`;
}

export function answerText(hits: readonly string[], more = ''): string {
  return `{"took":3,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"total":{"value":${hits.length},"relation":"eq"},"max_score":null,"hits":[${hits.join(',')}]}${more}}`;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

export function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
