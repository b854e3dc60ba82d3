/** What several supervisors of one journal are to each other, while a test decides who owns what. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { present } from '../../../src/domain/assert.ts';
import type { PairStatus } from '../../../src/domain/commands.ts';
import { slotOf } from '../../../src/domain/slots.ts';
import { pairKey } from '../../../src/domain/names.ts';
import { wholeQueries } from '../../../src/domain/pages.ts';
import { indexSubject, pairSubject } from '../../../src/domain/subjects.ts';
import type { SimLife } from '../../sim/sim-life.ts';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import type { MemoryIndex } from '../../support/memory-search/memory-cluster.ts';
import { followedEvent, startedEvent } from '../../support/journal-events.ts';
import { EVERY_SLOT, fixedOwnership, sharedOwnership, type SharedOwnership } from '../../support/fixed-ownership.ts';
import { type ActorBench, actorBench, refusalOf } from './actor-bench.ts';

const SLOT = slotOf(FOLLOWER);
const CLUSTERS = [LEADER.cluster, FOLLOWER.cluster];

interface Several {
  readonly bench: ActorBench;
  readonly owners: SharedOwnership;
  start(name: string): Promise<SimLife>;
  pair(life: SimLife): PairStatus;
  state(life: SimLife): string | undefined;
  facts(): Promise<readonly string[]>;
  /** Documents on the follower. */
  documents(): number;
}

async function several(): Promise<Several> {
  const bench = actorBench();
  const owners = sharedOwnership();
  const lives = new Map<string, SimLife>();
  const peers = { get: (name: string) => lives.get(name)?.supervisor.alone };
  return {
    bench,
    owners,
    async start(name) {
      const life = bench.world.startLife({
        ownership: owners.member(name, { clusters: CLUSTERS }),
        peers: (session) => present(peers.get(session), session),
      });
      lives.set(name, life);
      await bench.run(life.supervisor.start());
      return life;
    },
    pair: (life) => present(life.supervisor.pairStatuses()[0], 'a pair'),
    state: (life) => life.supervisor.pairs[0]?.snapshot?.state,
    facts: async () => (await bench.events()).map(({ fact, term }) => `${fact.type} ${term}`),
    documents: () =>
      bench.world.followerIndex?.shards.reduce((sum, shard) => sum + [...shard.documents()].length, 0) ?? 0,
  };
}

/** Ada owns the slot and follows, with one document; bea lives and owns nothing. */
async function adaFollows(): Promise<Several & { readonly ada: SimLife; readonly bea: SimLife }> {
  const all = await several();
  const { bench, owners } = all;
  const ada = await all.start('ada');
  const bea = await all.start('bea');
  owners.assign('ada', EVERY_SLOT);
  bench.put('d1');
  await bench.run(bea.supervisor.follow({ leader: LEADER, follower: FOLLOWER, commandId: 'c-follow', by: 'eve' }));
  await bench.until(() => all.state(ada) === 'following', 'following');
  return { ...all, ada, bea };
}

const TERM = SLOT + 1;
const KEY = pairKey({ follower: FOLLOWER, shard: 0 });

test('an index that is followed through another supervisor is taken up by its owner, which records who asked', async () => {
  const { bench, ada, bea, facts, pair } = await adaFollows();
  assert.deepEqual(await facts(), [`STARTED ${TERM}`, `BOOTSTRAPPED ${TERM}`]);
  const [started] = await bench.events();
  assert.deepEqual([started?.cause, started?.by], ['command:c-follow', 'eve']);
  assert.deepEqual(pair(ada).owner, { supervisor: 'ada', term: TERM });
  assert.equal(bea.supervisor.pairs.length, 0);
  const follow = bea.supervisor.follow({ leader: LEADER, follower: FOLLOWER, commandId: 'c-other' });
  assert.equal((await refusalOf(bench.run(follow))).code, 'already_followed');
});

test('commands that another supervisor accepts take effect at the owner, and are effective where they were given', async () => {
  const { bench, ada, bea, facts, state } = await adaFollows();
  const command = { follower: FOLLOWER, waitMs: 60_000 };
  const paused = await bench.run(bea.supervisor.pause({ ...command, commandId: 'c-pause' }));
  assert.deepEqual([paused.accepted, paused.effective], [true, true]);
  await bench.until(() => state(ada) === 'paused', 'paused');
  assert.equal(ada.supervisor.pairs[0]?.session.replicator, undefined);
  const resumed = await bench.run(bea.supervisor.resume({ ...command, commandId: 'c-resume' }));
  assert.deepEqual([resumed.accepted, resumed.effective], [true, true]);
  bench.put('d2');
  await bench.until(() => ada.supervisor.pairs[0]?.session.progress?.checkpoint === 1, 'the document applied');
  assert.deepEqual((await facts()).slice(2), [`PAUSE ${TERM}`, `PAUSED ${TERM}`, `RESUME ${TERM}`]);
});

