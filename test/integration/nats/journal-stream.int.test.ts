import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { DiscardPolicy, jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { Failed } from '../../../src/domain/failure.ts';
import { pairSubject } from '../../../src/domain/subjects.ts';
import { connectNats } from '../../../src/infra/nats/connect.ts';
import { openEventLog, openJournalReader } from '../../../src/infra/nats/event-log.ts';
import { follower, startedEvent } from '../../support/journal-events.ts';
import { natsUrl, uniqueJournal } from '../../support/nats-journal.ts';

const idle = new AbortController().signal;

interface Bench extends AsyncDisposable {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly stream: string;
  readonly prefix: string;
  readonly names: { stream: string; prefix: string };
}

async function bench(): Promise<Bench> {
  const names = uniqueJournal();
  const nc = await connectNats({ servers: [natsUrl()], name: 'test journal stream' });
  const jsm = await jetstreamManager(nc);
  return {
    nc,
    jsm,
    ...names,
    names,
    async [Symbol.asyncDispose]() {
      await jsm.streams.delete(names.stream).catch(() => undefined);
      await nc.close();
    },
  };
}

async function failureOf(work: Promise<unknown>): Promise<Failed['failure']> {
  const error: unknown = await work.then(
    () => assert.fail('it succeeded'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Failed, String(error));
  return error.failure;
}

it('ends with one journal id when many processes create the journal at once', async () => {
  await using nats = await bench();
  const ids = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const nc = await connectNats({ servers: [natsUrl()], name: 'test creator' });
      const log = await openEventLog(nc, { ...nats.names, newId: randomUUID });
      await nc.close();
      return log.journalId;
    }),
  );
  assert.equal(new Set(ids).size, 1);
  assert.equal((await openJournalReader(nats.nc, nats.names)).journalId, ids[0]);
});

it('creates a stream that never drops an event by itself', async () => {
  await using nats = await bench();
  await openEventLog(nats.nc, { ...nats.names, newId: randomUUID });
  const { config } = await nats.jsm.streams.info(nats.stream);
  assert.deepEqual(
    [
      config.subjects,
      config.storage,
      config.retention,
      config.discard,
      config.max_age,
      config.max_msgs,
      config.max_bytes,
      config.max_msgs_per_subject,
      config.num_replicas,
    ],
    [[`${nats.prefix}.>`], 'file', 'limits', 'new', 0, -1, -1, -1, 1],
  );
});

it('refuses a stream that is no journal, and one whose settings would drop events, and changes neither', async () => {
  for (const [setting, words] of [
    [{}, /no slipstream_journal_id/],
    [{ max_age: 60_000_000_000, metadata: { slipstream_journal_id: 'x' } }, /max_age must be 0/],
    [{ discard: DiscardPolicy.Old, metadata: { slipstream_journal_id: 'x' } }, /drops old events/],
  ] as const) {
    await using nats = await bench();
    await nats.jsm.streams.add({
      name: nats.stream,
      subjects: [`${nats.prefix}.>`],
      discard: DiscardPolicy.New,
      ...setting,
    });
    const before = (await nats.jsm.streams.info(nats.stream)).config;
    const failure = await failureOf(openEventLog(nats.nc, { ...nats.names, newId: randomUUID }));
    assert.equal(failure.code, 'invalid_config');
    assert.match(failure.reason, words);
    assert.deepEqual((await nats.jsm.streams.info(nats.stream)).config, before);
  }
});

it('does not create a journal for those who only read, and says that there is none', async () => {
  await using nats = await bench();
  const failure = await failureOf(openJournalReader(nats.nc, nats.names));
  assert.equal(failure.code, 'no_supervisor');
  assert.match(failure.reason, new RegExp(nats.stream));
});

it('keeps every old event and refuses new ones, in the words of the server, when the stream is full; goes on when there is room', async () => {
  await using nats = await bench();
  const log = await openEventLog(nats.nc, { ...nats.names, newId: randomUUID });
  const subject = pairSubject({ follower, shard: 0 });
  const first = await log.append(subject, startedEvent('e1'), 0, idle);
  await nats.jsm.streams.update(nats.stream, { max_bytes: 600 });
  const failure = await failureOf(log.append(subject, startedEvent('e2'), first, idle));
  assert.equal(failure.code, 'journal_full');
  assert.match(failure.reason, /maximum bytes exceeded/);
  assert.match(failure.hint, /Make room/);
  assert.equal((await log.latestOf(subject, idle))?.event.id, 'e1');
  await nats.jsm.streams.update(nats.stream, { max_bytes: -1 });
  assert.ok((await log.append(subject, startedEvent('e2'), first, idle)) > first);
});

it('gives the newest events of 10,000 subjects, removes what is behind them, and leaves no consumer behind', async () => {
  await using nats = await bench();
  const log = await openEventLog(nats.nc, { ...nats.names, newId: randomUUID });
  const js = jetstream(nats.nc);
  const shards = Array.from({ length: 10_000 }, (_, shard) => shard);
  for (let at = 0; at < shards.length; at += 500) {
    await Promise.all(
      shards
        .slice(at, at + 500)
        .map((shard) =>
          js.publish(
            `${nats.prefix}.${pairSubject({ follower, shard })}`,
            JSON.stringify(startedEvent(`old-${shard}`, { follower, shard })),
          ),
        ),
    );
  }
  await Promise.all(
    shards
      .slice(0, 500)
      .map((shard) =>
        js.publish(
          `${nats.prefix}.${pairSubject({ follower, shard })}`,
          JSON.stringify(startedEvent(`new-${shard}`, { follower, shard })),
        ),
      ),
  );
  const newest = await log.latest(idle);
  assert.equal(newest.length, 10_000);
  const byId = new Set(newest.map((one) => ('event' in one ? one.event.id : one.failure.code)));
  assert.ok(byId.has('new-499') && !byId.has('old-499') && byId.has('old-500'));
  assert.equal(await log.purge({ ageMs: 3_600_000, events: 1, pauseMs: 0 }, idle), 500);
  assert.deepEqual(await log.latest(idle), newest);
  const deadlineMs = performance.now() + 10_000;
  while ((await nats.jsm.streams.info(nats.stream)).state.consumer_count > 0)
    assert.ok(performance.now() < deadlineMs, 'a consumer was left on the stream');
});

it('ends a reading when what was still to be read is purged meanwhile', async () => {
  await using nats = await bench();
  const log = await openEventLog(nats.nc, { ...nats.names, newId: randomUUID });
  const subject = pairSubject({ follower, shard: 0 });
  let seq = 0;
  for (let at = 0; at < 600; at += 1) seq = await log.append(subject, startedEvent(`e${at}`), seq, idle);
  const seen: number[] = [];
  for await (const stored of log.read('>', { fromSeq: 1, follow: false }, idle)) {
    seen.push(stored.seq);
    if (seen.length === 1) await nats.jsm.streams.purge(nats.stream);
  }
  assert.ok(seen.length < 600 && seen.every((each, at) => each === at + 1));
});
