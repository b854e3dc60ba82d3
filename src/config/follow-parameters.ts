import { z } from 'zod';
import { DEFAULT_PARAMETERS, type FollowParameters } from '../domain/parameters.ts';
import { count, duration, share, size } from './quantities.ts';
import { didYouMean } from './suggest.ts';
import { formatDuration, formatSize } from './units.ts';

const INT_MAX = 2_147_483_647;
const MiB = 1024 ** 2;

/** Any of the parameters of a follower, each within its bounds (those of cross-cluster replication where it has the parameter). */
export const parametersSchema = z.strictObject({
  max_read_request_operation_count: count('Operations read from the leader by one request, at most.', {
    min: 1,
    max: INT_MAX,
  }).exactOptional(),
  max_read_request_size_bytes: size('Bytes read from the leader by one request, at most.', {
    min: 1,
    max: 1024 * MiB,
  }).exactOptional(),
  max_outstanding_read_requests: count('Read requests of one shard at a time, at most.', {
    min: 1,
    max: 1024,
  }).exactOptional(),
  max_write_request_operation_count: count('Operations in one bulk to the follower, at most.', {
    min: 1,
    max: INT_MAX,
  }).exactOptional(),
  max_write_request_size_bytes: size('Bytes in one bulk to the follower, at most.', {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  }).exactOptional(),
  max_outstanding_write_requests: count('Bulk requests of one shard at a time, at most.', {
    min: 1,
    max: 1024,
  }).exactOptional(),
  max_write_buffer_count: count('Operations of one shard waiting to be written before reading stops.', {
    min: 1,
    max: INT_MAX,
  }).exactOptional(),
  max_write_buffer_size_bytes: size('Bytes of one shard waiting to be written before reading stops.', {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  }).exactOptional(),
  max_retry_delay_ms: duration('Longest wait between two attempts.', { min: 1, max: 300_000 }).exactOptional(),
  read_poll_timeout_ms: duration('Longest wait for new operations on an idle leader.', {
    min: 1,
    max: 3_600_000,
  }).exactOptional(),
  on_missing_history: z
    .enum(['rebootstrap', 'fail'])
    .meta({
      description:
        'What to do when the history of the leader is not the one that was copied: copy everything again in place, or stop for an operator.',
    })
    .exactOptional(),
  mass_delete_share: share('A delete scan that would delete more than this share of a shard stops for an operator.', {
    min: 0,
    max: 1,
  }).exactOptional(),
  refresh_interval_min_ms: duration('The leader index is refreshed by Slipstream at most this often.', {
    min: 0,
    max: 3_600_000,
  }).exactOptional(),
  scan_share: share('Share of time spent searching for deletes, at most. It bounds how late a delete can be.', {
    min: 0.0001,
    max: 1,
  }).exactOptional(),
  on_divergence: z
    .enum(['repair', 'fail'])
    .meta({
      description:
        "What to do with a document that somebody else wrote or deleted on the follower, so that the leader's is refused there: overwrite it, or stop for an operator.",
    })
    .exactOptional(),
  on_document_rejected: z
    .enum(['quarantine', 'fail'])
    .meta({
      description:
        'What to do with a document that the follower refuses for ever: put it into quarantine and go on, or stop for an operator.',
    })
    .exactOptional(),
  quarantine_max_documents: count(
    'Documents of one shard in quarantine, at most; with more, or with more than half of the shard if that is more than 100, it stops for an operator.',
    { min: 1, max: 10_000 },
  ).exactOptional(),
  quarantine_content_bytes: size(
    "How much of a document in quarantine is kept in the follower cluster's `.slipstream_quarantine` for the operator's eyes.",
    { min: 0, max: MiB },
  ).exactOptional(),
});

export const PARAMETER_NAMES: readonly string[] = Object.keys(parametersSchema.shape);

function shownDefault(name: string, value: string | number): string {
  if (typeof value === 'string') return value;
  if (value === Number.MAX_SAFE_INTEGER) return 'unlimited';
  if (name.endsWith('_bytes')) return formatSize(value);
  return name.endsWith('_ms') ? formatDuration(value) : String(value);
}

/** Defaults as a person would write them, by name. */
export const PARAMETER_DEFAULTS: ReadonlyMap<string, string> = new Map(
  Object.entries(DEFAULT_PARAMETERS).map(([name, value]) => [name, shownDefault(name, value)]),
);

export type ParsedParameters =
  | { readonly parameters: Partial<FollowParameters> }
  | { readonly faults: readonly string[] };

/** Parameters given as text, e.g. on a command line; every fault is named. */
export function parseParameters(given: Readonly<Record<string, string>>): ParsedParameters {
  const parsed = parametersSchema.safeParse(given);
  if (parsed.success) return { parameters: parsed.data };
  const faults = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `${key}: no such parameter${didYouMean(key, PARAMETER_NAMES)}`)
      : [`${issue.path.join('.')}: ${issue.message}`],
  );
  return { faults };
}
