/** What cannot be followed is refused with its reason, before anything was changed. What needs a secured cluster is in own-nodes.int.test.ts. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { FollowCommand } from '../../../src/domain/commands.ts';
import { createIndex } from '../../support/bulk-load.ts';
import { refusalOf } from '../../support/refusals.ts';
import { addressOf, openWorld, type World } from '../../support/replication-world.ts';

describe('a follow that is refused', () => {
  let world: World;

  before(async () => {
    world = await openWorld({
      clusters: {
        // Nobody listens on the port of tcpmux.
        nowhere: { url: 'http://127.0.0.1:1' },
        'left-again': { url: addressOf('SLIPSTREAM_LEADER_URL') },
      },
    });
    await world.start();
  });
  after(() => world[Symbol.asyncDispose]());

  function follow(leader: string, over: Partial<FollowCommand> = {}): FollowCommand {
    return { leader: { cluster: 'left', index: leader }, follower: { cluster: 'right', index: leader }, ...over };
  }

  it('names the cluster that cannot be reached', async () => {
    const index = world.name();
    await createIndex(world.leader, index);
    const leader = await refusalOf(world, follow(index, { leader: { cluster: 'nowhere', index } }));
    assert.deepEqual([leader.code, leader.cluster], ['cluster_unreachable', 'nowhere']);
    const follower = await refusalOf(world, follow(index, { follower: { cluster: 'nowhere', index } }));
    assert.deepEqual([follower.code, follower.cluster], ['cluster_unreachable', 'nowhere']);
  });

  it('names a cluster that the configuration does not know', async () => {
    const index = world.name();
    const failure = await refusalOf(world, follow(index, { leader: { cluster: 'elsewhere', index } }));
    assert.equal(failure.code, 'unknown_cluster');
    assert.match(failure.reason, /elsewhere/);
  });

  it('says that the leader index is missing', async () => {
    const index = world.name();
    const failure = await refusalOf(world, follow(index));
    assert.deepEqual([failure.code, failure.cluster], ['leader_missing', 'left']);
    assert.match(failure.reason, new RegExp(index));
  });

  it('says that the leader index is closed', async () => {
    const index = world.name();
    await createIndex(world.leader, index);
    await world.leader.ok('POST', `/${index}/_close`);
    assert.equal((await refusalOf(world, follow(index))).code, 'leader_closed');
  });

  // The server of the tests has no data streams: an alias stands for both kinds of name that are no index.
  it('says that the leader is an alias', async () => {
    const [index, alias] = [world.name(), world.name()];
    await createIndex(world.leader, index, { aliases: { [alias]: {} } });
    const failure = await refusalOf(world, follow(alias));
    assert.equal(failure.code, 'leader_not_an_index');
    assert.match(failure.reason, /alias/);
  });

  for (const [what, code, body] of [
    ['_source is disabled', 'source_unusable', { mappings: { _source: { enabled: false } } }],
    ['_source is filtered', 'source_unusable', { mappings: { _source: { excludes: ['secret.*'] } } }],
    ['_source is cut down to some fields', 'source_unusable', { mappings: { _source: { includes: ['open.*'] } } }],
    ['sequence numbers are disabled', 'seq_no_unusable', { settings: { 'index.disable_sequence_numbers': true } }],
  ] as const) {
    it(`says that ${what}`, async () => {
      const index = world.name();
      await createIndex(world.leader, index, body);
      const failure = await refusalOf(world, follow(index));
      assert.equal(failure.code, code);
      assert.notEqual(failure.hint, '');
    });
  }

  it('leaves a follower index alone that exists, empty or not', async () => {
    const [index, empty] = [world.name(), world.name()];
    for (const name of [index, empty]) {
      await createIndex(world.leader, name);
      await createIndex(world.follower, name);
    }
    await world.follower.ok('PUT', `/${index}/_doc/theirs?refresh=true`, { mine: false });
    const settings = await world.follower.ok('GET', `/${index}`);
    for (const name of [index, empty]) {
      const failure = await refusalOf(world, follow(name), { followerExists: true });
      assert.deepEqual([failure.code, failure.cluster], ['follower_exists', 'right']);
    }
    assert.deepEqual(await world.follower.ok('GET', `/${index}`), settings);
    assert.equal((await world.follower.ok('GET', `/${index}/_count`))['count'], 1);
  });

  it('does not let an index follow itself, under whatever name its cluster is configured', async () => {
    const index = world.name();
    await createIndex(world.leader, index);
    const before = await world.leader.ok('GET', `/${index}`);
    for (const cluster of ['left', 'left-again']) {
      const failure = await refusalOf(world, follow(index, { follower: { cluster, index } }));
      assert.equal(failure.code, 'follows_itself');
    }
    assert.deepEqual(await world.leader.ok('GET', `/${index}`), before);
  });

  it('does not follow into the same index twice, whatever the leader', async () => {
    const [index, other] = [world.name(), world.name()];
    await createIndex(world.leader, index);
    await createIndex(world.leader, other);
    await world.follow(index);
    await world.awaitSettled(index);
    for (const leader of [index, other]) {
      const again = follow(leader, { follower: { cluster: 'right', index } });
      const failure = await refusalOf(world, again, { followerExists: true });
      assert.equal(failure.code, 'already_followed');
      assert.match(failure.reason, new RegExp(index));
    }
    await world.leader.ok('PUT', `/${index}/_doc/1`, { goes: 'on' });
    await world.awaitSettled(index);
  });

  it('names every wrong field of a command at once', async () => {
    const failure = await refusalOf(world, {
      leader: { cluster: 'left', index: 'Upper' },
      follower: { cluster: 'right', index: 'B' },
      parameters: { mass_delete_share: 7 },
    });
    assert.equal(failure.code, 'invalid_command');
    for (const field of [/leader\.index/, /follower\.index/, /mass_delete_share/]) assert.match(failure.reason, field);
  });
});
