/**
 * Whether a key sees the whole of an index. What is hidden from a reader would look deleted, or be copied as if it did not exist, and every
 * answer would still be a success. There is no single question for it: a key with role descriptors of its own may not even read them.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { failed } from '../../domain/failure.ts';
import type { ReaderView } from '../../ports/index-admin.ts';
import type { ClusterRequest, SearchClient } from './client.ts';
import { ask, pathOf } from './json-answer.ts';

/** A node that lags further behind is taken out of its cluster. */
const LOOKS_MAX = 6;
const LAG_MS = 500;

const refusal = z.object({ error: z.object({ type: z.string(), reason: z.string().optional() }) });
const probe = z.union([refusal, z.object({ hits: z.unknown() })]);

const mappings = z.record(z.string(), z.unknown());
const visibleAnswer = z.record(z.string(), z.object({ mappings }));
const storedAnswer = z.object({
  metadata: z.object({ indices: z.record(z.string(), z.object({ mappings })) }).optional(),
});

const grants = z.object({
  indices: z
    .array(
      z.object({
        names: z.array(z.string()),
        privileges: z.array(z.string()),
        query: z.unknown().optional(),
        field_security: z.unknown().optional(),
      }),
    )
    .optional(),
});

export async function readerView(client: SearchClient, index: string, signal: AbortSignal): Promise<ReaderView> {
  if (await documentsAreFiltered(client, index, signal)) return 'document_level_security';
  if ((await fieldsAreHidden(client, index, signal)) || (await grantsAreLimited(client, index, signal)))
    return 'field_level_security';
  return 'whole';
}

/** A profiled search is refused under document-level security, to users and API keys alike, whatever the query of the role (also `match_all`). */
async function documentsAreFiltered(client: SearchClient, index: string, signal: AbortSignal): Promise<boolean> {
  const op = `${client.name} probe for document-level security`;
  const body = JSON.stringify({ size: 0, track_total_hits: false, profile: true });
  const request: ClusterRequest = {
    op,
    method: 'POST',
    path: `${pathOf(index)}/_search`,
    query: { filter_path: 'hits,error' },
    body,
    effect: 'read',
    accept: [400],
  };
  const answer = await ask(client, request, probe, signal);
  if (!('error' in answer)) return false;
  const { type, reason = '' } = answer.error;
  if (type === 'security_exception' && reason.includes('document level security')) return true;
  throw failed('unexpected_answer', { op, cluster: client.name, reason: `${type}: ${reason}`.slice(0, 500) });
}

/**
 * Field-level security leaves fields out of the mapping that a reader is shown, but not out of the cluster state. The master answers for what is stored, any
 * node for what is shown, and that one may lag behind: only what stays hidden is.
 */
async function fieldsAreHidden(client: SearchClient, index: string, signal: AbortSignal): Promise<boolean> {
  for (let looks = 1; await fieldsAreMissing(client, index, signal); looks += 1) {
    if (looks === LOOKS_MAX) return true;
    await delay(LAG_MS, undefined, { signal });
  }
  return false;
}

async function fieldsAreMissing(client: SearchClient, index: string, signal: AbortSignal): Promise<boolean> {
  const op = `${client.name} probe for field-level security`;
  const get = { op, method: 'GET', effect: 'read' } as const;
  // What is stored is asked for first: a field that a document brings in between is shown and not stored, never the other way round.
  const query = { filter_path: 'metadata.indices.*.mappings', expand_wildcards: 'all' };
  const stored = await ask(
    client,
    { ...get, path: `/_cluster/state/metadata${pathOf(index)}`, query },
    storedAnswer,
    signal,
  );
  const visible = await ask(client, { ...get, path: `${pathOf(index)}/_mapping` }, visibleAnswer, signal);
  const shown = new Set(fieldPaths(visible[index]?.mappings));
  return fieldPaths(stored.metadata?.indices[index]?.mappings['_doc']).some((path) => !shown.has(path));
}

function fieldPaths(mapping: unknown, prefix = ''): readonly string[] {
  const { properties = {}, fields = {} } = containers.parse(mapping ?? {});
  return Object.entries({ ...properties, ...fields }).flatMap(([field, nested]) => [
    `${prefix}${field}`,
    ...fieldPaths(nested, `${prefix}${field}.`),
  ]);
}
const containers = z.object({
  properties: z.record(z.string(), z.unknown()).optional(),
  fields: z.record(z.string(), z.unknown()).optional(),
});

/**
 * A grant of named fields hides fields that are not mapped, or not yet. Users and keys without role descriptors are told their grants; others get
 * a 400, as does everybody where there is no security: for those, ask again whenever the mapping has changed.
 */
async function grantsAreLimited(client: SearchClient, index: string, signal: AbortSignal): Promise<boolean> {
  const op = `${client.name} own privileges`;
  const request = {
    op,
    method: 'GET',
    path: '/_security/user/_privileges',
    query: { filter_path: 'indices' },
    effect: 'read',
    accept: [400, 404, 405],
  } as const;
  const { indices = [] } = await ask(client, request, grants, signal);
  const reading = indices.filter(
    ({ names, privileges }) =>
      privileges.some((privilege) => READING.has(privilege)) && names.some((name) => covers(name, index)),
  );
  // Grants add up: one without a limit lifts the limits of all others.
  return reading.length > 0 && reading.every(({ field_security: fields }) => fields !== undefined);
}

const READING: ReadonlySet<string> = new Set(['read', 'all']);

/** Name patterns of a role: `*`, `?`, or a regular expression between slashes (Lucene's dialect: taken to cover any index). */
function covers(pattern: string, index: string): boolean {
  if (pattern.startsWith('/')) return true;
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(index);
}
