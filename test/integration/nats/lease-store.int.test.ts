import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { Failed } from '../../../src/domain/failure.ts';
import { connectNats } from '../../../src/infra/nats/connect.ts';
import { leasesStream, openLeaseStore } from '../../../src/infra/nats/lease-store.ts';
import type { LeaseStore } from '../../../src/ports/lease-store.ts';
import { testLeaseStore } from '../../conformance/lease-store.suite.ts';
import { natsUrl, uniqueJournal } from '../../support/nats-journal.ts';
import { ownNatsServer } from '../../support/nats-server.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';
import { until } from '../../support/until.ts';

const idle = new AbortController().signal;

async function opened(url: string, names: { stream: string; prefix: string }) {
  const nc = await connectNats({ servers: [url], name: 'test leases' });
  return { nc, store: await openLeaseStore(nc, { ...names, requestTimeoutMs: 1_500, nowMs: Date.now }) };
}

testLeaseStore('JetStream', async () => {
  const names = uniqueJournal();
  const proxy = await tcpProxy(Number(new URL(natsUrl()).port));
  const connections: NatsConnection[] = [];
  const open = async (url: string): Promise<LeaseStore> => {
    const { nc, store } = await opened(url, names);
    connections.push(nc);
    return store;
  };
  const store = await open(`nats://127.0.0.1:${proxy.port}`);
  const another = (): Promise<LeaseStore> => open(natsUrl());
  const stop = new AbortController();
  return {
    store,
    watching: stop.signal,
    another,
    until: (what, look) => until(what, 20_000, async () => look()),
    cut: async () => proxy.cut(),
    join: async () => proxy.join(),
    loseNextAnswer: () => proxy.loseNextAnswer(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      const admin = await connectNats({ servers: [natsUrl()], name: 'test admin' });
      await (await jetstreamManager(admin)).streams.delete(leasesStream(names.stream));
      for (const nc of [...connections, admin]) await nc.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
});

describe('lease store on a server that dies', () => {
  it('keeps claims, and ends the keys whose time was over meanwhile, also for those who watch', async () => {
    await using server = await ownNatsServer();
    const { nc, store } = await opened(server.url, uniqueJournal());
    await using _nc = { [Symbol.asyncDispose]: () => nc.close() };
    const stop = new AbortController();
    using _stop = { [Symbol.dispose]: () => stop.abort() };
    const told: string[] = [];
    void (async () => {
      for await (const change of store.watch(stop.signal))
        told.push(
          change.kind === 'stands' ? change.entry.key : change.kind === 'gone' ? `${change.key} gone` : 'current',
        );
    })().catch(() => undefined);
    const told5 = (what: string) =>
      until(
        what,
        20_000,
        async () => (told.includes(what) ? true : undefined),
        () => told.join(),
      );
    await told5('current');
    const claim = await store.put('slot.1', 'a', { expectedRevision: 0 }, idle);
    await store.put('session.a', 'alive', { expectedRevision: 0, ttlMs: 2_000 }, idle);
    const long = await store.put('session.b', 'alive', { expectedRevision: 0, ttlMs: 60_000 }, idle);
    await told5('session.b');
    await server.kill();
    told.length = 0;
    const since = performance.now();
    await until('the time of the first is over', 10_000, async () =>
      performance.now() - since > 2_500 ? true : undefined,
    );
    await server.start();
    await told5('session.a gone');
    await told5('current');
    assert.equal(told.includes('session.b gone'), false);
    assert.equal((await store.get('slot.1', idle))?.revision, claim);
    assert.ok((await store.put('session.b', 'still', { expectedRevision: long, ttlMs: 60_000 }, idle)) > long);
  });

  it('gives no revision a second time when all was lost, and tells that nothing stands any more', async () => {
    await using server = await ownNatsServer();
    const names = uniqueJournal();
    const { nc, store } = await opened(server.url, names);
    await using _nc = { [Symbol.asyncDispose]: () => nc.close() };
    const stop = new AbortController();
    using _stop = { [Symbol.dispose]: () => stop.abort() };
    const stands: string[] = [];
    const gone: string[] = [];
    void (async () => {
      for await (const change of store.watch(stop.signal)) {
        if (change.kind === 'stands') stands.push(change.entry.key);
        if (change.kind === 'gone') gone.push(change.key);
      }
    })().catch(() => undefined);
    const before = await store.put('slot.1', 'a', { expectedRevision: 0 }, idle);
    await until('the claim is seen', 10_000, async () => (stands.includes('slot.1') ? true : undefined));
    await (await jetstreamManager(nc)).streams.delete(leasesStream(names.stream));
    await until('the claim is gone', 30_000, async () => (gone.includes('slot.1') ? true : undefined));
    assert.ok((await store.put('slot.1', 'b', { expectedRevision: 0 }, idle)) > before);
  });

  it('refuses a stream that is not made for it', async () => {
    await using server = await ownNatsServer();
    const nc = await connectNats({ servers: [server.url], name: 'test leases' });
    await using _nc = { [Symbol.asyncDispose]: () => nc.close() };
    const names = uniqueJournal();
    await (
      await jetstreamManager(nc)
    ).streams.add({ name: leasesStream(names.stream), subjects: [`${names.prefix}.>`] });
    await assert.rejects(
      openLeaseStore(nc, { ...names, nowMs: Date.now }),
      (thrown) =>
        thrown instanceof Failed &&
        thrown.failure.code === 'invalid_config' &&
        /max_msgs_per_subject must be 1.*allow_msg_ttl/.test(thrown.failure.reason),
    );
  });
});
