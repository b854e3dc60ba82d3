/** What a pair does about writes to its follower that are not its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { present } from '../../../src/domain/assert.ts';
import type { RepairCommand, RepairResult } from '../../../src/domain/commands.ts';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import { type ActorBench, actorBench, refusalOf } from './actor-bench.ts';

const DAY_MS = 24 * 3_600_000;
const IDS = Array.from({ length: 300 }, (_, at) => `d${at}`);

async function following(parameters = {}): Promise<ActorBench> {
  const bench = actorBench({ parameters, versionAggregates: true });
  for (const id of IDS) bench.put(id);
  await bench.follow();
  await bench.until(() => bench.state() === 'following', 'following');
  return bench;
}

const foreign = ({ world }: ActorBench, id: string, source: string | undefined): void =>
  void world.follower.write(FOLLOWER.index, { id, source });

function copyOf({ world }: ActorBench, id: string): { source: string; version: number; seqNo: number } | undefined {
  return present(world.followerIndex?.shards[0], 'a shard').get(id);
}

/** Source and version of every document, by id. */
function copies({ world }: ActorBench): ReadonlyMap<string, string> {
  const shard = present(world.followerIndex?.shards[0], 'a shard');
  return new Map(Array.from(shard.documents(), ({ id, source, version }) => [id, `${version} ${source}`]));
}

async function repair(bench: ActorBench, documents: RepairCommand['documents']): Promise<RepairResult> {
  const { supervisor } = present(bench.world.life, 'a living process');
  return bench.run(
    supervisor.repair({ follower: FOLLOWER, documents, commandId: 'c-repair', by: 'ada', waitMs: 60_000 }),
  );
}

const gcDeletes = ({ world }: ActorBench): unknown => world.followerSettings()['index.gc_deletes'];

test('what somebody else updated, deleted and created is undone, and nothing else is written', async () => {
  const bench = await following();
  const before = copies(bench);
  const [kept, updated, deleted] = [present(copyOf(bench, 'd5'), 'd5'), 'd10', 'd20'];
  foreign(bench, updated, '{"foreign":1}');
  foreign(bench, updated, '{"foreign":2}');
  foreign(bench, deleted, undefined);
  foreign(bench, 'created', '{"foreign":3}');
  const same = (): boolean => {
    const now = copies(bench);
    return now.size === before.size && [...before].every(([id, copy]) => now.get(id) === copy);
  };
  await bench.until(same, 'equal');
  await bench.until(() => bench.state() === 'following', 'following');
  assert.equal(copyOf(bench, 'd5')?.seqNo, kept.seqNo);
  await bench.until(() => gcDeletes(bench) === '15m', 'the follower remembers deletes again');
  assert.ok((bench.pair().session.progress?.counters.overwritten ?? 0) > 0);
  // The ledger is balanced: nothing is taken for somebody else's.
  const { foreignWrites } = present(bench.pair().session.progress, 'progress').counters;
  bench.world.leader.write(LEADER.index, { id: updated, source: undefined });
  await bench.until(() => copyOf(bench, updated) === undefined, 'a delete');
  assert.equal(bench.pair().session.progress?.counters.foreignWrites, foreignWrites);
});

test('by policy the pair stops, repair puts it right and lets it go on', async () => {
  const bench = await following({ on_divergence: 'fail' });
  const before = copies(bench);
  foreign(bench, 'd20', undefined);
  foreign(bench, 'd10', '{"foreign":1}');
  await bench.until(() => bench.state() === 'fatal', 'an end');
  assert.equal(bench.pair().snapshot?.failure?.code, 'follower_newer');
  assert.equal(gcDeletes(bench), '15m');
  const result = await repair(bench, [{ id: 'd20', shard: 0 }, { id: 'd10' }, { id: 'unknown' }]);
  assert.deepEqual(result.documents, ['sent', 'sent', 'in step']);
  assert.equal(result.effective, true);
  await bench.until(() => bench.state() === 'following', 'following');
  assert.deepEqual(copies(bench), before);
  const facts = (await bench.events()).map(({ fact }) =>
    'documents' in fact ? `${fact.type} ${fact.documents}` : fact.type,
  );
  assert.deepEqual(facts.slice(-2), ['REPAIR 3', 'RESUME']);
});

