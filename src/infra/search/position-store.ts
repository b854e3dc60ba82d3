/**
 * Positions beside the data: `.replication_checkpoint` in the follower cluster, one document for each pair, written with compare-and-set.
 * Requests are durable by default (`index.translog.durability: request`), and a position is worth nothing otherwise.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { present } from '../../domain/assert.ts';
import { Failed, failed } from '../../domain/failure.ts';
import type { PositionRecord } from '../../domain/position.ts';
import type { PositionSaved, PositionStore, PositionToken, StoredPosition } from '../../ports/position-store.ts';
import { classifyPart } from './classify.ts';
import type { SearchClient } from './client.ts';
import { ask, pathOf } from './json-answer.ts';

export const POSITIONS_INDEX = '.replication_checkpoint';
const SETTINGS = { 'index.hidden': true, 'index.number_of_shards': 1, 'index.auto_expand_replicas': '0-1' };
/** The record is kept as it is and never searched. */
const MAPPINGS = {
  dynamic: false,
  properties: { pair: { type: 'keyword', ignore_above: 1024 }, record: { type: 'object', enabled: false } },
};
/** Longest `_id` in bytes. */
const ID_BYTES_MAX = 512;

const cursor = z.object({ from: z.number(), to: z.number(), next: z.number() });
const positionRecord = z.object({
  pair: z.string(),
  journalId: z.string(),
  term: z.number(),
  savedAtMs: z.number(),
  eventSeq: z.number().optional(),
  desired: z.enum(['running', 'paused']).optional(),
  position: z.object({
    epoch: z.number(),
    checkpoint: z.number(),
    ranges: z.array(cursor),
    leader: z.object({ uuid: z.string(), historyUuid: z.string(), shards: z.number() }),
    follower: z.object({ uuid: z.string(), historyUuids: z.array(z.string()), maxSeqNos: z.array(z.number()) }),
    followerCount: z.number().nullable(),
    clean: z.boolean(),
    passedOver: z.array(z.number()).optional(),
  }),
}) satisfies z.ZodType<PositionRecord>;

const loadedAnswer = z.object({
  docs: z.array(
    z.object({
      found: z.boolean().optional(),
      _seq_no: z.number().optional(),
      _primary_term: z.number().optional(),
      _source: z.object({ record: positionRecord }).optional(),
      error: z.unknown().optional(),
    }),
  ),
});
const outcome = z.object({
  status: z.number(),
  _seq_no: z.number().optional(),
  _primary_term: z.number().optional(),
  error: z.unknown().optional(),
});
const writtenAnswer = z.object({ items: z.array(z.record(z.string(), outcome)) });
const BULK_QUERY = {
  pipeline: '_none',
  require_alias: false,
  filter_path: 'items.*.status,items.*._seq_no,items.*._primary_term,items.*.error',
} as const;

type Outcome = z.output<typeof outcome>;

export function createPositionStore(client: SearchClient): PositionStore {
  let created = false;

  async function write(op: string, lines: readonly unknown[], signal: AbortSignal): Promise<readonly Outcome[]> {
    if (!created) await createPositionsIndex(client, signal);
    created = true;
    return sendBulk(client, op, lines, signal);
  }

  return {
    load: (pairs, signal) => loadPositions(client, pairs, signal),
    async save(writes, signal) {
      if (writes.length === 0) return [];
      const context = {
        op: `${client.name} save positions`,
        cluster: client.name,
        effect: 'write',
        refusedAs: undefined,
      } as const;
      const lines = writes.flatMap(({ record, token }) => [action(record.pair, token), { pair: record.pair, record }]);
      const outcomes = await write(context.op, lines, signal);
      if (outcomes.length !== writes.length) {
        const reason = `${outcomes.length} outcomes for ${writes.length} positions`;
        throw failed('answer_cut', { ...context, reason, ambiguous: true });
      }
      const refused = writes.filter((_, at) => outcomes[at]?.status === 409).map(({ record }) => record.pair);
      const stored = await loadPositions(client, refused, signal);
      return writes.map(({ record }, at): PositionSaved => {
        const { status, error, _seq_no: seqNo, _primary_term: primaryTerm } = present(outcomes[at], 'an outcome each');
        if (status === 409) return afterConflict(record, stored.get(record.pair));
        if (seqNo === undefined || primaryTerm === undefined) throw classifyPart(context, error);
        return { kind: 'saved', token: { seqNo, primaryTerm } };
      });
    },
    async remove(pairs, signal) {
      if (pairs.length === 0) return;
      const context = {
        op: `${client.name} remove positions`,
        cluster: client.name,
        effect: 'write',
        refusedAs: undefined,
      } as const;
      const lines = pairs.map((pair) => ({ delete: { _id: documentId(pair) } }));
      for (const { status, error } of await write(context.op, lines, signal)) {
        if (status >= 300 && status !== 404) throw classifyPart(context, error);
      }
    },
  };
}

