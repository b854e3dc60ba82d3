import assert from 'node:assert/strict';
import { it } from 'node:test';
import { commandClient } from '../../../src/control/client.ts';
import { commandService } from '../../../src/control/service.ts';
import { failed, type FailureCode } from '../../../src/domain/failure.ts';
import type { CommandHandler, CommandName } from '../../../src/ports/command-transport.ts';
import type { AnswerStore } from '../../../src/ports/answer-store.ts';
import {
  countingRandom,
  directTransport,
  recordingSurface,
  sleepingClock,
  type Call,
} from '../../support/control-bench.ts';
import { memoryAnswers } from '../../support/memory-answers.ts';

const follower = { cluster: 'replica', index: 'orders' };

interface Answered {
  readonly ok: boolean;
  readonly result?: { readonly commandId: string; readonly effective: boolean };
  readonly failure?: { readonly code: string; readonly reason: string };
}

function bench(answer?: (call: Call) => unknown, options: { maxInFlight?: number; answers?: AnswerStore } = {}) {
  const surface = recordingSurface(answer);
  const handler = commandService({ surface, random: countingRandom(), answers: memoryAnswers(), ...options });
  return { surface, handler };
}

async function ask(
  handler: CommandHandler,
  name: CommandName,
  body: unknown,
  maxReplyBytes = 1024 * 1024,
): Promise<Answered> {
  const answer = await handler({
    name,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    trace: new Map(),
    maxReplyBytes,
  });
  return JSON.parse(answer.body);
}

const refuse = (code: FailureCode) => (): never => {
  throw failed(code, { op: 'pause', reason: 'as the test wishes' });
};

it('gives a command without an id one, and answers with it', async () => {
  const { surface, handler } = bench();
  const answer = await ask(handler, 'pause', { follower });
  assert.equal(answer.result?.commandId, 'id-1');
  assert.deepEqual(surface.calls, [{ name: 'pause', given: { follower, commandId: 'id-1' } }]);
});

it('answers a repeated command id with the first answer and does nothing twice', async () => {
  let count = 0;
  const { surface, handler } = bench(() => ({
    commandId: 'c1',
    accepted: true,
    effective: (count += 1) > 1,
    pairs: [],
  }));
  const first = await ask(handler, 'pause', { follower, shard: 0, commandId: 'c1' });
  assert.deepEqual(await ask(handler, 'pause', { commandId: 'c1', shard: 0, follower }), first);
  assert.equal(surface.calls.length, 1);
});

it('gives the one answer to repetitions that arrive while the first is under way', async () => {
  const gate = Promise.withResolvers<void>();
  const { surface, handler } = bench(() => gate.promise);
  const both = [
    ask(handler, 'pause', { follower, commandId: 'c1' }),
    ask(handler, 'pause', { follower, commandId: 'c1' }),
  ];
  gate.resolve();
  const [first, second] = await Promise.all(both);
  assert.deepEqual(first, second);
  assert.equal(surface.calls.length, 1);
});

it('refuses a command id that was used for another command or another body', async () => {
  const { surface, handler } = bench();
  await ask(handler, 'pause', { follower, commandId: 'c1' });
  for (const [name, body] of [
    ['resume', { follower, commandId: 'c1' }],
    ['pause', { follower, shard: 1, commandId: 'c1' }],
  ] as const) {
    const answer = await ask(handler, name, body);
    assert.equal(answer.failure?.code, 'invalid_command');
    assert.match(answer.failure?.reason ?? '', /c1 was used for another command/);
  }
  assert.equal(surface.calls.length, 1);
});

it('remembers a refusal, but tries again after a failure that asks to be repeated', async () => {
  for (const [code, calls] of [
    ['unknown_pair', 1],
    ['journal_unreachable', 2],
    ['journal_conflict', 2],
    ['command_timeout', 2],
  ] as const) {
    const { surface, handler } = bench(refuse(code));
    for (const _ of [1, 2])
      assert.equal((await ask(handler, 'pause', { follower, commandId: 'c1' })).failure?.code, code);
    assert.equal(surface.calls.length, calls, code);
  }
});

it('gives the first answer also from a supervisor that started since', async () => {
  const answers = memoryAnswers();
  const result = { commandId: 'c1', accepted: true, effective: true, pairs: [] };
  const before = bench(() => result, { answers });
  const first = await ask(before.handler, 'pause', { follower, commandId: 'c1' });
  const since = bench(undefined, { answers });
  assert.deepEqual(await ask(since.handler, 'pause', { follower, commandId: 'c1' }), first);
  const other = await ask(since.handler, 'resume', { follower, commandId: 'c1' });
  assert.match(other.failure?.reason ?? '', /c1 was used for another command/);
  assert.deepEqual(since.surface.calls, []);
});