test('an index that is unfollowed through another supervisor is released by its owner', async () => {
  const { bench, ada, bea } = await adaFollows();
  const gone = await bench.run(bea.supervisor.unfollow({ follower: FOLLOWER, commandId: 'c-unfollow' }));
  assert.deepEqual([gone.accepted, gone.effective], [true, true]);
  await bench.until(() => ada.supervisor.pairs.length === 0, 'released');
  assert.deepEqual(await bench.run(wholeQueries(bea.supervisor.pages).status({})), []);
});

test('a pause is accepted while nobody owns the pair, and takes effect at the next owner', async () => {
  const { bench, owners, ada, bea, state, facts } = await adaFollows();
  ada.crash();
  owners.end('ada');
  const paused = await bench.run(bea.supervisor.pause({ follower: FOLLOWER, commandId: 'c-pause' }));
  assert.deepEqual([paused.accepted, paused.effective], [true, false]);
  const [index] = await bench.run(wholeQueries(bea.supervisor.pages).status({}));
  assert.deepEqual([index?.pairs[0]?.owner, index?.pairs[0]?.desired], [null, 'paused']);
  owners.assign('bea', EVERY_SLOT);
  await bench.until(() => state(bea) === 'paused', 'paused');
  assert.deepEqual((await facts()).slice(2), [`PAUSE ${TERM}`, `TAKEN_OVER ${TERM + 256}`, `PAUSED ${TERM + 256}`]);
});

test('an owner whose slot was taken ends its work, and what it appends late is refused', async () => {
  const { bench, owners, ada, bea, facts, state } = await adaFollows();
  const old = present(ada.supervisor.pairs[0], 'a pair');
  // Ada is not told that its session ended.
  owners.end('ada');
  owners.assign('bea', EVERY_SLOT);
  await bench.until(() => state(bea) === 'following' && ada.supervisor.pairs.length === 0, 'one owner');
  assert.deepEqual((await facts()).slice(2), [`TAKEN_OVER ${TERM + 256}`]);
  const late = startedEvent('late', old.pair);
  const append = bench.world.journal.open().append(pairSubject(old.pair), late, old.seq, new AbortController().signal);
  assert.equal((await refusalOf(append)).code, 'journal_conflict');
  bench.put('d2');
  await bench.until(() => bea.supervisor.pairs[0]?.session.progress?.checkpoint === 1, 'the document applied');
});

test('a slot that was given up in order is taken over without an event, and without counting anew', async () => {
  const { bench, owners, ada, bea, facts } = await adaFollows();
  await bench.run(owners.move('bea', EVERY_SLOT));
  assert.equal(ada.supervisor.pairs.length, 0);
  await bench.until(() => bea.supervisor.pairs[0]?.session.replicator !== undefined, 'taken up');
  assert.equal(bea.supervisor.pairs[0]?.session.progress?.followerCount, 1);
  await bench.until(() => bench.world.positions.records.get(KEY)?.record.term === TERM + 256, 'its position');
  assert.equal((await facts()).length, 2);
});

test('without a lease nothing is written or recorded, status says so, and it goes on by itself', async () => {
  const { bench, owners, ada, facts, pair, documents } = await adaFollows();
  owners.allow('ada', false);
  const size = bench.world.journal.size;
  const writes: string[] = [];
  bench.world.onCall = (_, method) => {
    if (['bulk', 'save', 'put', 'putMapping', 'putSettings', 'updateAliases'].includes(method)) writes.push(method);
  };
  bench.put('d2');
  await bench.run(bench.world.clock.sleep(30_000));
  assert.deepEqual(writes, []);
  assert.equal(pair(ada).state, 'following');
  assert.equal(pair(ada).suspended?.code, 'no_lease');
  const [index] = await bench.run(wholeQueries(ada.supervisor.pages).status({}));
  assert.equal(index?.state, 'following, suspended');
  assert.equal(bench.world.journal.size, size);
  owners.allow('ada', true);
  await bench.until(() => documents() === 2, 'the document arrives');
  assert.equal(pair(ada).suspended, undefined);
  assert.equal((await facts()).length, 2);
});

test('a supervisor that reaches not both clusters leaves the slot to one that does', async () => {
  const { bench, owners, bea, state } = await adaFollows();
  const blind = owners.member('cyd', { clusters: [] });
  const life = bench.world.startLife({ ownership: blind, clusters: [] });
  await bench.run(life.supervisor.start());
  await bench.run(owners.move('cyd', [SLOT]));
  await bench.until(() => blind.ownerOf(SLOT) === undefined, 'given up');
  assert.equal(life.supervisor.pairs.length, 0);
  owners.assign('bea', [SLOT], true);
  await bench.until(() => state(bea) === 'following', 'following');
});

