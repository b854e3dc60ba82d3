/** The brake on mass deletes: open once, for a resume that was accepted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import { type ActorBench, actorBench, refusalOf } from './actor-bench.ts';

/** So many that the share counts: a few deletes are never a mass. */
const DOCUMENTS = 200;

async function stoppedByTheBrake(bench: ActorBench): Promise<void> {
  for (let at = 0; at < DOCUMENTS; at += 1) bench.put(`d${at}`);
  await bench.follow();
  await bench.until(() => bench.state() === 'following', 'following');
  for (let at = 1; at < DOCUMENTS; at += 1) bench.world.leader.write(LEADER.index, { id: `d${at}`, source: undefined });
  await stopped(bench);
}

async function stopped(bench: ActorBench): Promise<void> {
  await bench.until(() => bench.state() === 'fatal', 'an end');
  assert.equal(bench.pair().snapshot?.failure?.code, 'mass_delete');
  assert.equal(documents(bench), DOCUMENTS, 'nothing was deleted');
}

function documents(bench: ActorBench): number {
  return bench.world.followerIndex?.shards.reduce((sum, shard) => sum + shard.size, 0) ?? 0;
}

async function resume(bench: ActorBench, commandId: string, allowMassDelete: boolean): Promise<void> {
  const { supervisor } = bench.world.life ?? assert.fail('a living process');
  await bench.run(supervisor.resume({ follower: FOLLOWER, commandId, allowMassDelete }));
}

test('a resume that the journal did not take leaves the brake closed', async () => {
  const bench = actorBench();
  await stoppedByTheBrake(bench);
  bench.world.journal.failNextAppend('lost-before');
  const failure = await refusalOf(resume(bench, 'c-lost', true));
  assert.equal(failure.code, 'journal_unreachable');
  await resume(bench, 'c-careful', false);
  assert.notEqual(bench.state(), 'fatal');
  await stopped(bench);
});

test('a resume that allows it opens the brake', async () => {
  const bench = actorBench();
  await stoppedByTheBrake(bench);
  await resume(bench, 'c-allowed', true);
  await bench.until(() => documents(bench) === 1, 'the deletes');
  assert.equal(bench.state(), 'following');
});
