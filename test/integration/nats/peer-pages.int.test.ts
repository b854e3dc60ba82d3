/** Supervisors ask one another for parts of a page, each under its session. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { commandClient } from '../../../src/control/client.ts';
import { commandService } from '../../../src/control/service.ts';
import { natsCommandTransport } from '../../../src/infra/nats/command-client.ts';
import { connectNats } from '../../../src/infra/nats/connect.ts';
import { serveSession } from '../../../src/infra/nats/session-service.ts';
import { countingRandom, fakeStatuses, recordingSurface, sleepingClock } from '../../support/control-bench.ts';
import { memoryAnswers } from '../../support/memory-answers.ts';
import { natsUrl } from '../../support/nats-journal.ts';

test('a part of a page is as large as was asked for, and goes on at its cursor', async () => {
  const prefix = `test.${randomUUID().slice(0, 8)}`;
  const nc = await connectNats({ servers: [natsUrl()], name: 'test peer pages' });
  const statuses = fakeStatuses({ indices: 20, shards: 5 });
  const surface = recordingSurface(() => statuses);
  const handler = commandService({ surface, random: countingRandom(), answers: memoryAnswers() });
  const server = serveSession(nc, { handler, prefix, session: () => 'ada', observe: () => () => undefined });
  try {
    const transport = natsCommandTransport(nc, { prefix, session: 'ada' });
    const { pages, status } = commandClient({ transport, clock: sleepingClock(), random: countingRandom() });
    const sizes: number[] = [];
    let [shown, cursor]: [number, string | undefined] = [0, undefined];
    do {
      const { items, next } = await pages.status({}, { cursor, maxBytes: 20_000 });
      sizes.push(JSON.stringify(items).length);
      shown += items.reduce((sum, { pairs }) => sum + pairs.length, 0);
      cursor = next;
    } while (cursor !== undefined);
    assert.equal(shown, 100);
    assert.ok(sizes.length > 5 && Math.max(...sizes) <= 20_000, sizes.join());
    assert.deepEqual(await status({}), statuses, 'without a wish it is one message');
    assert.equal(surface.calls.length, sizes.length + 1);
  } finally {
    await server.stop();
    await nc.close();
  }
});
