/** What a shard does that has everything while others of its index have not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { present } from '../../../src/domain/assert.ts';
import { LEADER } from '../../sim/sim-world.ts';
import { actorBench } from './actor-bench.ts';

test('a shard that waits for others asks its leader at the usual pace, also where that leader is behind with its global checkpoint', async () => {
  const bench = actorBench({ leaderShards: 2, followerShards: 2, latencyMs: 1 });
  const { world } = bench;
  for (let at = 0; at < 20; at += 1) bench.put(`d${at}`);
  const shardOf = (number: number) => present(world.leaderIndex.shards[number], 'a shard');
  // The last operation is a delete that nobody sees; the other shard shows nothing that is safe.
  shardOf(0).heldCheckpoint = shardOf(0).maxSeqNo;
  shardOf(1).heldCheckpoint = -1;
  const [gone] = [...shardOf(0).documents()].toSorted((a, b) => b.seqNo - a.seqNo);
  world.leader.write(LEADER.index, { id: present(gone, 'a document').id, source: undefined });
  await bench.follow();
  await bench.until(() => bench.pair(0).session.replicator?.settled === true, 'all of it');
  let calls = 0;
  world.onCall = (_, method) => {
    if (method === 'readPage') calls += 1;
  };
  await bench.run(world.clock.sleep(10_000));
  assert.equal(bench.pair(0).snapshot?.state, 'bootstrapping');
  assert.ok(calls > 0 && calls < 300, `${calls} pages in 10 s`);
});
