/** Commands that come together, or again when something else was decided since. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { JournalledPair } from '../../../src/actors/journalled-pair.ts';
import { JournalView } from '../../../src/actors/journal-view.ts';
import type { Supervisor } from '../../../src/actors/supervisor.ts';
import { present } from '../../../src/domain/assert.ts';
import { indexSubject } from '../../../src/domain/subjects.ts';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import { fixedOwnership } from '../../support/fixed-ownership.ts';
import { memoryNarrator } from '../../support/memory-narrator.ts';
import { actorBench, refusalOf, type ActorBench } from './actor-bench.ts';

interface Bench extends ActorBench {
  supervisor(): Supervisor;
  follow(commandId?: string): Promise<void>;
  /** What the journal holds of the index. */
  facts(): Promise<readonly string[]>;
}

function bench(): Bench {
  const actors = actorBench();
  const supervisor = (): Supervisor => present(actors.world.life, 'a life').supervisor;
  return {
    ...actors,
    supervisor,
    async follow(commandId) {
      if (commandId === undefined) return actors.follow();
      // A copy that was given back is in the way of a new one.
      actors.world.follower.deleteIndex(FOLLOWER.index);
      await actors.run(supervisor().follow({ leader: LEADER, follower: FOLLOWER, commandId }));
    },
    async facts() {
      const found: string[] = [];
      const { signal } = new AbortController();
      const log = actors.world.journal.open();
      for await (const { event } of log.read(indexSubject(FOLLOWER), { fromSeq: 1, follow: false }, signal))
        found.push(event.fact.type);
      return found;
    },
  };
}

it('of two unfollows at once one is decided, and both are accepted', async () => {
  const { follow, run, supervisor, facts } = bench();
  await follow();
  const unfollow = (commandId: string): Promise<{ accepted: boolean }> =>
    supervisor().unfollow({ follower: FOLLOWER, commandId });
  const answers = await run(Promise.all([unfollow('u1'), unfollow('u2')]));
  assert.deepEqual(
    answers.map(({ accepted }) => accepted),
    [true, true],
  );
  assert.deepEqual(
    (await facts()).filter((type) => type !== 'PREPARED'),
    ['FOLLOWED', 'UNFOLLOWED', 'RELEASED'],
  );
});

it('an unfollow that is taken up again leaves what was followed since alone', async () => {
  const { follow, run, supervisor, facts } = bench();
  await follow();
  await run(supervisor().unfollow({ follower: FOLLOWER, commandId: 'u' }));
  await follow('f2');
  const again = await run(supervisor().unfollow({ follower: FOLLOWER, commandId: 'u', begunAtMs: 0 }));
  assert.deepEqual([again.accepted, again.effective, again.pairs], [true, true, []]);
  assert.equal((await facts()).filter((type) => type === 'UNFOLLOWED').length, 1);
  assert.equal(supervisor().pairs.length, 1);
});

it('a follow that is taken up again is not decided anew when it was unfollowed since', async () => {
  const { follow, run, supervisor, facts, world } = bench();
  await follow();
  await run(supervisor().unfollow({ follower: FOLLOWER, commandId: 'u' }));
  world.follower.deleteIndex(FOLLOWER.index);
  const command = { leader: LEADER, follower: FOLLOWER, commandId: 'c-follow', begunAtMs: 0 };
  const again = await run(supervisor().follow(command));
  assert.deepEqual([again.accepted, again.pairs], [true, []]);
  assert.equal((await facts()).filter((type) => type === 'FOLLOWED').length, 1);
  assert.equal(supervisor().pairs.length, 0);
});

it('a pause that an unfollow overtakes is to be repeated, and no defect', async () => {
  const { follow, run, supervisor } = bench();
  await follow();
  const [pair] = supervisor().pairs;
  await run(supervisor().unfollow({ follower: FOLLOWER, commandId: 'u' }));
  const late = present(pair, 'a pair').pause('p', { cause: 'command:p' });
  assert.equal((await refusalOf(run(late))).code, 'no_lease');
});

it('a command for an earlier life of an index begins nothing again', async () => {
  const { follow, run, supervisor, world } = bench();
  await follow();
  await run(supervisor().unfollow({ follower: FOLLOWER, commandId: 'u' }));
  await follow('f2');
  const { clock, random } = world;
  const log = world.journal.open();
  const ports = { log, clock, random, narrator: memoryNarrator(), ownership: fixedOwnership() };
  const stop = new AbortController();
  const view = new JournalView(ports, stop.signal);
  await run(view.open());
  const index = { ...present(view.index(FOLLOWER), 'an index').snapshot, followId: 'c-follow' };
  const pair = new JournalledPair({ ports, view, index, pair: { follower: FOLLOWER, shard: 0 }, signal: stop.signal });
  const before = world.journal.size;
  assert.equal((await refusalOf(run(pair.pause('p', { cause: 'command:p' })))).code, 'journal_conflict');
  assert.equal(world.journal.size, before);
  stop.abort(new Error('enough'));
});
