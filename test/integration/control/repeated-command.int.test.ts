import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorld } from '../../support/replication-world.ts';

test('a command that is repeated after its supervisor was killed has its first answer, and is not done again', async () => {
  await using world = await openWorld();
  const index = world.name();
  await world.leader.ok('PUT', `/${index}`, {
    settings: { 'index.number_of_shards': 2, 'index.number_of_replicas': 0 },
  });
  const first = await world.start();
  await world.follow(index);
  await world.awaitSettled(index);
  const pause = { follower: world.followerOf(index), commandId: `pause-${index}`, waitMs: 20_000 };
  const paused = await world.control.pause(pause);
  assert.ok(paused.effective);
  await world.control.resume({ follower: world.followerOf(index), commandId: `resume-${index}`, waitMs: 20_000 });
  await first.kill();
  await world.start();
  assert.deepEqual(await world.control.pause(pause), paused);
  await world.awaitPairs(
    index,
    'still following',
    20_000,
    ({ state, desired }) => state === 'following' && desired === 'running',
  );
  const pauses = (await world.journal()).filter(({ fact }) => fact.type === 'PAUSE');
  assert.equal(pauses.length, 2);
});
