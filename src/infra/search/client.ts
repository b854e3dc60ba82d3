/**
 * One request to one cluster: raw bytes in, raw bytes out, a total deadline, a real abort, and `Failed` for everything that is not a complete
 * 2xx answer. Nothing is redirected or sniffed here, and nothing is retried, since that belongs to whoever knows what the request means;
 * but where a cluster has several addresses, one that does not answer at all makes way for the next within the same deadline.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { Client } from '@elastic/elasticsearch';
import { Failed, type FailureCode } from '../../domain/failure.ts';
import type { BufferPool } from '../../domain/wire/buffer-pool.ts';
import type { Clock } from '../../ports/clock.ts';
import { readBody } from './answer-body.ts';
import { classifyAnswer, classifyThrown } from './classify.ts';
import { type Deadline, startDeadline } from './deadline.ts';
import { NodeRotation } from './node-rotation.ts';
import { PlainConnection, PlainTransport } from './plain-transport.ts';
import { createRateLimit } from './rate-limit.ts';

export type ClusterAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'apiKey'; readonly encoded: string }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string };

export interface SearchClientOptions {
  /** Name of the cluster in the configuration; stands in failures. */
  readonly name: string;
  /** One or several nodes of the cluster; one that gives no answer makes way for the next, and is passed over for a while. */
  readonly url: string | readonly string[];
  readonly auth: ClusterAuth;
  /** Contents of the CA file (PEM); undefined: the system's CAs. */
  readonly caPem: string | undefined;
  /** gzip in both directions. */
  readonly compression: boolean;
  /** From sending to the last byte. Also the longest life of a write seen from here. */
  readonly requestTimeoutMs: number;
  readonly maxConnections: number;
  /** Largest answer that is kept, decompressed. */
  readonly maxAnswerBytes?: number | undefined;
  /** Limits bytes received (as they come, compressed), averaged over time. */
  readonly rateLimit?: { readonly bytesPerSecond: number } | undefined;
  readonly clock: Clock;
}

export interface ClusterRequest {
  /** What is being done, for failures: `leader search`. */
  readonly op: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Encoded; names go through `encodeURIComponent`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** JSON text, or newline-delimited JSON as bytes. */
  readonly body?: string | Uint8Array | undefined;
  /** A write that fails without proof that nothing ran is ambiguous. */
  readonly effect: 'read' | 'write';
  /** Code of a refusal (HTTP 400) that is not known by its type. */
  readonly refusedAs?: FailureCode | undefined;
  /** Error statuses that are an answer to this request. */
  readonly accept?: readonly number[] | undefined;
  /** Where the answer's memory is taken from; its owner gives it back. */
  readonly buffers?: BufferPool | undefined;
  /** Added to the client's deadline, for requests that wait on purpose. */
  readonly extraTimeoutMs?: number | undefined;
}

export interface ClusterAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

export interface SearchClient {
  readonly name: string;
  readonly requestTimeoutMs: number;
  /** Throws `Failed`, or the signal's reason when aborted; an aborted write that was already sent is an ambiguous `Failed`. */
  send(request: ClusterRequest, signal: AbortSignal): Promise<ClusterAnswer>;
  close(): Promise<void>;
}

/** Four of the largest pages (64 MB) fit; a page of unexpectedly large documents must not take the process down. */
const DEFAULT_MAX_ANSWER_BYTES = 256 * 1024 * 1024;
/** Shorter than the idle timeout of common load balancers (60 s): a socket closed by them costs an ambiguous write. */
const KEEP_ALIVE_MS = 45_000;

