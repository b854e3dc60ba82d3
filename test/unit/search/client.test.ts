import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Failed, type Failure } from '../../../src/domain/failure.ts';
import { type ClusterRequest, createSearchClient, type SearchClientOptions } from '../../../src/infra/search/client.ts';
import { systemClock } from '../../../src/infra/system/clock.ts';
import { json, type ScriptedServer, serve } from './scripted-server.ts';

const never = new AbortController().signal;
const get: ClusterRequest = { op: 'test get', method: 'GET', path: '/', effect: 'read' };
const write: ClusterRequest = {
  op: 'test bulk',
  method: 'POST',
  path: '/i/_bulk',
  body: new TextEncoder().encode('{"index":{}}\n{}\n'),
  effect: 'write',
};

function open(
  url: string,
  options: Partial<SearchClientOptions> = {},
): ReturnType<typeof createSearchClient> & AsyncDisposable {
  const client = createSearchClient({
    name: 'c',
    url,
    auth: { kind: 'none' },
    caPem: undefined,
    compression: false,
    requestTimeoutMs: 20_000,
    maxConnections: 4,
    clock: systemClock,
    ...options,
  });
  return { ...client, [Symbol.asyncDispose]: () => client.close() };
}

async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const thrown: unknown = await promise.then(
    () => assert.fail('it succeeded'),
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof Failed, inspect(thrown));
  return thrown.failure;
}

describe('a cluster request', () => {
  it('travels as plain JSON and brings back the bytes', async () => {
    await using server = await serve((_, response) => response.end('{"ok" : 1.0}'));
    await using client = open(server.url, { auth: { kind: 'apiKey', encoded: 'a2V5' } });
    const answer = await client.send(
      { ...get, method: 'POST', path: '/a%2Bb/_search', query: { preference: '_shards:0|_local' }, body: '{"size":1}' },
      never,
    );
    assert.equal(Buffer.from(answer.body).toString(), '{"ok" : 1.0}');
    const [seen] = server.seen;
    assert.equal(seen?.url, '/a%2Bb/_search?preference=_shards%3A0%7C_local');
    assert.equal(seen?.body.toString(), '{"size":1}');
    assert.equal(seen?.headers['content-type'], 'application/json');
    assert.match(String(seen?.headers.accept), /^application\/json/);
    assert.equal(seen?.headers.authorization, 'ApiKey a2V5');
    assert.equal(seen?.headers['user-agent'], 'slipstream');
    assert.equal(seen?.headers['x-elastic-client-meta'], undefined);
    assert.equal(seen?.headers['accept-encoding'], undefined);
  });

  it('sends a bulk body as newline-delimited JSON with basic authentication', async () => {
    await using server = await serve((_, response) => json(response, {}));
    await using client = open(server.url, { auth: { kind: 'basic', username: 'u', password: 'p' } });
    await client.send(write, never);
    const [seen] = server.seen;
    assert.equal(seen?.headers['content-type'], 'application/x-ndjson');
    assert.equal(seen?.headers['content-length'], '16');
    assert.equal(seen?.headers.authorization, `Basic ${Buffer.from('u:p').toString('base64')}`);
  });

  it('is compressed in both directions when asked for', async () => {
    const text = JSON.stringify({ text: 'x'.repeat(10_000) });
    await using server = await serve((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(text)),
    );
    await using client = open(server.url, { compression: true });
    const answer = await client.send(write, never);
    assert.equal(Buffer.from(answer.body).toString(), text);
    const [seen] = server.seen;
    assert.equal(seen?.headers['accept-encoding'], 'gzip');
    assert.equal(seen?.headers['content-encoding'], 'gzip');
    assert.equal(gunzipSync(seen?.body ?? '').toString(), '{"index":{}}\n{}\n');
  });

  it('does not follow a redirect', async () => {
    await using server = await serve((_, response) => response.writeHead(302, { location: '/elsewhere' }).end());
    await using client = open(server.url);
    assert.equal((await failureOf(client.send(get, never))).code, 'unexpected_answer');
    assert.equal(server.seen.length, 1);
  });

  it('is not repeated, and the next one goes out at once after any failure', async () => {
    let requests = 0;
    await using server = await serve((_, response) => {
      requests += 1;
      if (requests === 1) response.writeHead(503).end('<html>');
      else if (requests === 2) response.destroy();
      else json(response, {});
    });
    await using client = open(server.url);
    assert.equal((await failureOf(client.send(get, never))).code, 'cluster_unreachable');
    assert.equal((await failureOf(client.send(get, never))).code, 'cluster_unreachable');
    assert.equal((await client.send(get, never)).status, 200);
    assert.equal(requests, 3);
  });

  it('is refused with the credentials left out of the failure', async () => {
    await using server = await serve((request, response) =>
      json(response, { error: { type: 'security_exception', reason: 'no' }, header: request.headers }, 401),
    );
    await using client = open(server.url, { auth: { kind: 'basic', username: 'operator', password: 'pa55word' } });
    const thrown: unknown = await client.send(write, never).catch((error: unknown) => error);
    assert.ok(thrown instanceof Failed);
    assert.equal(thrown.failure.code, 'unauthorized');
    const shown = inspect(thrown, { depth: 10, showHidden: true });
    assert.ok(
      !shown.includes('pa55word') && !shown.includes(Buffer.from('operator:pa55word').toString('base64')),
      shown,
    );
  });
});

