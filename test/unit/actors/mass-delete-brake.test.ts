/** The brake on mass deletes: open once, for a resume that was accepted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommandResult } from '../../../src/domain/commands.ts';
import { present } from '../../../src/domain/assert.ts';
import type { SimLife } from '../../sim/sim-life.ts';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import { EVERY_SLOT, sharedOwnership } from '../../support/fixed-ownership.ts';
import { type ActorBench, actorBench, refusalOf } from './actor-bench.ts';

/** So many that the share counts: a few deletes are never a mass. */
const DOCUMENTS = 200;

async function stoppedByTheBrake(bench: ActorBench): Promise<void> {
  put(bench);
  await bench.follow();
  await bench.until(() => bench.state() === 'following', 'following');
  remove(bench);
  await stopped(bench);
}

function put(bench: ActorBench): void {
  for (let at = 0; at < DOCUMENTS; at += 1) bench.put(`d${at}`);
}

/** All but one. */
function remove({ world }: ActorBench): void {
  for (let at = 1; at < DOCUMENTS; at += 1) world.leader.write(LEADER.index, { id: `d${at}`, source: undefined });
}

async function stopped(bench: ActorBench): Promise<void> {
  await bench.until(() => bench.state() === 'fatal', 'an end');
  assert.equal(bench.pair().snapshot?.failure?.code, 'mass_delete');
  assert.equal(documents(bench), DOCUMENTS, 'nothing was deleted');
}

function documents(bench: ActorBench): number {
  return bench.world.followerIndex?.shards.reduce((sum, shard) => sum + shard.size, 0) ?? 0;
}

async function resume(bench: ActorBench, commandId: string, allowMassDelete: boolean): Promise<CommandResult> {
  const { supervisor } = present(bench.world.life, 'a living process');
  // Again, for a process that does not know whether it was decided.
  return bench.run(supervisor.resume({ follower: FOLLOWER, commandId, allowMassDelete, begunAtMs: 0 }));
}

/** The deletes that are outstanding pass; whatever comes afterwards is stopped again. */
async function passesOnce(bench: ActorBench): Promise<void> {
  await bench.until(() => documents(bench) === 1, 'the deletes');
  await bench.until(() => bench.pair().snapshot?.massDeleteAllowedBy === undefined, 'a journal that says so');
  assert.equal(bench.state(), 'following');
  await stopsAgain(bench);
}

async function stopsAgain(bench: ActorBench): Promise<void> {
  put(bench);
  await bench.until(() => documents(bench) === DOCUMENTS, 'all of them again');
  remove(bench);
  await stopped(bench);
}

async function facts(bench: ActorBench): Promise<readonly string[]> {
  return (await bench.events()).map(({ fact }) => fact.type);
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
  await passesOnce(bench);
  const used = (await bench.events()).find(({ fact }) => fact.type === 'MASS_DELETE_USED');
  assert.deepEqual(used?.fact, { type: 'MASS_DELETE_USED', commandId: 'c-allowed', documents: DOCUMENTS - 1 });
});

test('a resume whose acknowledgement was lost opens the brake as the journal says', async () => {
  const bench = actorBench();
  await stoppedByTheBrake(bench);
  bench.world.journal.failNextAppend('lost-after');
  assert.equal((await refusalOf(resume(bench, 'c-allowed', true))).ambiguous, true);
  await passesOnce(bench);
});

test('a resume of a pair that follows allows the next mass delete', async () => {
  const bench = actorBench();
  put(bench);
  await bench.follow();
  await bench.until(() => bench.state() === 'following', 'following');
  await resume(bench, 'c-allowed', true);
  remove(bench);
  await passesOnce(bench);
});

test('the next resume takes back what no scan has made use of', async () => {
  const bench = actorBench();
  await stoppedByTheBrake(bench);
  await resume(bench, 'c-allowed', true);
  await bench.crash();
  await bench.pause();
  await bench.until(() => bench.state() === 'paused', 'paused');
  assert.equal(documents(bench), DOCUMENTS);
  assert.equal(bench.pair().snapshot?.massDeleteAllowedBy, 'c-allowed');
  await resume(bench, 'c-careful', false);
  await stopped(bench);
});