export function createSearchClient(options: SearchClientOptions): SearchClient {
  const { name, url, clock, requestTimeoutMs, maxAnswerBytes = DEFAULT_MAX_ANSWER_BYTES } = options;
  const limit = options.rateLimit === undefined ? undefined : createRateLimit(options.rateLimit.bytesPerSecond, clock);
  const client = createClient(options);

  const addresses = typeof url === 'string' ? 1 : url.length;

  async function sendOnce(request: ClusterRequest, deadline: Deadline, signal: AbortSignal): Promise<ClusterAnswer> {
    const context = { op: request.op, cluster: name, effect: request.effect, refusedAs: request.refusedAs };
    let phase: 'head' | 'body' = 'head';
    try {
      const { statusCode: status = 0, headers = {}, body: stream } = await exchange(client, request, deadline.signal);
      phase = 'body';
      const body = await readBody(stream, {
        gzipped: headers['content-encoding'] === 'gzip',
        maxBytes: maxAnswerBytes,
        buffers: request.buffers,
        onBytes: (bytes) => limit?.spend(bytes),
      });
      const answered = (status >= 200 && status < 300) || request.accept?.includes(status) === true;
      if (!answered) throw classifyAnswer(context, { status, body, retryAfter: headers['retry-after'] });
      return { status, body };
    } catch (error) {
      if (signal.aborted && request.effect === 'read') throw signal.reason;
      if (error instanceof Failed) throw error;
      const expired = deadline.expired ? `no complete answer within ${deadline.timeoutMs} ms` : undefined;
      const interrupted = signal.aborted ? 'given up by the caller' : expired;
      throw classifyThrown(context, { error, phase, interrupted });
    }
  }

  return {
    name,
    requestTimeoutMs,
    async send(request, signal) {
      signal.throwIfAborted();
      // Whoever may write now may not do so any later.
      if (request.effect === 'read') await limit?.admit(signal);
      using deadline = startDeadline(clock, requestTimeoutMs + (request.extraTimeoutMs ?? 0), signal);
      for (let left = addresses - 1; ; left -= 1) {
        try {
          return await sendOnce(request, deadline, signal);
        } catch (thrown) {
          if (left <= 0 || !unanswered(thrown)) throw thrown;
        }
      }
    },
    close: () => client.close(),
  };
}

/** The address gave no answer, and a write has certainly not arrived. */
function unanswered(thrown: unknown): boolean {
  if (!(thrown instanceof Failed)) return false;
  const { code, ambiguous } = thrown.failure;
  return code === 'cluster_unreachable' && ambiguous !== true;
}

interface RawAnswer {
  readonly statusCode?: number;
  readonly headers?: IncomingHttpHeaders;
  readonly body: AsyncIterable<Uint8Array>;
}

function exchange(client: Client, request: ClusterRequest, signal: AbortSignal): Promise<RawAnswer> {
  const { method, path, query, body } = request;
  const target = { method, path, querystring: { ...query } };
  const options = { asStream: true, meta: true, maxRetries: 0, signal } as const;
  if (body === undefined) return client.transport.request(target, options);
  if (typeof body === 'string') {
    const headers = { 'content-type': 'application/json' };
    return client.transport.request({ ...target, body }, { ...options, headers });
  }
  const bulkBody = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return client.transport.request({ ...target, bulkBody }, options);
}

function createClient({ url, auth, caPem, compression, maxConnections }: SearchClientOptions): Client {
  return new Client({
    nodes: typeof url === 'string' ? url : [...url],
    Transport: PlainTransport,
    Connection: PlainConnection,
    ConnectionPool: NodeRotation,
    ...(auth.kind === 'apiKey' ? { auth: { apiKey: auth.encoded } } : {}),
    ...(auth.kind === 'basic' ? { auth: { username: auth.username, password: auth.password } } : {}),
    ...(caPem === undefined ? {} : { tls: { ca: caPem } }),
    compression,
    headers: { 'user-agent': 'slipstream', ...(compression ? { 'accept-encoding': 'gzip' } : {}) },
    enableMetaHeader: false,
    maxRetries: 0,
    sniffOnStart: false,
    sniffInterval: false,
    sniffOnConnectionFault: false,
    // Without `requestTimeout` the library sets no timeouts of its own: the deadline is that of `send`, over head and body.
    agent: { connections: maxConnections, keepAliveTimeout: KEEP_ALIVE_MS, keepAliveMaxTimeout: KEEP_ALIVE_MS },
  });
}