describe('a broken exchange', () => {
  const cuts: Readonly<
    Record<string, (server: ScriptedServer['seen'], response: Parameters<Parameters<typeof serve>[0]>[1]) => void>
  > = {
    'a body shorter than its content-length': (_, response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('{"errors":false}');
      setImmediate(() => response.destroy());
    },
    'a chunked body without its last chunk': (_, response) => {
      response.writeHead(200).write('{"errors":false}');
      setImmediate(() => response.destroy());
    },
    'compressed data that ends early': (_, response) => {
      const whole = gzipSync(JSON.stringify({ text: Array.from({ length: 1000 }, (__, at) => at).join() }));
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(whole.subarray(0, whole.length - 20));
    },
  };
  for (const [name, cut] of Object.entries(cuts)) {
    it(`never takes ${name} for an answer`, async () => {
      await using server = await serve((_, response) => cut([], response));
      await using client = open(server.url, { compression: name.includes('compressed') });
      const read = await failureOf(client.send(get, never));
      assert.deepEqual([read.code, read.ambiguous], ['answer_cut', undefined]);
      const written = await failureOf(client.send(write, never));
      assert.deepEqual([written.code, written.ambiguous], ['answer_cut', true]);
    });
  }

  it('leaves a write ambiguous when the connection ends without an answer', async () => {
    await using server = await serve((_, response) => response.destroy());
    await using client = open(server.url);
    const { code, ambiguous } = await failureOf(client.send(write, never));
    assert.deepEqual([code, ambiguous], ['cluster_unreachable', true]);
  });

  it('proves that nothing was written when the connection is refused', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    await using client = open(`http://127.0.0.1:${port}`);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const failure = await failureOf(client.send(write, never));
      assert.deepEqual([failure.code, failure.ambiguous], ['cluster_unreachable', undefined]);
      assert.match(failure.reason, /ECONNREFUSED/);
    }
  });

  it('names the fault when TLS meets plain HTTP', async () => {
    await using server = await serve((_, response) => response.end());
    await using client = open(server.url.replace('http:', 'https:'));
    const { code, ambiguous, reason } = await failureOf(client.send(write, never));
    assert.deepEqual([code, ambiguous], ['cluster_unreachable', undefined]);
    assert.match(
      reason,
      /^(EPROTO|ERR_SSL\w+): TLS: wrong version number \(a server that speaks plain HTTP .*http:\/\/\)$/,
    );
  });

  it('ends at the deadline, before the head and inside the body, and closes the connection', async () => {
    for (const started of [false, true]) {
      await using server = await serve((_, response) => {
        if (started) response.writeHead(200).write('{');
      });
      await using client = open(server.url, { requestTimeoutMs: 50 });
      const failure = await failureOf(client.send(write, never));
      assert.deepEqual([failure.code, failure.ambiguous], ['request_timeout', true]);
      assert.match(failure.reason, /within 50 ms/);
      await server.seen[0]?.closed;
    }
  });

  it('keeps no more than the largest answer allowed, compressed or not', async () => {
    const text = 'x'.repeat(100_000);
    await using server = await serve((request, response) => {
      if (request.headers['accept-encoding'] === 'gzip')
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(text));
      else response.end(text);
    });
    for (const compression of [false, true]) {
      await using client = open(server.url, { compression, maxAnswerBytes: 50_000 });
      assert.equal((await failureOf(client.send(get, never))).code, 'answer_too_large');
      await using enough = open(server.url, { compression, maxAnswerBytes: 100_000 });
      assert.equal((await enough.send(get, never)).body.length, 100_000);
    }
  });
});

