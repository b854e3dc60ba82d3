import { z } from 'zod';
import { failed } from '../../domain/failure.ts';
import type { DocumentKey, FoundDocument, ListedDocument } from '../../ports/search-cluster.ts';
import { classifyPart } from './classify.ts';
import type { SearchClient } from './client.ts';
import { ask, pathOf } from './json-answer.ts';
import type { SearchAnswer } from './search-answer.ts';

const multiGetAnswer = z.object({
  docs: z.array(
    z.object({
      found: z.boolean().optional(),
      _seq_no: z.number().optional(),
      _primary_term: z.number().optional(),
      _version: z.number().optional(),
      _routing: z.string().optional(),
      error: z.unknown().optional(),
    }),
  ),
});

/** Realtime: sees what is not refreshed yet. */
export async function multiGet(
  client: SearchClient,
  index: string,
  keys: readonly DocumentKey[],
  signal: AbortSignal,
): Promise<readonly FoundDocument[]> {
  if (keys.length === 0) return [];
  const op = `${client.name} multi-get`;
  const docs = keys.map(({ id, routing }) => ({ _id: id, ...(routing === undefined ? {} : { routing }) }));
  const request = {
    op,
    method: 'POST',
    path: `${pathOf(index)}/_mget`,
    // Without `stored_fields` no routing is told where no source is asked for (9.4.3).
    query: { _source: false, stored_fields: '_routing', realtime: true },
    body: JSON.stringify({ docs }),
    effect: 'read',
  } as const;
  const answer = await ask(client, request, multiGetAnswer, signal);
  if (answer.docs.length !== keys.length)
    throw failed('unexpected_answer', {
      op,
      cluster: client.name,
      reason: `${answer.docs.length} answers to ${keys.length} keys`,
    });
  return answer.docs.map(({ found, _routing: routing, error, ...doc }) => {
    const { _seq_no: seqNo, _primary_term: primaryTerm, _version: version } = doc;
    if (error !== undefined)
      throw classifyPart({ op, cluster: client.name, effect: 'read', refusedAs: undefined }, error);
    if (found === undefined)
      throw failed('unexpected_answer', {
        op,
        cluster: client.name,
        reason: 'an answer says neither found nor why not',
      });
    return found ? { found, seqNo, primaryTerm, version, routing } : { found, seqNo: undefined, version: undefined };
  });
}

/** Asks hits for identities, without content. */
export const LISTING = { _source: false, version: true, seq_no_primary_term: true, track_total_hits: false } as const;

const hits = z.array(
  z.object({ _id: z.string(), _routing: z.string().optional(), _seq_no: z.number(), _version: z.number() }),
);

export function listed(client: SearchClient, answer: SearchAnswer): readonly ListedDocument[] {
  const found = hits.safeParse(answer.hits.hits);
  if (!found.success) {
    const reason = 'a hit lacks its id, sequence number or version';
    throw failed('unexpected_answer', { op: `${client.name} listing`, cluster: client.name, reason });
  }
  return found.data.map((hit) => ({ id: hit._id, routing: hit._routing, seqNo: hit._seq_no, version: hit._version }));
}
