/**
 * One place that turns what a cluster answered, or how a connection broke, into a failure of ours. The error type decides before the HTTP
 * status does, since one status serves many causes (403 is a missing privilege or a write block; 429 is overload or a full disk).
 *
 * Which failed writes prove that nothing ran: a connection that was never made, and a request refused as a whole by authentication (401, 403)
 * or by overload (429). HTTP 400 and 413 of a `_bulk` prove nothing: Elasticsearch 9 runs a large body in parts while it arrives. Seen on 9.4.3:
 * 92 MB whose last action line was malformed: 400, and 7,890 of 9,200 documents were there; 101 MB, above `http.max_content_length`: 413, and
 * 657 documents were there; 40 bodies of up to 15 MB refused by 429: none of their documents was there.
 */
import { CONDITIONS } from '../../domain/conditions.ts';
import { type Failed, failed, type FailureCode } from '../../domain/failure.ts';
import { AnswerTooLarge } from './answer-body.ts';

export interface RequestContext {
  readonly op: string;
  readonly cluster: string;
  readonly effect: 'read' | 'write';
  readonly refusedAs: FailureCode | undefined;
}

const conditions = Object.values(CONDITIONS);
const byType: ReadonlyMap<string, FailureCode> = new Map(
  conditions.flatMap(({ types = [], code }) => types.map((type) => [type, code] as const)),
);
const byStatus: ReadonlyMap<number, FailureCode> = new Map(
  conditions.flatMap(({ statuses = [], code }) => statuses.map((status) => [status, code] as const)),
);

/** Nothing ran. 429 of a whole `_bulk` means that its first part was refused: later ones are refused by item then, in a 200. */
const provenStatuses: ReadonlySet<number> = new Set([401, 403, 429]);

/** A socket was never connected (or TLS never agreed), so nothing was sent. */
const neverConnected: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'EPROTO',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_SSL_WRONG_VERSION_NUMBER',
]);

interface ErrorCause {
  readonly type: string;
  readonly reason: string;
}

