import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { Failed } from '../../../src/domain/failure.ts';
import { pairSubject } from '../../../src/domain/subjects.ts';
import { connectNats } from '../../../src/infra/nats/connect.ts';
import { openEventLog } from '../../../src/infra/nats/event-log.ts';
import { ensureReplicas } from '../../../src/infra/nats/replicas.ts';
import { portPicker } from '../../../stack/ports.ts';
import { follower, startedEvent } from '../../support/journal-events.ts';
import { ownNatsServer, type OwnNatsServer } from '../../support/nats-server.ts';
import { uniqueJournal } from '../../support/nats-journal.ts';
import { until } from '../../support/until.ts';

const idle = new AbortController().signal;
const subject = pairSubject({ follower, shard: 0 });
const WITHIN_MS = 30_000;

interface Cluster extends AsyncDisposable {
  readonly servers: readonly OwnNatsServer[];
  readonly urls: readonly string[];
}

/** Each with JetStream, on loopback; started together, since none serves without a majority. */
async function natsCluster(size: number): Promise<Cluster> {
  const pick = portPicker(() => undefined);
  const ports = await Promise.all(Array.from({ length: size }, () => pick(0)));
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
  const servers = await Promise.all(
    ports.map((port, at) =>
      ownNatsServer(
        `server_name: n${at}\ncluster { name: test, listen: "127.0.0.1:${port}", no_advertise: true, routes: [${routes}] }`,
      ),
    ),
  );
  return {
    servers,
    urls: servers.map(({ url }) => url),
    async [Symbol.asyncDispose]() {
      for (const server of servers) await server[Symbol.asyncDispose]();
    },
  };
}

it('a journal gets three replicas on a cluster of three, also one that had a single one, and survives the loss of a server', async () => {
  await using cluster = await natsCluster(3);
  const nc = await connectNats({ servers: cluster.urls, name: 'test cluster' });
  const { stream, prefix } = uniqueJournal();
  const log = await openEventLog(nc, { stream, prefix, newId: randomUUID, requestTimeoutMs: 2_000 });
  let seq = await log.append(subject, startedEvent('e0'), 0, idle);
  assert.deepEqual(await ensureReplicas(nc, { stream }), { replicas: 3 });
  assert.deepEqual(await ensureReplicas(nc, { stream, configured: 1 }), { replicas: 3 }, 'none is ever taken away');
  const { cluster: places } = await (await jetstreamManager(nc)).streams.info(stream);
  assert.equal(places?.replicas?.length, 2);
  // The one that leads the stream.
  const leader = Number(/^n(\d)$/.exec(places?.leader ?? '')?.[1]);
  const wanted = ['e0'];
  for (let at = 1; at <= 60; at += 1) {
    if (at === 20) await cluster.servers[leader]?.kill();
    seq = await until('the append', WITHIN_MS, async () => {
      try {
        return await log.append(subject, startedEvent(`e${at}`), seq, idle);
      } catch (error) {
        if (error instanceof Failed && error.failure.kind === 'transient') return undefined;
        throw error;
      }
    });
    wanted.push(`e${at}`);
  }
  const found: string[] = [];
  for await (const { event } of log.read('>', { fromSeq: 1, follow: false }, idle)) found.push(event.id);
  assert.deepEqual(found, wanted);
  await nc.close();
});

it('a journal keeps one replica where the servers allow no more, which is told, and refused if more are configured', async () => {
  await using cluster = await natsCluster(2);
  const nc = await connectNats({ servers: cluster.urls, name: 'test cluster' });
  const { stream, prefix } = uniqueJournal();
  await openEventLog(nc, { stream, prefix, newId: randomUUID });
  const { replicas, refusal } = await ensureReplicas(nc, { stream });
  assert.equal(replicas, 1);
  assert.match(refusal ?? '', /peers/);
  await assert.rejects(
    ensureReplicas(nc, { stream, configured: 3 }),
    (error) => error instanceof Failed && /nats\.replicas: 3 cannot be had: .*peers/.test(error.failure.reason),
  );
  assert.deepEqual(await ensureReplicas(nc, { stream, configured: 2 }), { replicas: 2 });
  await nc.close();
});

it('a journal on a single server has one replica', async () => {
  await using server = await ownNatsServer();
  const nc = await connectNats({ servers: [server.url], name: 'test cluster' });
  const { stream, prefix } = uniqueJournal();
  await openEventLog(nc, { stream, prefix, newId: randomUUID });
  assert.deepEqual(await ensureReplicas(nc, { stream }), { replicas: 1 });
  await assert.rejects(
    ensureReplicas(nc, { stream, configured: 3 }),
    (error) => error instanceof Failed && /non-clustered/.test(error.failure.reason),
  );
  await nc.close();
});
