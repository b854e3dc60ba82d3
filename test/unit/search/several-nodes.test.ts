import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { type ClusterRequest, createSearchClient, type SearchClient } from '../../../src/infra/search/client.ts';
import { restUntilMs } from '../../../src/infra/search/node-rotation.ts';
import { systemClock } from '../../../src/infra/system/clock.ts';
import { until } from '../../support/until.ts';

const REQUESTS = 12;

interface Node extends AsyncDisposable {
  readonly url: string;
  asked: number;
  /** Takes requests and does not answer, or ends the connection instead. */
  hangs: boolean;
  breaks: boolean;
  die(): Promise<void>;
  comeBack(): Promise<void>;
}

async function startNode(): Promise<Node> {
  let server: Server;
  let port = 0;
  const node: Node = {
    url: '',
    asked: 0,
    hangs: false,
    breaks: false,
    async die() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
    async comeBack() {
      server = createServer((_, response) => {
        node.asked += 1;
        if (node.breaks) response.destroy();
        else if (!node.hangs) response.end('{}');
      });
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      ({ port } = server.address() as AddressInfo);
    },
    [Symbol.asyncDispose]: () => (server.listening ? node.die() : Promise.resolve()),
  };
  await node.comeBack();
  return Object.assign(node, { url: `http://127.0.0.1:${port}` });
}

function open(nodes: readonly Node[]): SearchClient & AsyncDisposable {
  const client = createSearchClient({
    name: 'c',
    url: nodes.map(({ url }) => url),
    auth: { kind: 'none' },
    caPem: undefined,
    compression: false,
    requestTimeoutMs: 200,
    maxConnections: 4,
    clock: systemClock,
  });
  return { ...client, [Symbol.asyncDispose]: () => client.close() };
}

async function failures(
  client: SearchClient,
  requests: number,
  effect: ClusterRequest['effect'] = 'read',
): Promise<number> {
  let failed = 0;
  for (let at = 0; at < requests; at += 1)
    await client
      .send({ op: 'test', method: effect === 'read' ? 'GET' : 'POST', path: '/', effect }, new AbortController().signal)
      .catch(() => (failed += 1));
  return failed;
}

/** One; another one, where the machine is so slow that the rest is over. */
function fewFailed(failed: number): void {
  assert.ok(failed === 1 || failed === 2, `${failed} of ${REQUESTS} failed`);
}

test('requests go to each node of a cluster in turn', async () => {
  await using first = await startNode();
  await using second = await startNode();
  await using client = open([first, second]);
  assert.equal(await failures(client, REQUESTS), 0);
  assert.deepEqual([first.asked, second.asked], [REQUESTS / 2, REQUESTS / 2]);
});

test('a node that died costs no request, since another one takes it, and is used again when it is back', async () => {
  await using first = await startNode();
  await using second = await startNode();
  await using client = open([first, second]);
  await failures(client, 2);
  await second.die();
  assert.equal(await failures(client, REQUESTS), 0);
  assert.equal(await failures(client, REQUESTS, 'write'), 0, 'nobody was there to take a write');
  await second.comeBack();
  const before = second.asked;
  await until('it is asked again', 10_000, async () => {
    await failures(client, 1);
    return second.asked > before || undefined;
  });
});

test('a write whose connection ended is not sent to another node: the first may have done it', async () => {
  await using first = await startNode();
  await using second = await startNode();
  await using client = open([first, second]);
  first.breaks = true;
  second.breaks = true;
  assert.equal(await failures(client, 1, 'write'), 1);
  assert.equal(first.asked + second.asked, 1);
  assert.equal(await failures(client, 1), 1);
  assert.equal(first.asked + second.asked, 3, 'a read is sent to each');
});

test('a node that takes requests and does not answer costs one request too', async () => {
  await using first = await startNode();
  await using second = await startNode();
  await using client = open([first, second]);
  second.hangs = true;
  fewFailed(await failures(client, REQUESTS));
});

test('while all nodes are away requests go on, to be told why', async () => {
  await using first = await startNode();
  await using second = await startNode();
  await using client = open([first, second]);
  await Promise.all([first.die(), second.die()]);
  assert.equal(await failures(client, REQUESTS), REQUESTS);
  await first.comeBack();
  await second.comeBack();
  assert.equal(await failures(client, REQUESTS), 0);
});

test('a node rests twice as long each time that it gives no answer again, up to half a minute', () => {
  const rests = [1, 2, 3, 6, 50].map((times) => restUntilMs(times, 1_000_000) - 1_000_000);
  assert.deepEqual(rests, [1_000, 2_000, 4_000, 30_000, 30_000]);
});