export function classifyAnswer(
  context: RequestContext,
  answer: { status: number; body: Uint8Array; retryAfter: string | undefined },
): Failed {
  const { op, cluster, effect } = context;
  const { status } = answer;
  const causes = causesOf(answer.body);
  const retryAfterMs = retryAfterOf(answer.retryAfter);
  return failed(codeOf(context, status, causes), {
    op,
    cluster,
    status,
    reason: reasonOf(causes) ?? `HTTP ${status} without an error of the cluster`,
    ...(effect === 'write' && !provenStatuses.has(status) ? { ambiguous: true } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** An error inside an answer that is HTTP 200, such as one document of a `_mget`. */
export function classifyPart(context: RequestContext, error: unknown): Failed {
  const causes = causesIn(error);
  return failed(codeOf(context, 200, causes), {
    op: context.op,
    cluster: context.cluster,
    reason: reasonOf(causes) ?? 'error of unknown form',
  });
}

export interface BrokenExchange {
  readonly error: unknown;
  /** Whether the answer's head had come. */
  readonly phase: 'head' | 'body';
  /** Why it was broken off from here, if it was. */
  readonly interrupted: string | undefined;
}

export function classifyThrown(
  { op, cluster, effect }: RequestContext,
  { error, phase, interrupted }: BrokenExchange,
): Failed {
  const ambiguous = effect === 'write' ? { ambiguous: true } : {};
  if (error instanceof AnswerTooLarge) {
    return failed('answer_too_large', { op, cluster, reason: 'the answer is larger than what is kept', ...ambiguous });
  }
  const { code, reason } = connectionError(error);
  const unsent = interrupted === undefined && phase === 'head' && neverConnected.has(code);
  const kind = interrupted !== undefined ? 'request_timeout' : phase === 'body' ? 'answer_cut' : 'cluster_unreachable';
  return failed(kind, { op, cluster, reason: interrupted ?? reason, ...(unsent ? {} : ambiguous) });
}

function codeOf({ refusedAs }: RequestContext, status: number, causes: readonly ErrorCause[]): FailureCode {
  for (const { type, reason } of causes) {
    const code = byType.get(type);
    if (code === 'blocked' && reason.includes('index closed')) return 'index_closed';
    // No master, or state not recovered: not something an operator unblocks.
    if (code === 'blocked' && status === 503) return 'no_master';
    if (code === 'forbidden' && status === 401) return 'unauthorized';
    if (code !== undefined) return code;
    if (type === 'illegal_argument_exception' && reason.startsWith('no data nodes with criteria'))
      return 'leader_moved_primary';
  }
  if (status === 400 && refusedAs !== undefined) return refusedAs;
  // The cluster itself, e.g. "Search rejected due to missing shards"; without an error of its own it is something in front of it.
  if (status === 503 && causes.length > 0) return 'shard_unavailable';
  return byStatus.get(status) ?? 'unexpected_answer';
}

/** The error, its root causes and the causes of its shards, most telling first. Wrappers such as `search_phase_execution_exception` come last. */
function causesOf(body: Uint8Array): readonly ErrorCause[] {
  try {
    const answer: unknown = JSON.parse(new TextDecoder().decode(body));
    return isRecord(answer) ? causesIn(answer['error'] ?? answer) : [];
  } catch {
    return [];
  }
}

const DEPTH_MAX = 5;

function causesIn(error: unknown): readonly ErrorCause[] {
  if (typeof error === 'string') return [{ type: 'error', reason: error }];
  if (!isRecord(error)) return [];
  const roots = list(error['root_cause']);
  const shards = list(error['failed_shards']).map((shard) => (isRecord(shard) ? shard['reason'] : undefined));
  const found: ErrorCause[] = [];
  for (const top of [...roots, ...shards, error]) {
    for (let cause = top, depth = 0; isRecord(cause) && depth < DEPTH_MAX; cause = cause['caused_by'], depth += 1) {
      const { type, reason, index } = cause;
      if (typeof type !== 'string') continue;
      // What lies below quotes the value that was refused, in the words of each field type.
      if (type === 'document_parsing_exception') depth = DEPTH_MAX;
      const said = typeof reason === 'string' ? reason : '';
      // `closed`, and no word of what.
      const text = typeof index === 'string' && type === 'index_closed_exception' ? `${said} [${index}]` : said;
      if (!found.some((known) => known.type === type && known.reason === text)) found.push({ type, reason: text });
    }
  }
  return found;
}

const REASON_LENGTH_MAX = 500;

function reasonOf(causes: readonly ErrorCause[]): string | undefined {
  if (causes.length === 0) return undefined;
  const wrappers = new Set(['search_phase_execution_exception', 'exception']);
  const telling = causes.filter(({ type }) => !wrappers.has(type));
  const text = (telling.length === 0 ? causes : telling)
    .map(({ type, reason }) => (type === 'error' ? reason : reason === '' ? type : `${type}: ${reason}`))
    .join('; ');
  return withoutContent(text).slice(0, REASON_LENGTH_MAX);
}

/** Error texts of the cluster quote values of documents in these forms. */
const quotedContent: readonly RegExp[] = [
  /Preview of field's value: '[^]*?'(?=$|;|\n)/g,
  /(?<=For input string: )"[^]*?"(?=$|;|\n)/g,
  /(?<=failed to parse date field )\[[^]*?\](?= with format|$)/g,
  /(?<=Unrecognized token )'[^]*?'(?=:|$)/g,
  /(?<=\[Source: )[^]*?(?=; line: |$)/g,
];

export function withoutContent(reason: string): string {
  return quotedContent.reduce((text, pattern) => text.replaceAll(pattern, '(content left out)'), reason);
}

function connectionError(error: unknown): { code: string; reason: string } {
  // A host with several addresses fails with one error for each.
  const cause: unknown = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  if (!(cause instanceof Error)) return { code: '', reason: 'the connection failed' };
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  const text = withoutOpenSslFrame(cause.message.trim() || cause.name);
  return { code, reason: text.includes(code) ? text : `${code}: ${text}` };
}

/** OpenSSL prints thread, error number, library, function, text, file and line. */
function withoutOpenSslFrame(text: string): string {
  const [, told] = /(?:^|\s)[0-9A-F]+:error:[0-9A-F]+:[^:]*:[^:]*:([^:]*):/.exec(text) ?? [];
  if (told === undefined) return text;
  return told === 'wrong version number'
    ? 'TLS: wrong version number (a server that speaks plain HTTP has a url that begins with http://)'
    : `TLS: ${told}`;
}

/** Seconds, or a date (ignored: clusters send seconds). */
function retryAfterOf(header: string | undefined): number | undefined {
  const seconds = Number(header ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
