import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type OpenCluster, openCluster } from '../../../src/infra/search/open-cluster.ts';
import { systemClock } from '../../../src/infra/system/clock.ts';

/** A request as it came over the wire. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** Resolves when the client's side of the exchange is closed. */
  readonly closed: Promise<void>;
}

export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  readonly seen: readonly Seen[];
}

/** A stand-in for a cluster, for answers that a real one gives rarely: it tests what the client makes of them, nothing else. */
export async function serve(answer: (request: Seen, response: ServerResponse) => void): Promise<ScriptedServer> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const closed = new Promise<void>((resolve) => response.once('close', resolve));
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const one = { method, url, headers, body: Buffer.concat(chunks), closed };
      seen.push(one);
      answer(one, response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** It as the cluster `paris`, without security. */
export function openServed({ url }: ScriptedServer): OpenCluster {
  return openCluster({
    name: 'paris',
    url,
    auth: { kind: 'none' },
    caPem: undefined,
    compression: false,
    requestTimeoutMs: 5_000,
    maxConnections: 2,
    clock: systemClock,
  });
}

export function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

export interface Recorded {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** An answer of a real server, from test/fixtures/responses. */
export function recorded(name: string): Recorded {
  const file = new URL(`../../fixtures/responses/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Recorded;
}

export function replay(response: ServerResponse, { status, headers, body }: Recorded): void {
  response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
}
