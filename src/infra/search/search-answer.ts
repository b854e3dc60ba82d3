/** What every search has to prove before its answer is believed. */
import { z } from 'zod';
import { type Failed, failed } from '../../domain/failure.ts';
import { scanSearchPage, type SearchPage, WireFormatError } from '../../domain/wire/search-page.ts';
import { ask, readAnswer, shardCounts, type ShardCounts } from './json-answer.ts';
import { classifyAnswer } from './classify.ts';
import type { ClusterRequest, SearchClient } from './client.ts';

/** `timeout: -1` overrides `search.default_search_timeout`, which would make any answer a part of the truth without a sign of it. */
export const WHOLE_SEARCH = { timeout: '-1' } as const;
export const WHOLE_SEARCH_QUERY = { allow_partial_search_results: false } as const;

interface Claims {
  readonly timedOut: boolean;
  readonly shards: ShardCounts;
  readonly totalRelation: string | undefined;
}

interface ExpectedParts {
  readonly shards: number | undefined;
  readonly countTotal: boolean;
}

/**
 * `terminated_early` says nothing here: no request asks for it, and OpenSearch sets it on complete answers.
 * Undefined when the answer speaks for every shard asked. `shards`: how many those are; undefined: all that the answer names, at least one.
 */
export function missingPart(claims: Claims, expected: ExpectedParts): string | undefined {
  const { total, successful, skipped = 0, failed: lost } = claims.shards;
  if (claims.timedOut) return 'the search timed out inside the cluster';
  if (lost > 0) return `${lost} of ${total} shards failed`;
  if (skipped > 0) return `${skipped} of ${total} shards were skipped`;
  if (successful !== (expected.shards ?? total) || successful === 0)
    return `${successful} of ${expected.shards ?? total} shards answered`;
  if (expected.countTotal && claims.totalRelation !== 'eq')
    return `the total is not exact (${claims.totalRelation ?? 'missing'})`;
  return undefined;
}

export function partial(client: SearchClient, op: string, reason: string): Failed {
  return failed('partial_answer', { op, cluster: client.name, reason });
}

/** A page of hits as bytes, checked to be whole. Throws `document_unreadable` for a whole answer whose hits cannot be told apart. */
export async function askPage(
  client: SearchClient,
  request: ClusterRequest,
  expected: { size: number; countTotal: boolean },
  signal: AbortSignal,
): Promise<SearchPage> {
  const { body } = await client.send(request, signal);
  const page = scan(client, request, body, expected.size === 1);
  const reason = missingPart(page, { shards: 1, countTotal: expected.countTotal });
  if (reason !== undefined) throw partial(client, request.op, reason);
  return page;
}

const CLOSE = 0x7d;

function scan(client: SearchClient, { op, buffers }: ClusterRequest, body: Uint8Array, alone: boolean): SearchPage {
  try {
    return scanSearchPage(body, { alone, pool: buffers?.hits });
  } catch (error) {
    if (!(error instanceof WireFormatError)) throw error;
    const whole = body.at(-1) === CLOSE && error.offset < body.length - 1;
    throw failed(whole ? 'document_unreadable' : 'answer_cut', {
      op,
      cluster: client.name,
      reason: `${error.message} (${body.length} bytes)`,
    });
  }
}

const searchAnswer = z.object({
  timed_out: z.boolean(),
  _shards: shardCounts,
  pit_id: z.string().optional(),
  hits: z.object({
    total: z.object({ value: z.number(), relation: z.string() }).optional(),
    hits: z.array(z.unknown()),
  }),
  aggregations: z.record(z.string(), z.unknown()).optional(),
});
export type SearchAnswer = z.output<typeof searchAnswer>;

/** A search without content (counts, listings, aggregations), checked to be whole. */
export async function askSearch(
  client: SearchClient,
  request: ClusterRequest,
  expected: ExpectedParts,
  signal: AbortSignal,
): Promise<SearchAnswer> {
  return whole(client, request, await ask(client, request, searchAnswer, signal), expected);
}

/** The same of an index that may be missing, which is no failure then, nor looked into as one: undefined. */
export async function askSearchIfThere(
  client: SearchClient,
  request: ClusterRequest,
  expected: ExpectedParts,
  signal: AbortSignal,
): Promise<SearchAnswer | undefined> {
  const { status, body } = await client.send({ ...request, accept: [NOT_FOUND] }, signal);
  if (status !== NOT_FOUND) return whole(client, request, readAnswer(client, request, body, searchAnswer), expected);
  const { op, effect, refusedAs } = request;
  const missing = classifyAnswer(
    { op, cluster: client.name, effect, refusedAs },
    { status, body, retryAfter: undefined },
  );
  if (missing.failure.code === 'index_deleted') return undefined;
  throw missing;
}

const NOT_FOUND = 404;

function whole(
  client: SearchClient,
  { op }: ClusterRequest,
  answer: SearchAnswer,
  expected: ExpectedParts,
): SearchAnswer {
  const claims = { timedOut: answer.timed_out, shards: answer._shards, totalRelation: answer.hits.total?.relation };
  const reason = missingPart(claims, expected);
  if (reason !== undefined) throw partial(client, op, reason);
  return answer;
}
