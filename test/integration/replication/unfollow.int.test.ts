/** Unfollowing: decided first, then done, and done again by whoever comes next when something failed on the way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { Failed, type Failure } from '../../../src/domain/failure.ts';
import { createIndex, loadDocuments } from '../../support/bulk-load.ts';
import { type HttpProxy, startHttpProxy } from '../../support/http-proxy.ts';
import { addressOf, openWorld, type World } from '../../support/replication-world.ts';
import { until } from '../../support/until.ts';

const DOCUMENTS = 50;
const GUARD_SETTING = 'index.default_pipeline';

async function limitJournal(world: World, limits: Partial<StreamConfig>): Promise<void> {
  const { streams } = await jetstreamManager(world.nats);
  await streams.update(world.stream, limits);
}

/** As if the disk of the journal were full after so many more events. */
async function fullAfter(world: World, events: number): Promise<void> {
  const { streams } = await jetstreamManager(world.nats);
  const { state } = await streams.info(world.stream);
  await limitJournal(world, { max_msgs: state.messages + events });
}

async function follow(world: World, index: string): Promise<void> {
  await createIndex(world.leader, index);
  await loadDocuments(world.leader, index, DOCUMENTS);
  await world.follow(index);
  await world.awaitSettled(index);
}

async function refusedUnfollow(world: World, index: string): Promise<Failure> {
  try {
    await world.control.unfollow({ follower: world.followerOf(index) });
  } catch (thrown) {
    if (thrown instanceof Failed) return thrown.failure;
    throw thrown;
  }
  return assert.fail('the unfollow fails');
}

/** A change of the follower's settings is refused until told otherwise; reads and documents pass. */
function refuseSettings(proxy: HttpProxy, index: string): { readonly refused: number } {
  const count = { refused: 0 };
  proxy.treat = ({ method, path }) => {
    if (method !== 'PUT' || !path.startsWith(`/${index}/_settings`)) return { kind: 'pass' };
    count.refused += 1;
    return { kind: 'answer', status: 503, body: {} };
  };
  return count;
}

async function isListed(world: World, index: string): Promise<boolean> {
  return (await world.control.list()).some(({ follower }) => follower.index === index);
}

/** Writes from outside are taken again, nothing of ours reads or writes any more, and no position is left. */
async function assertReleased(world: World, index: string): Promise<void> {
  assert.equal(await isListed(world, index), false);
  const settings = (await world.follower.ok('GET', `/${index}/_settings?flat_settings=true`)) as Record<
    string,
    { settings: Record<string, unknown> }
  >;
  assert.equal(settings[index]?.settings[GUARD_SETTING], undefined, 'the guard is gone');
  await world.follower.ok('PUT', `/${index}/_doc/from-outside?refresh=true`, { theirs: true });
  for (const shard of [0, 1]) assert.equal(await world.position(index, shard), undefined);
  assert.equal((await world.follower.ok('GET', `/${index}/_count`))['count'], DOCUMENTS + 1, 'the documents stay');
  const last = (await world.journal()).findLast(
    (event) => event.entity === 'index' && event.result.follower.index === index,
  );
  assert.equal(last?.fact.type, 'RELEASED');
}

test('an unfollow that the journal does not take fails, and the copy goes on', async () => {
  await using world = await openWorld();
  await world.start();
  const index = world.name('-full');
  await follow(world, index);
  await fullAfter(world, 0);
  const failure = await refusedUnfollow(world, index);
  assert.equal(failure.code, 'journal_full');
  assert.match(failure.reason, /maximum messages exceeded/);
  await world.leader.ok('PUT', `/${index}/_doc/meanwhile`, { arrives: true });
  await world.awaitSettled(index);
  assert.ok((await world.compare(index)).equal);

  await limitJournal(world, { max_msgs: -1 });
  const unfollowed = await world.control.unfollow({ follower: world.followerOf(index) });
  assert.equal(unfollowed.effective, true);
  assert.equal(await isListed(world, index), false);
});