/** Cyd reaches no cluster, and owns the slot. */
async function cydOwns(all: Several): Promise<{ readonly life: SimLife; readonly owner: () => unknown }> {
  const { bench, owners } = all;
  const ownership = owners.member('cyd', { clusters: [] });
  const life = bench.world.startLife({ ownership, clusters: [] });
  await bench.run(life.supervisor.start());
  owners.assign('cyd', EVERY_SLOT);
  return { life, owner: () => ownership.ownerOf(SLOT)?.session };
}

test('an index that is followed into the slot of a supervisor that does not reach it does not stay there', async () => {
  const all = await several();
  const { owner } = await cydOwns(all);
  const bea = await all.start('bea');
  const { bench } = all;
  await bench.run(bea.supervisor.follow({ leader: LEADER, follower: FOLLOWER, commandId: 'c-follow' }));
  await bench.until(() => owner() === undefined, 'given up');
});

test('an index that nobody could run does not stay where it is when somebody comes who can', async () => {
  const all = await adaFollows();
  const { bench, owners, ada, bea } = all;
  for (const life of [ada, bea]) life.crash();
  for (const name of ['ada', 'bea']) owners.end(name);
  const { life, owner } = await cydOwns(all);
  await bench.run(bench.world.clock.sleep(5_000));
  const [index] = await bench.run(wholeQueries(life.supervisor.pages).status({}));
  assert.match(index?.state ?? '', /^unknown_cluster/);
  await all.start('dan');
  await bench.until(() => owner() === undefined, 'given up');
});

test('what its owner can run of a slot runs, once nobody else takes the slot', async () => {
  const all = await adaFollows();
  const { bench, owners, state, bea } = all;
  let other = { cluster: 'elsewhere', index: 'x' };
  for (let at = 0; slotOf(other) !== SLOT; at += 1) other = { cluster: 'elsewhere', index: `x${at}` };
  const foreign = owners.member('eli', { clusters: ['main', 'elsewhere'] });
  const followed = followedEvent('f-eli', other);
  await bench.world.journal.open().append(indexSubject(other), followed, 0, new AbortController().signal);
  owners.end('ada');
  owners.assign('bea', [SLOT], true);
  await bench.until(() => foreign.ownerOf(SLOT) === undefined, 'given up for the one that reaches it');
  foreign.shun(SLOT);
  owners.assign('bea', [SLOT], true);
  await bench.until(() => state(bea) === 'following', 'following');
});

test('status of all indices asks their owners', async () => {
  const { bench, ada, bea, pair } = await adaFollows();
  const [asked] = await bench.run(wholeQueries(bea.supervisor.pages).status({ follower: FOLLOWER }));
  assert.deepEqual(asked?.pairs[0]?.followerDocuments, pair(ada).followerDocuments);
  assert.equal(asked.pairs[0]?.followerDocuments, 1);
  assert.deepEqual(asked.pairs[0]?.owner, { supervisor: 'ada', term: TERM });
});

test('whoever takes over waits for the requests of the owner before, whose timeout was longer', async () => {
  const bench = actorBench();
  const { world } = bench;
  bench.put('d1');
  bench.put('d2');
  await bench.follow();
  await bench.until(() => bench.state() === 'following', 'following');
  present(world.life, 'a life').crash();
  const startedAtMs = world.clock.monotonic();
  const ownership = fixedOwnership({ term: 100, released: false, longestRequestMs: 120_000 });
  const next = world.startLife({ ownership });
  await bench.run(next.supervisor.start());
  world.leader.write(LEADER.index, { id: 'd1', source: undefined });
  const documents = (): number => world.followerIndex?.shards[0]?.size ?? 0;
  await bench.until(() => documents() === 1, 'the delete');
  const afterMs = world.clock.monotonic() - startedAtMs;
  assert.ok(afterMs >= 120_000 && afterMs < 140_000, `after ${afterMs} ms`);
});

