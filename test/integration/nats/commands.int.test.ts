import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { headers, type Msg, type NatsConnection } from '@nats-io/nats-core';
import { commandClient } from '../../../src/control/client.ts';
import { commandJsonSchemas } from '../../../src/control/schemas.ts';
import { commandService } from '../../../src/control/service.ts';
import { Failed, failed, type FailureCode } from '../../../src/domain/failure.ts';
import { natsCommandTransport } from '../../../src/infra/nats/command-client.ts';
import { serveCommands } from '../../../src/infra/nats/command-service.ts';
import { targetSubject } from '../../../src/infra/nats/command-subjects.ts';
import { connectNats } from '../../../src/infra/nats/connect.ts';
import { COMMAND_NAMES, type CommandServer } from '../../../src/ports/command-transport.ts';
import {
  countingRandom,
  fakeStatuses,
  recordingSurface,
  sleepingClock,
  type Call,
} from '../../support/control-bench.ts';
import { memoryAnswers } from '../../support/memory-answers.ts';
import { natsUrl } from '../../support/nats-journal.ts';

const follower = { cluster: 'replica', index: '.ds-журнал-2024.01.01' };

interface Bench extends AsyncDisposable {
  readonly prefix: string;
  readonly nc: NatsConnection;
  readonly calls: readonly Call[];
  readonly traces: (string | undefined)[];
  serve(): Promise<CommandServer>;
  client(options?: { timeoutMs?: number; trace?: string; supervisorWaitMs?: number }): ReturnType<typeof commandClient>;
  /** As the `nats` command line asks. */
  request(subject: string, body?: string): Promise<Msg>;
}

async function bench(answer?: (call: Call) => unknown): Promise<Bench> {
  const prefix = `test.${randomUUID().slice(0, 8)}`;
  const nc = await connectNats({ servers: [natsUrl()], name: 'test commands' });
  const supervisor = await connectNats({ servers: [natsUrl()], name: 'test supervisor' });
  const surface = recordingSurface(answer);
  const traces: (string | undefined)[] = [];
  const handler = commandService({
    surface,
    random: countingRandom(),
    answers: memoryAnswers(),
    requestOf: (trace) => void traces.push(trace.get('traceparent')),
  });
  return {
    prefix,
    nc,
    calls: surface.calls,
    traces,
    serve: () =>
      serveCommands(supervisor, {
        handler,
        version: '0.1.0',
        schemas: commandJsonSchemas(),
        prefix,
        metadata: { supervisor: prefix },
      }),
    client: ({ timeoutMs, trace, supervisorWaitMs } = {}) =>
      commandClient({
        transport: natsCommandTransport(nc, { prefix }),
        clock: sleepingClock(),
        random: countingRandom(),
        timeoutMs,
        supervisorWaitMs,
        ...(trace === undefined ? {} : { trace: () => new Map([['traceparent', trace]]) }),
      }),
    request: (subject, body = '') => nc.request(subject, body, { timeout: 5_000 }),
    async [Symbol.asyncDispose]() {
      await supervisor.close();
      await nc.close();
    },
  };
}

function codeIs(code: FailureCode): (error: unknown) => boolean {
  return (error) => error instanceof Failed && error.failure.code === code;
}

it('carries commands and their answers between a client and a supervisor', async () => {
  await using nats = await bench();
  await nats.serve();
  const client = nats.client();
  const leader = { cluster: 'main', index: 'orders' };
  assert.deepEqual(await client.follow({ leader, follower, commandId: 'c1', by: 'tester', waitMs: 0 }), {
    commandId: 'c1',
    accepted: true,
    effective: false,
    pairs: [],
  });
  await client.pause({ follower, shard: 1, commandId: 'c2' });
  await client.resume({ follower, commandId: 'c3', rebootstrap: true });
  await client.unfollow({ follower, commandId: 'c4' });
  assert.deepEqual(await client.status({ follower }), []);
  assert.deepEqual(await client.list(), []);
  assert.deepEqual(nats.calls, [
    { name: 'follow', given: { leader, follower, commandId: 'c1', by: 'tester', waitMs: 0 } },
    { name: 'pause', given: { follower, shard: 1, commandId: 'c2' } },
    { name: 'resume', given: { follower, commandId: 'c3', rebootstrap: true } },
    { name: 'unfollow', given: { follower, commandId: 'c4' } },
    { name: 'status', given: { follower } },
    { name: 'list', given: undefined },
  ]);
});

it('takes the target from the subject, for an index of any legal name and for one of its shards', async () => {
  await using nats = await bench();
  await nats.serve();
  await nats.request(targetSubject(nats.prefix, 'pause', follower));
  await nats.request(targetSubject(nats.prefix, 'resume', follower, 3), '{"allowMassDelete":true,"commandId":"r"}');
  await nats.request(
    targetSubject(nats.prefix, 'follow', follower),
    '{"leader":{"cluster":"main","index":"a.b"},"commandId":"f"}',
  );
  await nats.request(targetSubject(nats.prefix, 'status', follower, 3));
  assert.deepEqual(nats.calls, [
    { name: 'pause', given: { follower, commandId: 'id-1' } },
    { name: 'resume', given: { follower, shard: 3, allowMassDelete: true, commandId: 'r' } },
    { name: 'follow', given: { leader: { cluster: 'main', index: 'a.b' }, follower, commandId: 'f' } },
    { name: 'status', given: { follower, shard: 3 } },
  ]);
});

