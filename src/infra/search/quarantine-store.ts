/**
 * Documents that the follower refuses: `.slipstream_quarantine` in the follower cluster, one document for each, under an id made of pair and
 * document and under the version of the refused one, so that no repeated or late request puts an older state into the place of a newer one.
 * What an operator may want to search is mapped; the beginning of the content is only kept.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Failed, failed } from '../../domain/failure.ts';
import type { QuarantineStore, QuarantineWrite, StoredQuarantine } from '../../ports/quarantine-store.ts';
import type { ClusterState } from '../../ports/search-cluster.ts';
import { classifyPart } from './classify.ts';
import type { SearchClient } from './client.ts';
import { ask, pathOf } from './json-answer.ts';
import { askSearchIfThere, WHOLE_SEARCH } from './search-answer.ts';
import { searchTarget } from './search-target.ts';

export const QUARANTINE_INDEX = '.slipstream_quarantine';
const SETTINGS = {
  'index.hidden': true,
  'index.number_of_shards': 1,
  'index.auto_expand_replicas': '0-1',
  // What somebody else deletes here is remembered under a version above ours: for a minute, the default, the pair could not go on.
  'index.gc_deletes': '1s',
};
const keyword = { type: 'keyword', ignore_above: 1024 };
const MAPPINGS = {
  dynamic: false,
  properties: {
    pair: keyword,
    epoch: { type: 'long' },
    id: keyword,
    routing: keyword,
    leader_seq_no: { type: 'long' },
    code: keyword,
    reason: { type: 'text' },
    older_copy: { type: 'boolean' },
    first_refused_at: { type: 'date' },
    refused_at: { type: 'date' },
    refusals: { type: 'long' },
  },
};
const LISTED_MAX = 10_000;
const WRITES_AT_ONCE = 100;
const EXTERNAL = { version_type: 'external_gte' } as const;

const stored = z.object({
  epoch: z.number(),
  id: z.string(),
  routing: z.string().nullable(),
  leader_seq_no: z.number(),
  code: z.enum(['document_rejected', 'too_large_for_follower']),
  reason: z.string(),
  copy_version: z.number().nullable(),
  first_refused_at: z.number(),
  refused_at: z.number(),
  refusals: z.number(),
});
const writtenAnswer = z.object({
  items: z.array(z.record(z.string(), z.object({ status: z.number(), error: z.unknown().optional() }))),
});
const LISTED_FIELDS = Object.keys(stored.shape);

export function createQuarantineStore(
  client: SearchClient,
  state: Pick<ClusterState, 'stateVersion'>,
): QuarantineStore {
  return {
    async load(pair, signal) {
      const found = await load(client, pair, signal);
      if (found !== 'no index') return found;
      // Of another cluster that took the address the index is missing too.
      await state.stateVersion(signal);
      return [];
    },
    async put(writes, signal) {
      // Whoever deletes the index between two writes would have it made anew by the bulk, without its mapping.
      const created = writes.length > 0 && (await createIndex(client, signal));
      const op = `${client.name} put into quarantine`;
      const lines = writes.map((write) => [
        { index: { _id: documentId(write.pair, write.document.id), version: write.version, ...EXTERNAL } },
        recordOf(write),
      ]);
      await sendBulk(client, op, lines, [], signal);
      return { created };
    },
    async remove(pair, removed, signal) {
      const op = `${client.name} remove from quarantine`;
      const lines = removed.map(({ id, version }) => [{ delete: { _id: documentId(pair, id), version, ...EXTERNAL } }]);
      await sendBulk(client, op, lines, [404, 409], signal);
    },
  };
}

function recordOf({ pair, epoch, document, copySeqNo, content, contentBytes }: QuarantineWrite): object {
  const { id, routing, seqNo, code, reason, copyVersion } = document;
  return {
    pair,
    epoch,
    id,
    routing: routing ?? null,
    leader_seq_no: seqNo,
    code,
    reason,
    older_copy: copyVersion !== undefined,
    copy_version: copyVersion ?? null,
    copy_leader_seq_no: copySeqNo ?? null,
    first_refused_at: document.firstRefusedAtMs,
    refused_at: document.refusedAtMs,
    refusals: document.refusals,
    content: content ?? null,
    content_bytes: contentBytes ?? null,
  };
}

/** True if it was missing. */
async function createIndex(client: SearchClient, signal: AbortSignal): Promise<boolean> {
  const body = JSON.stringify({ settings: SETTINGS, mappings: MAPPINGS });
  const op = `${client.name} create ${QUARANTINE_INDEX}`;
  try {
    await client.send({ op, method: 'PUT', path: pathOf(QUARANTINE_INDEX), body, effect: 'write' }, signal);
    return true;
  } catch (error) {
    if (error instanceof Failed && error.failure.code === 'follower_exists') return false;
    throw error;
  }
}