test('repair deletes what the leader has not, also above every version of a leader, and lets it come again', async () => {
  const bench = await following({ on_divergence: 'fail' });
  const huge = 2 ** 52;
  const { world } = bench;
  await bench.pause();
  await bench.until(() => bench.state() === 'paused', 'paused');
  const refused = await refusalOf(repair(bench, [{ id: 'high' }]));
  assert.equal(refused.code, 'not_following');
  await bench.resume();
  await bench.until(() => bench.state() === 'following', 'following');
  world.follower.write(FOLLOWER.index, { id: 'high', source: '{"foreign":1}', version: huge });
  const result = await repair(bench, [{ id: 'high' }, { id: 'd1' }]);
  assert.deepEqual(result.documents, ['deleted', 'sent']);
  bench.put('high');
  await bench.until(() => copyOf(bench, 'high') !== undefined, 'it came again');
  assert.equal(bench.state(), 'following');
});

test('a process that dies while the follower forgets its deletes leaves that to the next one', async () => {
  const bench = await following();
  foreign(bench, 'd20', undefined);
  await bench.until(() => gcDeletes(bench) !== '15m', 'forgetting');
  await bench.crash();
  await bench.until(() => gcDeletes(bench) === '15m', 'the follower remembers deletes again');
  await bench.until(() => copyOf(bench, 'd20') !== undefined, 'the document');
});

test('what a process that died in the middle leaves missing is found at once, also where counts agree since', async () => {
  const bench = await following();
  const { clock, leader } = bench.world;
  foreign(bench, 'd20', undefined);
  await bench.until(() => gcDeletes(bench) !== '15m', 'forgetting');
  await bench.crash();
  // One document too many makes up for the one that is missing, in the same bucket of a histogram.
  leader.write(LEADER.index, { id: 'd21', source: undefined });
  const since = clock.monotonic();
  await bench.until(() => copyOf(bench, 'd20') !== undefined && copyOf(bench, 'd21') === undefined, 'equal');
  assert.ok(clock.monotonic() - since < 3_600_000, `${clock.monotonic() - since} ms`);
});

test('a request to forget that arrives late does not keep the follower from remembering deletes', async () => {
  const bench = await following();
  await bench.until(() => gcDeletes(bench) === '15m', 'the usual value');
  // Of the owner before, or one of ours that timed out.
  Object.assign(bench.world.followerSettings(), { 'index.gc_deletes': '1ms' });
  present(bench.world.followerIndex, 'an index').settingsVersion += 1;
  assert.equal(gcDeletes(bench), '1ms');
  await bench.until(() => gcDeletes(bench) === '15m', 'the follower remembers deletes again');
});

test("somebody's delete and one of the leader that nobody saw leave counts equal: found by the daily comparison at the latest", async () => {
  const bench = await following();
  await bench.crash();
  // Nothing is counted yet: neither the ledger nor the counts can tell.
  const neighbours = ['d100', 'd101'] as const;
  foreign(bench, neighbours[0], undefined);
  bench.world.leader.write(LEADER.index, { id: neighbours[1], source: undefined });
  await bench.until(() => bench.pair().session.progress?.outstandingDeletes === 0, 'counted');
  await bench.until(() => bench.pair().session.progress?.followerCount === IDS.length - 1, 'counts are equal');
  assert.ok(copyOf(bench, neighbours[1]) !== undefined, 'nothing is noticed');
  bench.world.clock.leap(1.5 * DAY_MS);
  await bench.until(() => copyOf(bench, neighbours[1]) === undefined, 'the delete');
  await bench.until(() => copyOf(bench, neighbours[0]) !== undefined, 'the document');
  assert.notEqual(bench.state(), 'fatal');
});

test('the same while the ledger is known is found at once', async () => {
  const bench = await following();
  const { clock } = bench.world;
  const since = clock.monotonic();
  foreign(bench, 'd100', undefined);
  bench.world.leader.write(LEADER.index, { id: 'd101', source: undefined });
  await bench.until(() => (bench.pair().session.progress?.counters.foreignWrites ?? 0) > 0, 'noticed');
  assert.ok(clock.monotonic() - since < 5_000);
  await bench.until(() => copyOf(bench, 'd101') === undefined && copyOf(bench, 'd100') !== undefined, 'both');
});

test('somebody who changed most of a shard is not overwritten without an operator', async () => {
  const bench = await following();
  const changed = IDS.slice(0, 150);
  for (const id of changed)
    bench.world.follower.write(FOLLOWER.index, { id, source: '{"foreign":1}', version: 2 ** 50 });
  for (const id of changed) bench.put(id);
  await bench.until(() => bench.state() === 'fatal', 'an end');
  assert.equal(bench.pair().snapshot?.failure?.code, 'follower_newer');
  assert.equal(copyOf(bench, 'd0')?.source, '{"foreign":1}');
  const result = await repair(
    bench,
    changed.map((id) => ({ id, shard: 0 })),
  );
  assert.ok(result.documents.every((done) => done === 'sent'));
  await bench.until(() => bench.state() === 'following', 'following');
  assert.equal(copyOf(bench, 'd0')?.source, '{"n":301,"fields":0}');
});
