/** Stands between a client and one server on loopback, writes down what is asked, and spoils answers as it is told. */
import { once } from 'node:events';
import { Agent, createServer, request as send, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface ProxiedRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly atMs: number;
}

/**
 * - pass     nothing
 * - rewrite  another body (the answer must not be compressed)
 * - cut      the client gets so many bytes of the answer's body, then a reset; the server has finished by then
 * - leave    the client gets a reset as soon as the server has the whole request; the server goes on
 * - delay    the server gets the request so much later, unless the client has gone by then
 * - headers  the server gets these headers instead of those of the same names
 * - to       the server at another address gets it, and answers
 * - answer   the client gets this answer; the server gets nothing
 */
export type Treatment =
  | { readonly kind: 'pass' }
  | { readonly kind: 'rewrite'; readonly body: (text: string) => string }
  | { readonly kind: 'cut'; readonly afterBytes: number }
  | { readonly kind: 'leave' }
  | { readonly kind: 'headers'; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'to'; readonly url: string }
  | { readonly kind: 'answer'; readonly status: number; readonly body: object };

export interface HttpProxy extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly ProxiedRequest[];
  /** Forgets what was asked so far. */
  clear(): void;
  treat: (request: ProxiedRequest) => Treatment;
}

const PASS: Treatment = { kind: 'pass' };

export async function startHttpProxy(target: string): Promise<HttpProxy> {
  const agent = new Agent({ keepAlive: true });
  const requests: ProxiedRequest[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((incoming, outgoing) => {
    const handle = async (): Promise<void> => {
      const body = await bytesOf(incoming);
      const { method = 'GET', url: path = '/', headers } = incoming;
      const asked = { method, path, headers, body, atMs: performance.now() };
      requests.push(asked);
      const treatment = proxy.treat(asked);
      if (treatment.kind === 'answer') {
        outgoing.writeHead(treatment.status, {
          'content-type': 'application/json',
          'x-elastic-product': 'Elasticsearch',
        });
        outgoing.end(JSON.stringify(treatment.body));
        return;
      }
      if (treatment.kind === 'delay') {
        await delay(treatment.ms);
        if (incoming.socket.destroyed) return;
      }
      // Not compressed on the way from the server when it is to be read here.
      const given = {
        ...headers,
        ...(treatment.kind === 'rewrite' ? { 'accept-encoding': 'identity' } : {}),
        ...(treatment.kind === 'headers' ? treatment.headers : {}),
      };
      const { hostname, port } = new URL(treatment.kind === 'to' ? treatment.url : target);
      const forwarded = send({ host: hostname, port, method, path, headers: given, agent });
      forwarded.end(body);
      if (treatment.kind === 'leave') {
        forwarded.on('error', () => undefined);
        forwarded.on('response', (answer) => answer.resume());
        await once(forwarded, 'finish');
        incoming.socket.destroy();
        return;
      }
      const [answer] = (await once(forwarded, 'response')) as [IncomingMessage];
      const content = await bytesOf(answer);
      const status = answer.statusCode ?? 502;
      if (treatment.kind === 'cut') {
        outgoing.writeHead(status, answer.headers);
        outgoing.write(content.subarray(0, treatment.afterBytes), () => incoming.socket.destroy());
        return;
      }
      const final = treatment.kind === 'rewrite' ? Buffer.from(treatment.body(content.toString())) : content;
      const { 'transfer-encoding': _, ...rest } = answer.headers;
      outgoing.writeHead(status, { ...rest, 'content-length': final.length });
      outgoing.end(final);
    };
    handle().catch(() => incoming.socket.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: HttpProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    clear: () => void requests.splice(0),
    treat: () => PASS,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return proxy;
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