describe('giving up', () => {
  it("ends a read at once with the signal's reason and closes the connection", async () => {
    for (const started of [false, true]) {
      const stop = new AbortController();
      const reason = new Error('paused');
      await using server = await serve((_, response) => {
        if (started) response.writeHead(200).write('{');
        setImmediate(() => stop.abort(reason));
      });
      await using client = open(server.url);
      await assert.rejects(client.send(get, stop.signal), reason);
      await server.seen[0]?.closed;
    }
  });

  it('makes a write that was sent ambiguous', async () => {
    const stop = new AbortController();
    await using server = await serve(() => setImmediate(() => stop.abort()));
    await using client = open(server.url);
    const { code, ambiguous, reason } = await failureOf(client.send(write, stop.signal));
    assert.deepEqual([code, ambiguous, reason], ['request_timeout', true, 'given up by the caller']);
  });

  it('sends nothing when it was given up before', async () => {
    await using server = await serve((_, response) => response.end());
    await using client = open(server.url);
    const reason = new Error('stopped');
    await assert.rejects(client.send(write, AbortSignal.abort(reason)), reason);
    assert.equal(server.seen.length, 0);
  });

  it("leaves no listener on the caller's signal", async () => {
    await using server = await serve((_, response) => json(response, {}));
    await using client = open(server.url);
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => (
      listeners++,
      addEventListener.apply(signal, args)
    );
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => (
      listeners--,
      removeEventListener.apply(signal, args)
    );
    await client.send(get, signal);
    assert.equal(listeners, 0);
  });
});

describe('the rate limit', () => {
  it('makes the next request wait until what was received is paid for', async () => {
    let now = 0;
    const slept: number[] = [];
    const clock = {
      ...systemClock,
      monotonic: () => now,
      sleep: (ms: number) => {
        slept.push(ms);
        now += ms;
        return Promise.resolve();
      },
    };
    await using server = await serve((_, response) => response.end('x'.repeat(3000)));
    await using client = open(server.url, { clock, rateLimit: { bytesPerSecond: 1000 } });
    await client.send(get, never);
    assert.deepEqual(slept, []);
    await client.send(get, never);
    assert.deepEqual(slept, [2000]);
    await client.send(get, never);
    assert.deepEqual(slept, [2000, 3000]);
    now += 60_000;
    await client.send(get, never);
    assert.deepEqual(slept, [2000, 3000]);
  });

  it('does not keep a write waiting, which may start only while a lease is held', async () => {
    await using server = await serve((_, response) => response.end('x'.repeat(5000)));
    await using client = open(server.url, { rateLimit: { bytesPerSecond: 1 } });
    await client.send(get, never);
    await client.send({ ...get, method: 'POST', body: '{}', effect: 'write' }, AbortSignal.timeout(5_000));
    assert.equal(server.seen.length, 2);
  });

  it('ends the wait when it is given up', async () => {
    await using server = await serve((_, response) => response.end('x'.repeat(5000)));
    await using client = open(server.url, { rateLimit: { bytesPerSecond: 1 } });
    await client.send(get, never);
    const stop = new AbortController();
    const reason = new Error('stopped');
    const waiting = client.send(get, stop.signal);
    stop.abort(reason);
    await assert.rejects(waiting, reason);
    assert.equal(server.seen.length, 1);
  });
});