it('answers a refusal with its code, and with the error headers of NATS services', async () => {
  await using nats = await bench(() => {
    throw failed('unknown_pair', { op: 'pause', reason: 'replica/orders is\nnot followed' });
  });
  await nats.serve();
  const message = await nats.request(targetSubject(nats.prefix, 'pause', follower, 0));
  assert.equal(message.headers?.get('Nats-Service-Error-Code'), '400');
  assert.equal(message.headers?.get('Nats-Service-Error'), 'unknown_pair: replica/orders is not followed');
  const reply = message.json<{ ok: boolean; failure: { code: string } }>();
  assert.equal(reply.ok, false);
  assert.equal(reply.failure.code, 'unknown_pair');
  await assert.rejects(nats.client().pause({ follower, commandId: 'another' }), codeIs('unknown_pair'));
});

it('is found by PING, INFO and STATS, with the schema of every command', async () => {
  await using nats = await bench();
  await nats.serve();
  const found: { metadata: { supervisor?: string }; endpoints: { subject: string; metadata: { schema: string } }[] }[] =
    [];
  for await (const message of await nats.nc.requestMany('$SRV.INFO.slipstream', '', { maxWait: 1_000 }))
    found.push(message.json());
  const own = found.find(({ metadata }) => metadata.supervisor === nats.prefix);
  assert.ok(own !== undefined);
  for (const name of COMMAND_NAMES) {
    const schemas: string[] = own.endpoints
      .filter(({ subject }) => subject === `${nats.prefix}.cmd.${name}`)
      .map(({ metadata }) => metadata.schema);
    assert.deepEqual(schemas, [commandJsonSchemas()[name]]);
  }
  assert.equal((await nats.nc.request('$SRV.PING.slipstream')).json<{ name: string }>().name, 'slipstream');
  assert.ok((await nats.nc.request('$SRV.STATS.slipstream')).json<{ endpoints: unknown[] }>().endpoints.length > 0);
});

it('tells a missing supervisor, one that does not answer, and a closed connection apart', async () => {
  await using nats = await bench(({ name }) => (name === 'pause' ? new Promise(() => undefined) : undefined));
  await assert.rejects(nats.client().pause({ follower }), codeIs('no_supervisor'));
  await assert.rejects(nats.client({ supervisorWaitMs: 600 }).status({}), codeIs('no_supervisor'));
  await nats.serve();
  await assert.rejects(nats.client({ timeoutMs: 300 }).pause({ follower }), codeIs('command_timeout'));
  await nats.nc.close();
  await assert.rejects(nats.client().pause({ follower }), codeIs('journal_unreachable'));
});

it('hands the trace context of the caller to the supervisor', async () => {
  await using nats = await bench();
  await nats.serve();
  const trace = '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01';
  await nats.client({ trace }).pause({ follower, commandId: 'a' });
  await nats.client().pause({ follower, commandId: 'b' });
  const carrier = headers();
  carrier.set('traceparent', trace);
  await nats.nc.request(`${nats.prefix}.cmd.pause`, JSON.stringify({ follower }), { headers: carrier, timeout: 5_000 });
  assert.deepEqual(nats.traces, [trace, undefined, trace]);
});

it('gives the status of 10,000 pairs, which no single message can hold', async () => {
  const statuses = fakeStatuses({ indices: 200, shards: 50 });
  await using nats = await bench(({ name }) =>
    name === 'list' ? statuses.map(({ pairs: _, ...index }) => index) : statuses,
  );
  await nats.serve();
  assert.ok(JSON.stringify(statuses).length > 5 * 1024 * 1024);
  assert.deepEqual(await nats.client().status({}), statuses);
  assert.equal((await nats.client().list()).length, 200);
  const first = (await nats.request(`${nats.prefix}.cmd.status`)).json<{ result: unknown[]; next: string }>();
  const second = (await nats.request(`${nats.prefix}.cmd.status`, JSON.stringify({ cursor: first.next }))).json<{
    result: { follower: { index: string }; pairs: { shard: number }[] }[];
  }>();
  const [{ follower: next, pairs } = { follower: { index: '' }, pairs: [] }] = second.result;
  const [cluster, index = '', shard] = first.next.split('/');
  assert.equal(cluster, 'replica');
  // The pair right behind the last one of the first page, be it of the same index or of the next.
  const last = statuses
    .flatMap((status) => status.pairs)
    .findIndex((pair) => pair.follower.index === index && pair.shard === Number(shard));
  const behind = statuses.flatMap((status) => status.pairs)[last + 1];
  assert.deepEqual([next.index, pairs[0]?.shard], [behind?.follower.index, behind?.shard]);
});

it('shares commands among supervisors, each command reaching one', async () => {
  await using nats = await bench();
  await nats.serve();
  await nats.serve();
  for (let at = 0; at < 20; at += 1) await nats.client().pause({ follower, commandId: `c${at}` });
  assert.equal(nats.calls.length, 20);
});

it('answers what is under way before it stops, and nothing afterwards', async () => {
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  await using nats = await bench(() => {
    arrived.resolve();
    return gate.promise;
  });
  const server = await nats.serve();
  const answer = nats.client().pause({ follower });
  await arrived.promise;
  const stopped = server.stop();
  gate.resolve();
  assert.equal((await answer).accepted, true);
  await stopped;
  await assert.rejects(nats.client().pause({ follower }), codeIs('no_supervisor'));
});
