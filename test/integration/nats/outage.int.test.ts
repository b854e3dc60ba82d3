import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failed } from '../../../src/domain/failure.ts';
import { pairSubject } from '../../../src/domain/subjects.ts';
import { connectNats, type NatsConnectionState } from '../../../src/infra/nats/connect.ts';
import { openEventLog } from '../../../src/infra/nats/event-log.ts';
import type { EventLog } from '../../../src/ports/event-log.ts';
import { follower, startedEvent } from '../../support/journal-events.ts';
import { startFaultProxy } from '../../support/fault-proxy.ts';
import { ownNatsServer } from '../../support/nats-server.ts';

const idle = new AbortController().signal;
const subject = pairSubject({ follower, shard: 0 });

/** As an actor does: the same event again until its fate is known. */
async function appendUntilKnown(log: EventLog, id: string, expectedSeq: number): Promise<number> {
  for (;;) {
    try {
      return await log.append(subject, startedEvent(id), expectedSeq, idle);
    } catch (error) {
      if (!(error instanceof Failed) || error.failure.code !== 'journal_unreachable') throw error;
    }
  }
}

it('appends every event exactly once, and follows without a gap, over two kills of the server', async () => {
  await using server = await ownNatsServer();
  const states: NatsConnectionState['kind'][] = [];
  const nc = await connectNats({
    servers: [server.url],
    name: 'test outage',
    onState: ({ kind }) => states.push(kind),
  });
  const log = await openEventLog(nc, { newId: randomUUID, requestTimeoutMs: 500 });
  const wanted = Array.from({ length: 300 }, (_, at) => `e${at}`);

  const stop = new AbortController();
  const followed: string[] = [];
  const following = (async () => {
    for await (const { event } of log.read('pair.>', { fromSeq: 1, follow: true }, stop.signal)) {
      followed.push(event.id);
      if (followed.length === wanted.length) stop.abort(new Error('all seen'));
    }
  })();

  let seq = 0;
  for (const [at, id] of wanted.entries()) {
    if (at === 100 || at === 200) {
      // The append is on its way when the server dies.
      const append = appendUntilKnown(log, id, seq);
      await server.kill();
      await server.start();
      seq = await append;
    } else seq = await appendUntilKnown(log, id, seq);
  }

  const stored: string[] = [];
  for await (const { event } of log.read('>', { fromSeq: 1, follow: false }, idle)) stored.push(event.id);
  assert.deepEqual(stored, wanted);
  await assert.rejects(following, /all seen/);
  assert.deepEqual(followed, wanted);
  assert.deepEqual(states, ['connected', 'disconnected', 'connected', 'disconnected', 'connected']);
  await nc.close();
});

it('appends every event once though the connection takes acknowledgements with it, and takes none for a conflict', async () => {
  await using server = await ownNatsServer();
  await using proxy = await startFaultProxy({ serverPort: server.port });
  const nc = await connectNats({ servers: [`nats://127.0.0.1:${proxy.port}`], name: 'test proxy' });
  const log = await openEventLog(nc, { newId: randomUUID, requestTimeoutMs: 1_000 });
  let seq = 0;
  const wanted = Array.from({ length: 6 }, (_, at) => `e${at}`);
  for (const id of wanted) {
    proxy.set({ kind: 'reset', afterBytes: 0, times: 1 });
    seq = await log.append(subject, startedEvent(id), seq, idle);
  }
  assert.equal(proxy.counts.reset, wanted.length);
  const stored: string[] = [];
  for await (const { event } of log.read('>', { fromSeq: 1, follow: false }, idle)) stored.push(event.id);
  assert.deepEqual(stored, wanted);
  await nc.close();
});

it('says that the journal is unreachable while the server is away, and finds it again by itself', async () => {
  await using server = await ownNatsServer();
  const nc = await connectNats({ servers: [server.url], name: 'test outage' });
  const log = await openEventLog(nc, { newId: randomUUID, requestTimeoutMs: 300 });
  const seq = await log.append(subject, startedEvent('e1'), 0, idle);
  await server.kill();
  const failure = await log.append(subject, startedEvent('e2'), seq, idle).then(
    () => assert.fail('it was appended'),
    (error: unknown) => error,
  );
  assert.ok(failure instanceof Failed);
  assert.equal(failure.failure.code, 'journal_unreachable');
  assert.equal(failure.failure.ambiguous, true);
  await assert.rejects(
    log.latest(idle),
    (error) => error instanceof Failed && error.failure.code === 'journal_unreachable',
  );
  await server.start();
  const next = await appendUntilKnown(log, 'e2', seq);
  assert.equal((await log.latestOf(subject, idle))?.seq, next);
  assert.equal((await log.latestOf(subject, idle))?.event.id, 'e2');
  await nc.close();
});

it('tells once that it lost the server, why it does not come back, and once that it is back', async () => {
  await using first = await ownNatsServer('authorization { user: ops, password: "s3cret" }');
  const states: string[] = [];
  const nc = await connectNats({
    servers: [first.url],
    name: 'test outage',
    auth: { kind: 'password', user: 'ops', password: 's3cret' },
    onState: (state) => states.push(state.kind === 'error' ? state.reason : state.kind),
  });
  await first.kill();
  await first.start('authorization { user: ops, password: "changed" }');
  await eventually(() => states.includes('Authorization Violation'));
  await first.kill();
  await first.start('authorization { user: ops, password: "s3cret" }');
  await eventually(() => states.filter((state) => state === 'connected').length === 2);
  await nc.close();
  await eventually(() => states.includes('closed'));
  assert.deepEqual(states, ['connected', 'disconnected', 'Authorization Violation', 'connected', 'closed']);
});

async function eventually(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (!condition()) {
    assert.ok(performance.now() < deadlineMs, 'it did not happen');
    await sleep(20);
  }
}
