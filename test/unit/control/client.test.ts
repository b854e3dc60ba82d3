import assert from 'node:assert/strict';
import { it } from 'node:test';
import { commandClient } from '../../../src/control/client.ts';
import { commandService } from '../../../src/control/service.ts';
import { Failed, failed, type FailureCode } from '../../../src/domain/failure.ts';
import type { CommandTransport } from '../../../src/ports/command-transport.ts';
import {
  countingRandom,
  directTransport,
  fakeStatuses,
  recordingSurface,
  sleepingClock,
} from '../../support/control-bench.ts';
import { memoryAnswers } from '../../support/memory-answers.ts';

const follower = { cluster: 'replica', index: 'orders' };

function clientOf(transport: CommandTransport, options: { by?: string; supervisorWaitMs?: number } = {}) {
  return commandClient({ transport, clock: sleepingClock(), random: countingRandom(), ...options });
}

function codeIs(code: FailureCode): (error: unknown) => boolean {
  return (error) => error instanceof Failed && error.failure.code === code;
}

it('gives every command an id and a name of who asks before it is sent', async () => {
  const surface = recordingSurface();
  const client = clientOf(
    directTransport(commandService({ surface, random: countingRandom(), answers: memoryAnswers() })),
    { by: 'ops' },
  );
  assert.equal((await client.pause({ follower, shard: 1 })).commandId, 'id-1');
  await client.resume({ follower, commandId: 'mine', by: 'somebody else' });
  assert.deepEqual(surface.calls, [
    { name: 'pause', given: { follower, shard: 1, commandId: 'id-1', by: 'ops' } },
    { name: 'resume', given: { follower, commandId: 'mine', by: 'somebody else' } },
  ]);
});

it('throws what the supervisor refused with', async () => {
  const surface = recordingSurface(() => {
    throw failed('not_paused', { op: 'resume', reason: 'pair 0 is following' });
  });
  const client = clientOf(
    directTransport(commandService({ surface, random: countingRandom(), answers: memoryAnswers() })),
  );
  await assert.rejects(client.resume({ follower }), codeIs('not_paused'));
  await assert.rejects(client.pause({ follower: { cluster: 'replica', index: 'A' } }), codeIs('invalid_command'));
});

it('gives a status of thousands of pairs whole, in order, though it travels in pages', async () => {
  const statuses = fakeStatuses({ indices: 40, shards: 50 });
  const surface = recordingSurface(({ name }) =>
    name === 'list' ? statuses.map(({ pairs: _, ...index }) => index) : statuses.toReversed(),
  );
  const client = clientOf(
    directTransport(commandService({ surface, random: countingRandom(), answers: memoryAnswers() }), 64 * 1024),
  );
  assert.deepEqual(await client.status({}), statuses);
  assert.ok(surface.calls.length > 20, 'one page cannot have held it');
  assert.deepEqual(
    await client.list(),
    statuses.map(({ pairs: _, ...index }) => index),
  );
});

it('pages an index without pairs too', async () => {
  const statuses = fakeStatuses({ indices: 3, shards: 0 });
  const client = clientOf(
    directTransport(
      commandService({ surface: recordingSurface(() => statuses), random: countingRandom(), answers: memoryAnswers() }),
      4_097,
    ),
  );
  assert.deepEqual(await client.status({}), statuses);
});

it('waits for a supervisor that is not there yet, and gives up in time, with the same command id', async () => {
  const bodies: string[] = [];
  const late = (after: number): CommandTransport => ({
    async request(name, body) {
      bodies.push(body);
      if (bodies.length <= after) throw failed('no_supervisor', { op: name, reason: 'nobody listens' });
      return '{"ok":true,"result":{"commandId":"id-1","accepted":true,"effective":true,"pairs":[]}}';
    },
  });
  assert.equal((await clientOf(late(3), { supervisorWaitMs: 1_000 }).pause({ follower })).accepted, true);
  assert.equal(new Set(bodies).size, 1);
  bodies.length = 0;
  await assert.rejects(clientOf(late(1_000), { supervisorWaitMs: 1_000 }).pause({ follower }), codeIs('no_supervisor'));
  assert.equal(bodies.length, 6);
  bodies.length = 0;
  await assert.rejects(clientOf(late(1)).pause({ follower }), codeIs('no_supervisor'));
});

it('allows an answer the time that the command itself wants to wait', async () => {
  const timeouts: number[] = [];
  const transport: CommandTransport = {
    async request(name, _body, { timeoutMs }) {
      timeouts.push(timeoutMs);
      throw failed('command_timeout', { op: name, reason: 'no answer' });
    },
  };
  await assert.rejects(clientOf(transport).pause({ follower, waitMs: 30_000 }), codeIs('command_timeout'));
  assert.deepEqual(timeouts, [40_000]);
});

it('does not take for an answer what is none', async () => {
  for (const text of [
    '',
    'ok',
    '{}',
    '{"ok":true',
    '{"ok":false}',
    '{"ok":false,"failure":{"code":"from_the_future","kind":"fatal","op":"x","reason":"y","hint":"z"}}',
  ]) {
    await assert.rejects(clientOf({ request: async () => text }).list(), codeIs('unexpected_answer'), text);
  }
});
