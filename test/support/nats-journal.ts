import { randomUUID } from 'node:crypto';
import { errors, type NatsConnection } from '@nats-io/nats-core';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connectNats } from '../../src/infra/nats/connect.ts';
import { openEventLog, type PublishEvent } from '../../src/infra/nats/event-log.ts';
import type { EventLogBench } from '../conformance/event-log.suite.ts';

export function natsUrl(): string {
  const url = process.env['SLIPSTREAM_NATS_URL'];
  if (url === undefined)
    throw new Error('SLIPSTREAM_NATS_URL is not set: these tests need a NATS server with JetStream');
  return url;
}

/** Names that no other test uses. */
export function uniqueJournal(): { stream: string; prefix: string } {
  const id = randomUUID().slice(0, 8);
  return { stream: `TEST_JOURNAL_${id}`, prefix: `test.${id}.journal` };
}

/** A journal of its own on the server, whose acknowledgements can be lost; the stream is deleted at the end. */
export async function natsEventLogBench(): Promise<EventLogBench> {
  const names = uniqueJournal();
  const admin = await connectNats({ servers: [natsUrl()], name: 'test admin' });
  const nc = await connectNats({ servers: [natsUrl()], name: 'test journal' });
  const connections: NatsConnection[] = [admin, nc];
  let fault: 'ack' | 'server-after' | 'server-before' | undefined;
  const publish: PublishEvent = async (subject, payload, expectedSeq) => {
    const now = fault;
    fault = undefined;
    if (now === 'server-before') {
      await nc.close();
      throw new errors.TimeoutError();
    }
    const ack = await jetstream(nc).publish(subject, payload, { expect: { lastSubjectSequence: expectedSeq } });
    if (now === 'server-after') await nc.close();
    if (now !== undefined) throw new errors.TimeoutError();
    return ack.seq;
  };
  return {
    log: await openEventLog(nc, { ...names, newId: randomUUID, publish }),
    async another() {
      const own = await connectNats({ servers: [natsUrl()], name: 'test journal, another' });
      connections.push(own);
      return openEventLog(own, { ...names, newId: randomUUID });
    },
    loseNextAck: () => void (fault = 'ack'),
    loseServerAfterNextAppend: () => void (fault = 'server-after'),
    loseServerBeforeNextAppend: () => void (fault = 'server-before'),
    async storeText(subject, text) {
      await jetstream(admin).publish(`${names.prefix}.${subject}`, text);
    },
    async [Symbol.asyncDispose]() {
      await (await jetstreamManager(admin)).streams.delete(names.stream);
      for (const connection of connections) await connection.close();
    },
  };
}
