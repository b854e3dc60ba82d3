import assert from 'node:assert/strict';
import { it } from 'node:test';
import { present } from '../../../src/domain/assert.ts';
import type { CommandResult } from '../../../src/domain/commands.ts';
import { wholeQueries } from '../../../src/domain/pages.ts';
import type { Supervisor } from '../../../src/actors/supervisor.ts';
import { pairSubject } from '../../../src/domain/subjects.ts';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import { actorBench, refusalOf, type ActorBench } from './actor-bench.ts';

const { cluster } = FOLLOWER;
const named = (index: string): { cluster: string; index: string } => ({ cluster, index });

interface Bench extends Omit<ActorBench, 'pause'> {
  supervisor(): Supervisor;
  pause(index: string, more?: object): Promise<CommandResult>;
  subjects(commandId: string): Promise<readonly string[]>;
}

/** Three indices are followed: orders-copy, logs-1 and logs-2, of one shard each. */
async function bench(): Promise<Bench> {
  const actors = actorBench();
  await actors.follow();
  const supervisor = (): Supervisor => present(actors.world.life, 'a life').supervisor;
  for (const index of ['logs-1', 'logs-2'])
    await actors.run(supervisor().follow({ leader: LEADER, follower: named(index), commandId: index }));
  await actors.until(
    () => supervisor().pairs.every(({ snapshot }) => snapshot?.state === 'following'),
    'all following',
  );
  return {
    ...actors,
    supervisor,
    pause: (index, more) => actors.run(supervisor().pause({ follower: named(index), commandId: 'c1', ...more })),
    async subjects(commandId) {
      const found: string[] = [];
      const { signal } = new AbortController();
      const log = actors.world.journal.open();
      for await (const { subject, event } of log.read('>', { fromSeq: 1, follow: false }, signal))
        if (event.cause === `command:${commandId}`) found.push(subject);
      return found;
    },
  };
}

it('a command for a pattern is one for every index that it means, with a result for each pair', async () => {
  const { pause, supervisor } = await bench();
  assert.deepEqual(await pause('logs-*', { waitMs: 60_000 }), {
    commandId: 'c1',
    accepted: true,
    effective: true,
    pairs: ['logs-1', 'logs-2'].map((index) => ({
      index,
      shard: 0,
      accepted: true,
      effective: true,
      state: 'paused',
    })),
  });
  const states = (await wholeQueries(supervisor().pages).status({ follower: named('*') })).map(({ state }) => state);
  assert.deepEqual(states, ['paused', 'paused', 'following']);
  assert.equal((await wholeQueries(supervisor().pages).status({ follower: named('logs-*') })).length, 2);
});

it('a pattern that means nothing here is refused, and so is one of another cluster', async () => {
  const { run, supervisor } = await bench();
  for (const follower of [named('x*'), { cluster: 'main', index: '*' }])
    assert.equal((await refusalOf(run(supervisor().pause({ follower })))).code, 'unknown_pair');
});

it('what cannot be decided for one pair is told with that pair, and decided for the others', async () => {
  const { pause, world, crash, run, supervisor } = await bench();
  world.journal.storeText(pairSubject({ follower: named('logs-1'), shard: 0 }), 'no event');
  await crash();
  const { accepted, pairs } = await pause('logs-*');
  assert.equal(accepted, false);
  assert.deepEqual(
    pairs.map(({ index, accepted: each, failure }) => [index, each, failure?.code]),
    [
      ['logs-2', true, undefined],
      ['logs-1', false, 'journal_corrupt'],
    ],
  );
  const resumed = await run(
    supervisor()
      .resume({ follower: named('*'), commandId: 'r', rebootstrap: true })
      .catch(() => undefined),
  );
  assert.deepEqual(
    resumed?.pairs.map(({ index, failure }) => [index, failure?.code]),
    [
      ['orders-copy', 'not_paused'],
      ['logs-2', undefined],
      ['logs-1', 'journal_corrupt'],
    ],
  );
});

it('a command that is taken up again decides only for pairs for which it was not decided before', async () => {
  const { pause, run, supervisor, crash, subjects } = await bench();
  await pause('logs-1', { commandId: 'c2' });
  await crash();
  await run(supervisor().resume({ follower: named('logs-1'), commandId: 'c3', waitMs: 60_000 }));
  const result = await pause('logs-*', { commandId: 'c2', begunAtMs: 0 });
  assert.equal(result.accepted, true);
  assert.deepEqual(
    await subjects('c2'),
    ['logs-1', 'logs-2'].map((index) => pairSubject({ follower: named(index), shard: 0 })),
  );
});

it('a follow and an unfollow that were accepted before are accepted again, and decided once', async () => {
  const { run, supervisor, crash, subjects } = await bench();
  await crash();
  const again = { leader: LEADER, follower: named('logs-1'), commandId: 'logs-1', begunAtMs: 0 };
  assert.equal((await run(supervisor().follow(again))).accepted, true);
  const unfollow = { follower: named('logs-1'), commandId: 'u' };
  await run(supervisor().unfollow(unfollow));
  await crash();
  assert.equal((await run(supervisor().unfollow({ ...unfollow, begunAtMs: 0 }))).effective, true);
  assert.equal((await refusalOf(run(supervisor().unfollow(unfollow)))).code, 'unknown_pair');
  assert.equal((await subjects('u')).length, 1);
});

it('a shard that an index does not have is refused to every command and query, by the name that people type', async () => {
  const { run, supervisor } = await bench();
  const target = { follower: named('logs-1'), shard: 7 };
  for (const [op, asked] of [
    ['pause', () => supervisor().pause(target)],
    ['resume', () => supervisor().resume(target)],
    ['status', () => wholeQueries(supervisor().pages).status(target)],
  ] as const) {
    const failure = await refusalOf(run<unknown>(asked()));
    assert.deepEqual(
      [failure.code, failure.op, failure.reason],
      ['unknown_pair', op, `${cluster}:logs-1 has shard 0 alone, not 7`],
    );
  }
  assert.equal(
    (await wholeQueries(supervisor().pages).status({ follower: named('logs-1'), shard: 0 }))[0]?.pairs.length,
    1,
  );
});

it('who names the leader is told what follows it', async () => {
  const { run, supervisor } = await bench();
  const failure = await refusalOf(run(supervisor().pause({ follower: LEADER })));
  assert.deepEqual([failure.code, failure.op], ['unknown_pair', 'pause']);
  assert.match(failure.reason, /^main:\S+ is not followed here; it is the leader of \S+:orders-copy, /);
  assert.match(failure.hint, /^Name the follower: \S+:orders-copy$/);
  const nobody = await refusalOf(run(supervisor().resume({ follower: named('nobody') })));
  assert.deepEqual([nobody.op, nobody.reason], ['resume', `${cluster}:nobody is not followed here`]);
});

it('an unfollow tells the journal who asked', async () => {
  const { run, supervisor, world } = await bench();
  await run(supervisor().unfollow({ follower: named('logs-1'), commandId: 'u', by: 'ops' }));
  const facts: unknown[] = [];
  const { signal } = new AbortController();
  for await (const { event } of world.journal.open().read('>', { fromSeq: 1, follow: false }, signal))
    if (event.cause === 'command:u') facts.push([event.fact.type, event.by]);
  assert.deepEqual(facts, [['UNFOLLOWED', 'ops']]);
});
