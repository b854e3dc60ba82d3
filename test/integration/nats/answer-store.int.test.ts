import { randomUUID } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { answersStream, openAnswerStore } from '../../../src/infra/nats/answer-store.ts';
import { connectNats } from '../../../src/infra/nats/connect.ts';
import type { AnswerStore } from '../../../src/ports/answer-store.ts';
import { testAnswerStore } from '../../conformance/answer-store.suite.ts';
import { natsUrl, uniqueJournal } from '../../support/nats-journal.ts';

testAnswerStore('JetStream', async () => {
  const { stream, prefix } = uniqueJournal();
  const connections: NatsConnection[] = [];
  const open = async (): Promise<AnswerStore> => {
    const nc = await connectNats({ servers: [natsUrl()], name: 'test answers' });
    connections.push(nc);
    return openAnswerStore(nc, { stream, prefix: `${prefix}.answers`, newId: randomUUID });
  };
  return {
    store: await open(),
    another: open,
    async [Symbol.asyncDispose]() {
      const [nc] = connections;
      if (nc !== undefined) await (await jetstreamManager(nc)).streams.delete(answersStream(stream));
      for (const connection of connections) await connection.close();
    },
  };
});
