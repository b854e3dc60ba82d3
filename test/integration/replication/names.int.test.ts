import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommandResult, IndexStatus, Reply } from '../../../src/domain/commands.ts';
import { openWorld } from '../../support/replication-world.ts';

/** Written out by hand, as a user would from the documented rule. */
const NAMES = [
  ['.with.dots-2024.01', '=2Ewith=2Edots-2024=2E01'],
  ['-žurnāl-漢字', '-=C5=BEurn=C4=81l-=E6=BC=A2=E5=AD=97'],
  ['-a+b=c&d;e', '-a=2Bb=3Dc=26d=3Be'],
  ["-it's_(here)~100%25", '-it=27s_=28here=29=7E100=2525'],
] as const;

test('an index of any legal name is followed, paused and resumed over plain NATS requests', async () => {
  await using world = await openWorld();
  await world.start();
  for (const [suffix, token] of NAMES) {
    const index = world.name(suffix);
    const plain = index.slice(0, index.length - suffix.length);
    const ask = async <T>(command: string, body: object, shard?: number): Promise<T> => {
      const target = shard === undefined ? `index.right.${plain}${token}` : `pair.right.${plain}${token}.${shard}`;
      const message = await world.nats.request(`${world.prefix}.${target}.${command}`, JSON.stringify(body), {
        timeout: 30_000,
      });
      const reply = message.json<Reply<T>>();
      assert.ok(reply.ok, `${command} ${index}: ${JSON.stringify(reply)}`);
      return reply.result;
    };
    const path = `/${encodeURIComponent(index)}`;
    await world.leader.ok('PUT', path, { settings: { number_of_shards: 1, number_of_replicas: 0 } });
    await world.leader.ok('PUT', `${path}/_doc/${encodeURIComponent('a/b?ü')}`, { first: true });
    const followed = await ask<CommandResult>('follow', { leader: { cluster: 'left', index }, waitMs: 20_000 });
    assert.deepEqual([followed.accepted, followed.effective], [true, true]);
    await world.awaitSettled(index);

    const paused = await ask<CommandResult>('pause', { waitMs: 20_000 }, 0);
    assert.deepEqual(
      paused.pairs.map(({ shard, effective, state }) => ({ shard, effective, state })),
      [{ shard: 0, effective: true, state: 'paused' }],
    );
    await world.leader.ok('PUT', `${path}/_doc/meanwhile`, { second: true });
    const [status] = await ask<readonly IndexStatus[]>('status', {});
    assert.equal(status?.leader.index, index);
    assert.equal(status?.state, 'paused');
    assert.equal(await documents(index), 1, 'a paused pair copies nothing');
    const resumed = await ask<CommandResult>('resume', { waitMs: 20_000 }, 0);
    assert.equal(resumed.effective, true);
    await world.awaitSettled(index);
    assert.ok((await world.compare(index)).equal, index);
    assert.equal(await documents(index), 2);
  }

  async function documents(index: string): Promise<unknown> {
    const path = `/${encodeURIComponent(index)}`;
    await world.follower.ok('POST', `${path}/_refresh`);
    return (await world.follower.ok('GET', `${path}/_count`))['count'];
  }
});