test('an owner that dies before the scan leaves it to the next one', async () => {
  const bench = actorBench();
  await stoppedByTheBrake(bench);
  await resume(bench, 'c-allowed', true);
  await bench.crash();
  assert.equal(documents(bench), DOCUMENTS);
  await passesOnce(bench);
});

test('an owner that dies before it has told of the scan leaves the brake open for no other mass delete', async () => {
  const bench = actorBench();
  await stoppedByTheBrake(bench);
  await resume(bench, 'c-allowed', true);
  const { world } = bench;
  const first = world.life;
  bench.onStep = () => {
    if (documents(bench) === 1) first?.crash();
  };
  await bench.until(() => documents(bench) === 1, 'the deletes');
  bench.onStep = () => undefined;
  assert.ok(!(await facts(bench)).includes('MASS_DELETE_USED'));
  await bench.crash();
  await bench.until(() => bench.pair().snapshot?.massDeleteAllowedBy === undefined, 'a journal that says so');
  await stopsAgain(bench);
});

test('no second mass delete passes while the journal is away and is not told of the first', async () => {
  const bench = actorBench();
  await stoppedByTheBrake(bench);
  await resume(bench, 'c-allowed', true);
  bench.onStep = () => {
    if (documents(bench) === 1) bench.world.journal.failNextAppend('lost-before');
  };
  await bench.until(() => documents(bench) === 1, 'the deletes');
  bench.onStep = () => bench.world.journal.failNextAppend('lost-before');
  put(bench);
  await bench.until(() => documents(bench) === DOCUMENTS, 'all of them again');
  remove(bench);
  await bench.run(bench.world.clock.sleep(60_000));
  assert.equal(documents(bench), DOCUMENTS);
  assert.equal(bench.pair().snapshot?.massDeleteAllowedBy, 'c-allowed');
  bench.onStep = () => undefined;
  await stopped(bench);
  assert.deepEqual((await facts(bench)).slice(-2), ['MASS_DELETE_USED', 'FATAL']);
});

test('what was used is not allowed again by a restart, nor by the same command', async () => {
  const bench = actorBench();
  await stoppedByTheBrake(bench);
  await resume(bench, 'c-allowed', true);
  await passesOnce(bench);
  await bench.crash();
  const before = (await facts(bench)).length;
  assert.equal((await resume(bench, 'c-allowed', true)).accepted, true);
  assert.equal((await facts(bench)).length, before, 'it was decided before');
  await resume(bench, 'c-careful', false);
  await stopped(bench);
});

test('a resume that was accepted while nobody owned the pair opens the brake of its next owner', async () => {
  const bench = actorBench();
  const owners = sharedOwnership();
  const start = async (name: string): Promise<SimLife> => {
    const ownership = owners.member(name, { clusters: [LEADER.cluster, FOLLOWER.cluster] });
    const life = bench.world.startLife({ ownership });
    await bench.run(life.supervisor.start());
    return life;
  };
  const ada = await start('ada');
  owners.assign('ada', EVERY_SLOT);
  put(bench);
  await bench.run(ada.supervisor.follow({ leader: LEADER, follower: FOLLOWER, commandId: 'c-follow' }));
  await bench.until(() => bench.state() === 'following', 'following');
  remove(bench);
  await stopped(bench);
  ada.crash();
  owners.end('ada');
  await start('bea');
  assert.equal((await resume(bench, 'c-allowed', true)).accepted, true);
  owners.assign('bea', EVERY_SLOT);
  await bench.until(() => bench.world.life?.supervisor.pairs.length === 1, 'an owner');
  await passesOnce(bench);
});

test('a leader that came back as another state takes with it what was allowed before', async () => {
  const bench = actorBench({ parameters: { on_missing_history: 'rebootstrap' } });
  await stoppedByTheBrake(bench);
  await resume(bench, 'c-allowed', true);
  for (const shard of bench.world.leaderIndex.shards) shard.historyUuid = 'another';
  await bench.crash();
  await stopped(bench);
  assert.ok((await facts(bench)).includes('HISTORY_GONE'));
});