/** The answer to an earlier try of the same write may have been lost: then what is stored is what was to be written. */
function afterConflict(record: PositionRecord, stored: StoredPosition | undefined): PositionSaved {
  const own = stored !== undefined && isDeepStrictEqual(stored.record, record);
  return own ? { kind: 'saved', token: stored.token } : { kind: 'conflict' };
}

async function createPositionsIndex(client: SearchClient, signal: AbortSignal): Promise<void> {
  const body = JSON.stringify({ settings: SETTINGS, mappings: MAPPINGS });
  const op = `${client.name} create ${POSITIONS_INDEX}`;
  try {
    await client.send({ op, method: 'PUT', path: pathOf(POSITIONS_INDEX), body, effect: 'write' }, signal);
  } catch (error) {
    if (!(error instanceof Failed && error.failure.code === 'follower_exists')) throw error;
  }
}

async function loadPositions(
  client: SearchClient,
  pairs: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, StoredPosition>> {
  const stored = new Map<string, StoredPosition>();
  if (pairs.length === 0) return stored;
  const context = {
    op: `${client.name} load positions`,
    cluster: client.name,
    effect: 'read',
    refusedAs: undefined,
  } as const;
  const body = JSON.stringify({ docs: pairs.map((pair) => ({ _id: documentId(pair) })) });
  const request = { ...context, method: 'POST', path: `${pathOf(POSITIONS_INDEX)}/_mget`, body } as const;
  const { docs } = await ask(client, request, loadedAnswer, signal);
  if (docs.length !== pairs.length) {
    throw failed('unexpected_answer', { ...context, reason: `${docs.length} answers to ${pairs.length} pairs` });
  }
  for (const [at, pair] of pairs.entries()) {
    const { found, error, ...document } = present(docs[at], 'an answer each');
    if (error !== undefined) {
      const failure = classifyPart(context, error);
      // The index is created with the first position that is saved.
      if (failure.failure.code === 'index_deleted') return new Map();
      throw failure;
    }
    if (found !== true) continue;
    const { _seq_no: seqNo, _primary_term: primaryTerm, _source: source } = document;
    if (seqNo === undefined || primaryTerm === undefined || source?.record.pair !== pair) {
      throw failed('unexpected_answer', { ...context, reason: `the position of ${pair} has another form` });
    }
    stored.set(pair, { record: source.record, token: { seqNo, primaryTerm } });
  }
  return stored;
}

async function sendBulk(
  client: SearchClient,
  op: string,
  lines: readonly unknown[],
  signal: AbortSignal,
): Promise<readonly Outcome[]> {
  const body = new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const request = {
    op,
    method: 'POST',
    path: `${pathOf(POSITIONS_INDEX)}/_bulk`,
    query: BULK_QUERY,
    body,
    effect: 'write',
  } as const;
  const { items } = await ask(client, request, writtenAnswer, signal);
  return items.map((item) => present(Object.values(item)[0], 'an outcome in each item'));
}

function action(pair: string, token: PositionToken | undefined): unknown {
  const _id = documentId(pair);
  return token === undefined
    ? { create: { _id } }
    : { index: { _id, if_seq_no: token.seqNo, if_primary_term: token.primaryTerm } };
}

/** The pair's key itself, for the operator's eyes; its hash where it is too long for an `_id`. */
function documentId(pair: string): string {
  return Buffer.byteLength(pair) <= ID_BYTES_MAX ? pair : createHash('sha256').update(pair).digest('base64url');
}