async function load(
  client: SearchClient,
  pair: string,
  signal: AbortSignal,
): Promise<readonly StoredQuarantine[] | 'no index'> {
  const op = `${client.name} load quarantine`;
  // Writes are refreshed as they are made, and what a crash left is refreshed when its shard starts.
  const search = {
    ...WHOLE_SEARCH,
    query: { term: { pair } },
    sort: [{ leader_seq_no: 'asc' }],
    version: true,
    size: LISTED_MAX,
    track_total_hits: false,
    _source: LISTED_FIELDS,
  };
  const target = searchTarget(op, { kind: 'now', index: QUARANTINE_INDEX, preference: 'slipstream' }, search);
  // It is created with the first document that is refused.
  const answer = await askSearchIfThere(client, target, { shards: 1, countTotal: false }, signal);
  if (answer === undefined) return 'no index';
  const sources = z.array(z.object({ _version: z.number(), _source: stored })).safeParse(answer.hits.hits);
  if (!sources.success)
    throw failed('unexpected_answer', { op, cluster: client.name, reason: `${QUARANTINE_INDEX} has another form` });
  return sources.data.map(({ _version: version, _source: source }) => storedOf(version, source));
}

function storedOf(version: number, source: z.output<typeof stored>): StoredQuarantine {
  const { epoch, id, routing, code, reason, refusals } = source;
  return {
    epoch,
    version,
    document: {
      id,
      routing: routing ?? undefined,
      seqNo: source.leader_seq_no,
      code,
      reason,
      copyVersion: source.copy_version ?? undefined,
      firstRefusedAtMs: source.first_refused_at,
      refusedAtMs: source.refused_at,
      refusals,
    },
  };
}

async function sendBulk(
  client: SearchClient,
  op: string,
  operations: readonly (readonly unknown[])[],
  /** Error statuses of an operation that are as good as success. */
  accepted: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  for (let at = 0; at < operations.length; at += WRITES_AT_ONCE) {
    const part = operations.slice(at, at + WRITES_AT_ONCE);
    const lines = part.flat().map((line) => `${JSON.stringify(line)}\n`);
    const request = {
      op,
      method: 'POST',
      path: `${pathOf(QUARANTINE_INDEX)}/_bulk`,
      query: { refresh: true, require_alias: false, filter_path: 'items.*.status,items.*.error' },
      body: new TextEncoder().encode(lines.join('')),
      effect: 'write',
    } as const;
    const { items } = await ask(client, request, writtenAnswer, signal);
    if (items.length !== part.length) {
      const reason = `${items.length} outcomes for ${part.length} documents`;
      throw failed('answer_cut', { op, cluster: client.name, reason, ambiguous: true });
    }
    for (const outcome of items.flatMap((item) => Object.values(item))) {
      if (outcome.status < 300 || accepted.includes(outcome.status)) continue;
      throw classifyPart({ op, cluster: client.name, effect: 'write', refusedAs: undefined }, outcome.error);
    }
  }
}

function documentId(pair: string, id: string): string {
  return createHash('sha256').update(`${pair}\n${id}`).digest('base64url');
}
