import { z } from 'zod';
import { failed } from '../../domain/failure.ts';
import { classifyPart } from './classify.ts';
import type { ClusterRequest, SearchClient } from './client.ts';

/**
 * Sends and reads a JSON answer of a known shape. A complete body that is no JSON is `answer_cut`; another shape is `unexpected_answer`, whose
 * reason names the place but quotes nothing of the answer.
 */
export async function ask<Schema extends z.ZodType>(
  client: SearchClient,
  request: ClusterRequest,
  schema: Schema,
  signal: AbortSignal,
): Promise<z.output<Schema>> {
  const { body } = await client.send(request, signal);
  return readAnswer(client, request, body, schema);
}

/** What `ask` does with the answer. */
export function readAnswer<Schema extends z.ZodType>(
  client: SearchClient,
  { op, effect }: ClusterRequest,
  body: Uint8Array,
  schema: Schema,
): z.output<Schema> {
  const ambiguous = effect === 'write' ? { ambiguous: true } : {};
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder().decode(body));
  } catch {
    throw failed('answer_cut', {
      op,
      cluster: client.name,
      reason: `the answer of ${body.length} bytes is no JSON`,
      ...ambiguous,
    });
  }
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.slice(0, 3).map((issue) => `${issue.path.join('.') || 'answer'}: ${issue.code}`);
  throw failed('unexpected_answer', {
    op,
    cluster: client.name,
    reason: `unexpected form of the answer at ${places.join(', ')}`,
    ...ambiguous,
  });
}

export const shardCounts = z.object({
  total: z.number(),
  successful: z.number(),
  skipped: z.number().optional(),
  failed: z.number(),
});
export type ShardCounts = z.output<typeof shardCounts>;

const broadcastAnswer = z.object({
  _shards: shardCounts.extend({ failures: z.array(z.object({ reason: z.unknown() })).optional() }),
});

/** A refresh or flush; a copy that failed fails it. Copies that are not assigned are in `total` only, and are not missed. */
export async function broadcast(
  client: SearchClient,
  { op, path }: { op: string; path: string },
  signal: AbortSignal,
): Promise<void> {
  const { _shards: shards } = await ask(client, { op, method: 'POST', path, effect: 'read' }, broadcastAnswer, signal);
  if (shards.failed === 0 && shards.successful > 0) return;
  const [first] = shards.failures ?? [];
  if (first !== undefined)
    throw classifyPart({ op, cluster: client.name, effect: 'read', refusedAs: undefined }, first.reason);
  throw failed('shard_unavailable', {
    op,
    cluster: client.name,
    reason: `${shards.successful} of ${shards.total} shard copies answered, ${shards.failed} failed`,
  });
}

/** A name in a URL path. Legal names may hold `+`, `%` and nearly any Unicode. */
export const pathOf = (...names: readonly string[]): string =>
  `/${names.map((name) => encodeURIComponent(name)).join('/')}`;
