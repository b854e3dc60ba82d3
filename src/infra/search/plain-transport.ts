/**
 * The official client's transport, so that it serves every engine and hides nothing: plain JSON headers (the vendored media types are refused
 * by OpenSearch and by older Elasticsearch), no product check, and connection errors as they were raised.
 */
import {
  type ConnectionRequestOptions,
  type ConnectionRequestOptionsAsStream,
  type ConnectionRequestParams,
  type ConnectionRequestResponse,
  type ConnectionRequestResponseAsStream,
  Transport,
  UndiciConnection,
} from '@elastic/elasticsearch';
import { restUntilMs } from './node-rotation.ts';

type TransportOptions = ConstructorParameters<typeof Transport>[0];

export class PlainTransport extends Transport {
  constructor({ productCheck: _unchecked, ...options }: TransportOptions) {
    super({
      ...options,
      // Spans are the actors' business: one per effect, not one per request.
      openTelemetry: { enabled: false },
      vendoredHeaders: {
        accept: 'application/json,text/plain',
        jsonContentType: 'application/json',
        ndjsonContentType: 'application/x-ndjson',
      },
    });
  }
}

/**
 * The library's connection turns every socket error into one class with a message and drops its code, which is what tells a refused
 * connection (nothing ran) from a reset one (unknown). It also marks a lone node as dead for a minute. Here errors pass through untouched.
 */
export class PlainConnection extends UndiciConnection {
  /** Monotonic clock; 0: it answered last time. */
  restsUntilMs = 0;
  #failures = 0;

  override request(
    params: ConnectionRequestParams,
    options: ConnectionRequestOptions,
  ): Promise<ConnectionRequestResponse>;
  override request(
    params: ConnectionRequestParams,
    options: ConnectionRequestOptionsAsStream,
  ): Promise<ConnectionRequestResponseAsStream>;
  override async request(
    params: ConnectionRequestParams,
    options: ConnectionRequestOptions,
  ): Promise<ConnectionRequestResponse & ConnectionRequestResponseAsStream> {
    const prefix = this.url.pathname.replace(/\/$/, '');
    const query = params.querystring === undefined || params.querystring === '' ? '' : `?${params.querystring}`;
    try {
      const { statusCode, headers, body } = await this.pool.request({
        method: params.method as 'GET',
        path: `${prefix}${params.path}${query}`,
        headers: { ...this.headers, ...params.headers },
        body: params.body ?? null,
        signal: options.signal ?? null,
      });
      this.#failures = 0;
      this.restsUntilMs = 0;
      return { statusCode, headers, body: body as typeof body & string & Buffer };
    } catch (error) {
      // One that was given up counts too: that is all there is to see of a node that stands still.
      const nowMs = performance.now();
      if (nowMs >= this.restsUntilMs) this.restsUntilMs = restUntilMs((this.#failures += 1), nowMs);
      throw error;
    }
  }
}
