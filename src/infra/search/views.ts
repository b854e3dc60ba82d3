/** Opening and closing points in time, in each engine's dialect. */
import { z } from 'zod';
import { failed } from '../../domain/failure.ts';
import type { View } from '../../ports/search-cluster.ts';
import type { Capabilities } from './capabilities.ts';
import type { SearchClient } from './client.ts';
import { ask, pathOf, shardCounts } from './json-answer.ts';
import { partial, missingPart } from './search-answer.ts';
import { KEEP_ALIVE } from './search-target.ts';

export interface ViewRequest {
  readonly index: string;
  readonly shard: number;
  /** Of one copy of the shard. */
  readonly preference: string;
}

const opened = z.object({ id: z.string().optional(), pit_id: z.string().optional(), _shards: shardCounts });
/** A view that cannot be closed in this time expires by itself. */
const CLOSE_TIMEOUT_MS = 10_000;

export async function openView(
  client: SearchClient,
  dialect: Capabilities['pitDialect'],
  { index, shard, preference }: ViewRequest,
  signal: AbortSignal,
): Promise<View> {
  const op = `${client.name} open view`;
  const query = { keep_alive: KEEP_ALIVE, preference };
  const request =
    dialect === 'elasticsearch'
      ? { path: `${pathOf(index)}/_pit`, query: { ...query, allow_partial_search_results: false } }
      : { path: `${pathOf(index)}/_search/point_in_time`, query: { ...query, allow_partial_pit_creation: false } };
  const answer = await ask(client, { op, method: 'POST', ...request, effect: 'read' }, opened, signal);
  const id = answer.id ?? answer.pit_id;
  if (id === undefined) {
    throw failed('unexpected_answer', { op, cluster: client.name, reason: 'the answer names no point in time' });
  }
  const view = { index, shard, id };
  const claims = { timedOut: false, shards: answer._shards, totalRelation: undefined };
  const reason = missingPart(claims, { shards: 1, countTotal: false });
  if (reason === undefined) return view;
  await closeView(client, dialect, view);
  throw partial(client, op, reason);
}

export async function closeView(client: SearchClient, dialect: Capabilities['pitDialect'], view: View): Promise<void> {
  const request =
    dialect === 'elasticsearch'
      ? { path: '/_pit', body: JSON.stringify({ id: view.id }) }
      : { path: '/_search/point_in_time', body: JSON.stringify({ pit_id: [view.id] }) };
  const op = `${client.name} close view`;
  const closing = client.send(
    { op, method: 'DELETE', ...request, effect: 'read', accept: [404] },
    AbortSignal.timeout(CLOSE_TIMEOUT_MS),
  );
  await closing.catch(() => undefined);
}