test('two owners at once, each sure of it, leave the follower as the leader is', async () => {
  const bench = actorBench();
  const { world } = bench;
  const start = async (name: string, term: number): Promise<SimLife> => {
    const life = world.startLife({ ownership: fixedOwnership({ session: name, supervisor: name, term }) });
    await bench.run(life.supervisor.start());
    return life;
  };
  const ada = await start('ada', 1);
  await bench.run(ada.supervisor.follow({ leader: LEADER, follower: FOLLOWER, commandId: 'c-follow' }));
  for (let at = 0; at < 20; at += 1) bench.put(`d${at}`);
  await bench.until(() => ada.supervisor.pairs[0]?.snapshot?.state === 'following', 'following');
  const bea = await start('bea', 2);
  for (let round = 0; round < 30; round += 1) {
    for (let at = 0; at < 5; at += 1) bench.put(`d${(round * 7 + at * 3) % 25}`);
    world.leader.write(LEADER.index, { id: `d${(round * 5) % 25}`, source: undefined });
    await bench.run(world.clock.sleep(200));
  }
  const copiedBy = ({ supervisor }: SimLife): number => supervisor.pairs[0]?.session.progress?.checkpoint ?? -1;
  const last = world.leaderIndex.shards[0]?.maxSeqNo ?? -1;
  assert.ok(copiedBy(ada) > 20, 'both were at work');
  const contents = (index: MemoryIndex | undefined): unknown =>
    [...(index?.shards[0]?.documents() ?? [])].map(({ id, source }) => `${id} ${source}`).toSorted();
  await bench.until(
    () => copiedBy(bea) === last && isDeepStrictEqual(contents(world.followerIndex), contents(world.leaderIndex)),
    'the same on both sides',
  );
  assert.equal(world.positions.records.get(KEY)?.record.term, 2, 'the later term wins');
  // Its first event ends the other.
  await bench.run(bea.supervisor.pause({ follower: FOLLOWER, commandId: 'c-pause' }));
  await bench.until(() => ada.supervisor.pairs.length === 0, 'one owner');
  assert.equal(world.positions.records.get(KEY)?.record.term, 2);
});

test('an index that its earlier owner has prepared while the later one was at it is gone on with', async () => {
  const preparing: string[] = [];
  const bench = actorBench({}, (ports, world) => {
    const [name, heldMs] = world.lives === 1 ? (['ada', 1_000] as const) : (['bea', 3_000] as const);
    return {
      ...ports,
      admin: {
        ...ports.admin,
        async awaitPrimaries(index, timeoutMs, signal) {
          preparing.push(name);
          await world.clock.sleep(heldMs, signal);
          await ports.admin.awaitPrimaries(index, timeoutMs, signal);
        },
      },
    };
  });
  const start = async (name: string, term: number): Promise<SimLife> => {
    const life = bench.world.startLife({ ownership: fixedOwnership({ session: name, supervisor: name, term }) });
    await bench.run(life.supervisor.start());
    return life;
  };
  const ada = await start('ada', 1);
  const bea = await start('bea', 2);
  bench.put('d1');
  await bench.run(ada.supervisor.follow({ leader: LEADER, follower: FOLLOWER, commandId: 'c-follow' }));
  await bench.until(() => preparing.length === 2, 'both at it');
  assert.deepEqual(preparing.toSorted(), ['ada', 'bea']);
  await bench.run(bench.world.clock.sleep(10_000));
  assert.equal(bea.supervisor.pairs[0]?.snapshot?.state, 'following');
  const facts: string[] = [];
  const read = bench.world.journal.open().read('>', { fromSeq: 1, follow: false }, new AbortController().signal);
  for await (const { event } of read) facts.push(`${event.fact.type} ${event.term}`);
  assert.ok(facts.includes('PREPARED 1'), 'by the earlier one');
});

for (const waitMs of [0, 1, 3, 10])
  test(`a command that comes ${waitMs} ms after its slot began to move is accepted, once`, async () => {
    const { bench, owners, ada, bea, state, facts } = await adaFollows();
    const moving = owners.move('bea', EVERY_SLOT);
    await bench.run(bench.world.clock.sleep(waitMs));
    const paused = await bench.run(ada.supervisor.pause({ follower: FOLLOWER, commandId: 'c-pause' }));
    assert.equal(paused.accepted, true);
    await bench.run(moving);
    await bench.until(() => state(bea) === 'paused', 'paused');
    const pauses = (await facts()).filter((fact) => fact.startsWith('PAUSE '));
    assert.equal(pauses.length, 1, pauses.join());
  });

test('a position that a later owner has saved is left alone', async () => {
  const { bench, owners, ada, bea } = await adaFollows();
  const { session } = present(ada.supervisor.pairs[0], 'a pair');
  owners.end('ada');
  owners.assign('bea', EVERY_SLOT);
  bench.put('d2');
  await bench.until(() => bench.world.positions.records.get(KEY)?.record.term === TERM + 256, 'saved by bea');
  bench.put('d3');
  await bench.until(() => bea.supervisor.pairs[0]?.session.progress?.checkpoint === 2, 'all applied');
  await bench.run(bench.world.clock.sleep(5_000));
  assert.equal(session.replicator, undefined, 'its worker has ended');
  assert.equal(bench.world.positions.records.get(KEY)?.record.term, TERM + 256);
});