it('takes up a command whose supervisor ended before it answered, and tells since when', async () => {
  const answers = memoryAnswers(() => 1_700_000_000_000);
  const before = bench(() => new Promise(() => undefined), { answers });
  void ask(before.handler, 'pause', { follower, commandId: 'c1' });
  while (before.surface.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const since = bench(undefined, { answers });
  assert.equal((await ask(since.handler, 'pause', { follower, commandId: 'c1' })).ok, true);
  assert.deepEqual(since.surface.calls, [
    { name: 'pause', given: { follower, commandId: 'c1', begunAtMs: 1_700_000_000_000 } },
  ]);
});

it('decides nothing while command ids cannot be claimed, and answers though the answer cannot be kept', async () => {
  const away = refuse('journal_unreachable');
  const deaf = bench(undefined, { answers: { ...memoryAnswers(), claim: async () => away() } });
  assert.equal((await ask(deaf.handler, 'pause', { follower })).failure?.code, 'journal_unreachable');
  assert.deepEqual(deaf.surface.calls, []);
  const forgetful = bench(undefined, { answers: { ...memoryAnswers(), keep: async () => away() } });
  assert.equal((await ask(forgetful.handler, 'pause', { follower })).ok, true);
});

const manyPairs = (failure: object = {}): object => ({
  commandId: 'c1',
  accepted: true,
  effective: false,
  pairs: Array.from({ length: 10_000 }, (_, at) => ({
    index: `logs-${at}`,
    shard: 0,
    accepted: !('failure' in failure),
    effective: false,
    state: 'following',
    ...failure,
  })),
});

it('answers for 10,000 pairs in pages that a message carries, which a client joins', async () => {
  const { handler, surface } = bench(() => manyPairs());
  const sizes: number[] = [];
  const transport = directTransport(async (request) => {
    const answer = await handler(request);
    sizes.push(answer.body.length);
    return answer;
  });
  const client = commandClient({ transport, clock: sleepingClock(), random: countingRandom() });
  const result = await client.pause({ follower: { cluster: 'replica', index: 'logs-*' }, commandId: 'c1' });
  assert.deepEqual(result, manyPairs());
  assert.ok(sizes.length > 1 && Math.max(...sizes) < 600 * 1024, sizes.join());
  assert.equal(surface.calls.length, 1);
  const beyond = await ask(handler, 'pause', { follower, commandId: 'c1', cursor: '99' });
  assert.match(beyond.failure?.reason ?? '', /cursor: there is no page 99/);
});

it('pages an answer that asks to be repeated too, and runs the command again for who asks again', async () => {
  const failure = failed('journal_unreachable', { op: 'append', reason: 'away' }).failure;
  const { handler, surface } = bench(() => manyPairs({ failure }));
  const transport = directTransport(handler);
  const client = commandClient({ transport, clock: sleepingClock(), random: countingRandom() });
  for (const calls of [1, 2]) {
    const result = await client.pause({ follower: { cluster: 'replica', index: 'logs-*' }, commandId: 'c1' });
    assert.equal(result.pairs.length, 10_000);
    assert.equal(surface.calls.length, calls);
  }
});

it('answers what the surface throws as a failure with its code, and a defect as a bug', async () => {
  const known = await bench(refuse('not_paused')).handler({
    name: 'pause',
    body: JSON.stringify({ follower }),
    trace: new Map(),
    maxReplyBytes: 1e6,
  });
  assert.deepEqual(known.error, { status: 400, text: 'not_paused: as the test wishes' });
  const defect = await ask(
    bench(() => {
      throw new TypeError('undefined is not a function');
    }).handler,
    'pause',
    { follower },
  );
  assert.equal(defect.failure?.code, 'bug');
});

it('passes neither an invalid command nor an unknown key on to the surface', async () => {
  const { surface, handler } = bench();
  for (const body of ['', '{', {}, { follower, colour: 'blue' }])
    assert.equal((await ask(handler, 'pause', body)).failure?.code, 'invalid_command');
  assert.equal(surface.calls.length, 0);
});

it('refuses more commands at once than its limit, and takes them again afterwards', async () => {
  const gate = Promise.withResolvers<void>();
  const { handler } = bench(() => gate.promise, { maxInFlight: 1 });
  const first = ask(handler, 'pause', { follower });
  assert.equal((await ask(handler, 'pause', { follower })).failure?.code, 'command_timeout');
  gate.resolve();
  assert.equal((await first).ok, true);
  assert.equal((await ask(handler, 'pause', { follower })).ok, true);
});

it('says so when an answer is longer than the transport carries', async () => {
  const pairs = [
    { shard: 0, accepted: true, effective: true, state: 'paused', failure: { reason: 'x'.repeat(5_000) } },
  ];
  const { handler } = bench(() => ({ commandId: 'c', accepted: true, effective: true, pairs }));
  const answer = await ask(handler, 'pause', { follower }, 4_000);
  assert.equal(answer.failure?.code, 'unexpected_answer');
  assert.match(answer.failure?.reason ?? '', /was carried out/);
});

it('hands the trace context of the caller on with the command', async () => {
  const surface = recordingSurface();
  const request = { traceId: '0123456789abcdef0123456789abcdef', spanId: '0123456789abcdef' };
  const handler = commandService({
    surface,
    random: countingRandom(),
    answers: memoryAnswers(),
    requestOf: (trace) => (trace.get('traceparent') === 'known' ? request : undefined),
  });
  const body = JSON.stringify({ follower });
  for (const parent of ['known', 'broken'])
    await handler({ name: 'pause', body, trace: new Map([['traceparent', parent]]), maxReplyBytes: 1e6 });
  assert.deepEqual(
    surface.calls.map(({ given }) => given),
    [
      { follower, commandId: 'id-1', request },
      { follower, commandId: 'id-2' },
    ],
  );
});

it('takes a repeated command for the same in whatever trace it comes', async () => {
  const surface = recordingSurface();
  const handler = commandService({
    surface,
    random: countingRandom(),
    answers: memoryAnswers(),
    requestOf: (trace) => ({ traceId: trace.get('traceparent') ?? '', spanId: 's' }),
  });
  const body = JSON.stringify({ follower, commandId: 'c1' });
  for (const parent of ['one', 'two']) {
    const trace = new Map([['traceparent', parent]]);
    const answer = await handler({ name: 'pause', body, trace, maxReplyBytes: 1e6 });
    assert.equal(answer.error, undefined);
  }
  assert.equal(surface.calls.length, 1);
});
