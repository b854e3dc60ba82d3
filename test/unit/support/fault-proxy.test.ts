import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { type FaultProxy, type NetworkFault, startFaultProxy } from '../../support/fault-proxy.ts';
import { until } from '../../support/until.ts';

const ANSWER = 'x'.repeat(50_000);

interface Ground extends AsyncDisposable {
  readonly proxy: FaultProxy;
  /** Paths that the server was asked for. */
  readonly asked: readonly string[];
  /** On connections that stay open. The bytes that came, or the code of the error. */
  ask(path: string): Promise<number | string>;
}

async function ground(fault?: NetworkFault): Promise<Ground> {
  const asked: string[] = [];
  const server = createServer((incoming, outgoing) => {
    asked.push(incoming.url ?? '');
    outgoing.end(ANSWER);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await startFaultProxy({ serverPort: (server.address() as AddressInfo).port });
  proxy.set(fault);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    proxy,
    asked,
    ask: (path) =>
      new Promise((resolve) => {
        let bytes = 0;
        const failed = (error: NodeJS.ErrnoException): void =>
          resolve(`${error.code} after ${bytes > 0 ? 'some' : 'none'}`);
        const sent = request({ host: '127.0.0.1', port: proxy.port, path, agent }, (answer) => {
          answer.on('data', (chunk: Buffer) => (bytes += chunk.length));
          answer.on('end', () => resolve(bytes));
          answer.on('error', failed);
        });
        sent.on('error', failed);
        sent.end();
      }),
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await proxy[Symbol.asyncDispose]();
      server.close();
    },
  };
}

test('passes everything while nothing is wrong', async () => {
  await using at = await ground();
  assert.deepEqual([await at.ask('/1'), await at.ask('/2')], [ANSWER.length, ANSWER.length]);
  assert.deepEqual(at.proxy.counts, { wan: 0, reset: 0, truncate: 0, slowClose: 0, blackHole: 0 });
});

test('a distant server answers after the way there and back, and no faster than the line', async () => {
  await using at = await ground({ kind: 'wan', delayMs: 50, bytesPerSecond: 250_000 });
  const startedAtMs = performance.now();
  assert.equal(await at.ask('/1'), ANSWER.length);
  const tookMs = performance.now() - startedAtMs;
  assert.ok(tookMs >= 100 + 200 - 5, `${tookMs} ms`);
  assert.ok(at.proxy.counts.wan > 1);
});

test('an answer is cut in its middle by a reset, or by an end in good order, so many times', async () => {
  for (const kind of ['reset', 'truncate'] as const) {
    await using at = await ground({ kind, afterBytes: 10_000, times: 2 });
    for (const path of ['/1', '/2']) assert.equal(await at.ask(path), 'ECONNRESET after some');
    assert.equal(await at.ask('/3'), ANSWER.length);
    assert.deepEqual([at.proxy.counts[kind], at.asked.length], [2, 3]);
  }
});

test('nothing of an answer arrives when it is cut at its beginning, yet the server was asked', async () => {
  await using at = await ground({ kind: 'reset', afterBytes: 0, times: 1 });
  assert.equal(await at.ask('/1'), 'ECONNRESET after none');
  assert.deepEqual(at.asked, ['/1']);
});

test('an answer that is shorter than the cut arrives', async () => {
  await using at = await ground({ kind: 'reset', afterBytes: 10 * ANSWER.length });
  assert.equal(await at.ask('/1'), ANSWER.length);
  assert.equal(at.proxy.counts.reset, 0);
});

test('only a share of the answers is hit', async () => {
  await using at = await ground({ kind: 'truncate', afterBytes: 10, share: 0.5 });
  const answers = new Set<number | string>();
  await until('some arrive and some do not', 10_000, async () => {
    answers.add(await at.ask('/1'));
    return answers.size > 1 || undefined;
  });
});

test('a connection that is closed slowly takes one more request, which the server never has', async () => {
  await using at = await ground({ kind: 'slowClose', delayMs: 20, times: 1 });
  assert.equal(await at.ask('/1'), ANSWER.length);
  assert.equal(await at.ask('/2'), 'ECONNRESET after none');
  assert.equal(await at.ask('/3'), ANSWER.length);
  assert.deepEqual([at.asked, at.proxy.counts.slowClose], [['/1', '/3'], 1]);
});

test('what went into a black hole arrives when it is gone, even if its sender has gone too', async () => {
  await using at = await ground({ kind: 'blackHole' });
  const waiting = at.ask('/waits');
  const gone = request({ host: '127.0.0.1', port: at.proxy.port, path: '/gone', agent: false });
  gone.on('error', () => undefined);
  gone.end(() => setImmediate(() => gone.destroy()));
  await new Promise((resolve) => gone.on('close', resolve));
  await until('both requests and one end are held', 10_000, async () => at.proxy.counts.blackHole >= 3 || undefined);
  assert.deepEqual(at.asked, []);
  at.proxy.set(undefined);
  assert.equal(await waiting, ANSWER.length);
  await until('the other one arrives', 10_000, async () => at.asked.length === 2 || undefined);
  assert.deepEqual(new Set(at.asked), new Set(['/gone', '/waits']));
});
