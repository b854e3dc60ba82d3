/** Documents as bytes, as each cluster takes and returns them; nothing of the product. */
import { call } from '../../support/read-index.ts';
import type { Side } from '../../support/replication-world.ts';
import type { Document } from './kind.ts';

/** Where a document is. */
export interface Place {
  readonly id: string;
  readonly routing: string | undefined;
}

const encoder = new TextEncoder();

/** Throws unless the leader takes it. */
export async function put(side: Side, index: string, document: Document): Promise<Place> {
  const { id, routing, source, type = 'application/json' } = document;
  const routed = routing === undefined ? '' : `routing=${encodeURIComponent(routing)}`;
  const [method, path] = id === undefined ? ['POST', ''] : ['PUT', `/${encodeURIComponent(id)}`];
  const response = await fetch(`${side.url}/${encodeURIComponent(index)}/_doc${path}?${routed}`, {
    method,
    // Without the second it answers in the form it was asked in.
    headers: { ...side.headers, 'content-type': type, accept: 'application/json' },
    body: typeof source === 'string' ? encoder.encode(source) : source,
  });
  const answer = await response.text();
  if (!response.ok)
    throw new Error(`${index}: ${id?.slice(0, 80)} refused: ${response.status} ${answer.slice(0, 400)}`);
  return { id: (JSON.parse(answer) as { _id: string })._id, routing };
}

export async function remove(side: Side, index: string, place: Place): Promise<void> {
  await side.ok('DELETE', pathOf(index, '_doc', place));
}

/** The bytes of `_source`, vectors included; undefined where there is no such document. */
export async function rawSource(side: Side, index: string, place: Place): Promise<Uint8Array | undefined> {
  const path = pathOf(index, '_source', place);
  const response = await fetch(`${side.url}${path}${path.includes('?') ? '&' : '?'}_source_exclude_vectors=false`, {
    headers: side.headers,
  });
  const body = await response.bytes();
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${text(body).slice(0, 300)}`);
  return body;
}

/** Every mapping, without the mark that a follower carries. */
export async function mappingOf(side: Side, index: string): Promise<unknown> {
  const answer = JSON.parse(await call(side, 'GET', `/${encodeURIComponent(index)}/_mapping`)) as Record<
    string,
    { mappings: { _meta?: Record<string, unknown> } }
  >;
  const { _meta: meta, ...mappings } = answer[index]?.mappings ?? {};
  const { slipstream: _mark, ...own } = meta ?? {};
  return Object.keys(own).length === 0 ? mappings : { ...mappings, _meta: own };
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

function pathOf(index: string, endpoint: string, { id, routing }: Place): string {
  const routed = routing === undefined ? '' : `?routing=${encodeURIComponent(routing)}`;
  return `/${encodeURIComponent(index)}/${endpoint}/${encodeURIComponent(id)}${routed}`;
}