test('an unfollow that the follower refuses half-way is completed by repeating it', async () => {
  await using proxy = await startHttpProxy(addressOf('SLIPSTREAM_FOLLOWER_URL'));
  await using world = await openWorld({
    follower: { url: addressOf('SLIPSTREAM_FOLLOWER_URL'), seenAt: proxy.url },
  });
  await world.start();
  const index = world.name('-repeated');
  await follow(world, index);
  const count = refuseSettings(proxy, index);
  const failure = await refusedUnfollow(world, index);
  assert.deepEqual([failure.code, failure.cluster, failure.status], ['cluster_unreachable', 'right', 503]);
  assert.ok(count.refused > 0);
  const left = (await world.control.list()).find(({ follower }) => follower.index === index);
  assert.match(left?.state ?? '', /unfollowed/, 'it is told that something is left to be done');
  assert.equal(
    (await world.follower.call('PUT', `/${index}/_doc/from-outside`, { theirs: true })).status,
    500,
    'the guard still stands',
  );
  await world.leader.ok('PUT', `/${index}/_doc/meanwhile`, { arrives: false });

  proxy.treat = () => ({ kind: 'pass' });
  const unfollowed = await world.control.unfollow({ follower: world.followerOf(index) });
  assert.equal(unfollowed.effective, true);
  await assertReleased(world, index);

  const other = world.name('-other');
  await world.control.follow({ leader: { cluster: 'left', index }, follower: world.followerOf(other) });
  await until('it is followed into another index', 30_000, async () => {
    const pairs = (await world.status(other))?.pairs ?? [];
    return pairs.length > 0 && pairs.every(({ state }) => state === 'following') ? true : undefined;
  });
  await world.follower.ok('POST', `/${other}/_refresh`);
  assert.equal((await world.follower.ok('GET', `/${other}/_count`))['count'], DOCUMENTS + 1);
});

test('an unfollow that was interrupted is completed by the next start, and the name can be taken anew', async () => {
  await using proxy = await startHttpProxy(addressOf('SLIPSTREAM_FOLLOWER_URL'));
  await using world = await openWorld({
    follower: { url: addressOf('SLIPSTREAM_FOLLOWER_URL'), seenAt: proxy.url },
  });
  const first = await world.start();
  const index = world.name('-interrupted');
  await follow(world, index);
  // What is left of this life in the journal must not be taken up by the next one.
  const paused = await world.control.pause({ follower: world.followerOf(index), waitMs: 20_000 });
  assert.equal(paused.effective, true);
  refuseSettings(proxy, index);
  await refusedUnfollow(world, index);
  await first.kill();
  proxy.treat = () => ({ kind: 'pass' });
  const second = await world.start();
  await until('it is released', 20_000, async () => ((await isListed(world, index)) ? undefined : true));
  await assertReleased(world, index);

  await world.follower.ok('DELETE', `/${index}`);
  // There is room for the decision to follow and for nothing after it: the process ends in between.
  await fullAfter(world, 1);
  void world.follow(index).catch(() => undefined);
  const decisions = async (): Promise<true | undefined> => {
    const events = await world.journal();
    return events.filter(({ fact }) => fact.type === 'FOLLOWED').length === 2 ? true : undefined;
  };
  await until('the follow is decided', 10_000, decisions);
  await second.kill();
  await limitJournal(world, { max_msgs: -1 });
  await world.start();
  await world.awaitSettled(index);
  assert.ok((await world.compare(index)).equal);
  const events = await world.journal();
  const anew = events.slice(events.findLastIndex(({ fact }) => fact.type === 'FOLLOWED') + 1);
  for (const shard of [0, 1]) {
    const states = anew.flatMap((event) =>
      event.entity === 'pair' && event.pair.shard === shard ? [`${event.from} ${event.result.state}`] : [],
    );
    assert.deepEqual(states, ['none bootstrapping', 'bootstrapping following'], 'a new life from its beginning');
  }
});
