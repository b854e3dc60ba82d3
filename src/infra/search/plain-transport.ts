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
    const { statusCode, headers, body } = await this.pool.request({
      method: params.method as 'GET',
      path: `${prefix}${params.path}${query}`,
      headers: { ...this.headers, ...params.headers },
      body: params.body ?? null,
      signal: options.signal ?? null,
    });
    return { statusCode, headers, body: body as typeof body & string & Buffer };
  }
}
