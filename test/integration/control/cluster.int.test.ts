/** Three supervisors share many small indices, through deaths and suspensions of each; `npm run test:cluster` does it with 1,000 of them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SLOT_COUNT } from '../../../src/domain/slots.ts';
import { inTurns } from '../../support/in-turns.ts';
import { openWorld, type World } from '../../support/replication-world.ts';
import { residentMb, type SharedIndices, shareIndices } from '../../support/shared-indices.ts';
import { bySize } from '../../support/test-size.ts';
import { until } from '../../support/until.ts';

/** Of one shard each. */
const PAIRS = bySize({ short: 50, full: 1_000 });
/** What the product promises: from `kill -9` until the pairs of the dead one are followed again, and what is written meanwhile arrives. */
const FOLLOWED_AGAIN_WITHIN_MS = 20_000;
/** A round for all of 1,000 indices keeps two cores busy for longer than that. */
const WRITTEN_EVERY = bySize({ short: 5, full: 10 });
const APPLIED_WITHIN_MS = 60_000 + 120 * PAIRS;
const SPREAD_MAX = 0.1;

let world: World;
let shared: SharedIndices;
const tell = (line: string): void => console.log(line);

async function secondsOf(work: () => Promise<unknown>): Promise<string> {
  const startedMs = performance.now();
  await work();
  return ((performance.now() - startedMs) / 1000).toFixed(1);
}

function sum(counts: Iterable<number>): number {
  return [...counts].reduce((all, count) => all + count, 0);
}

before(async () => {
  // A cluster that makes a thousand indices answers late, and so does a supervisor that waits for it.
  world = await openWorld(
    bySize({
      short: { requestTimeoutMs: 5_000, commandTimeoutMs: 3_000 },
      full: { requestTimeoutMs: 20_000, commandTimeoutMs: 60_000 },
    }),
  );
  shared = await shareIndices(world, PAIRS, tell);
  // Together, so that none has to give up what it has only just taken.
  await Promise.all(['ada', 'bea', 'cyd'].map((name) => shared.start(name)));
  await shared.write();
});

after(async () => world[Symbol.asyncDispose]());

test('indices that are followed through any supervisor are spread evenly over all of them', async (t) => {
  const names = ['ada', 'bea', 'cyd'];
  const even = SLOT_COUNT / names.length;
  let slots: ReadonlyMap<string, number> = new Map();
  await until(
    'the slots are spread',
    60_000,
    async () => {
      slots = await shared.slots();
      const near = names.every((name) => Math.abs((slots.get(name) ?? 0) - even) <= even * SPREAD_MAX);
      return near && !slots.has('nobody') && sum(slots.values()) === SLOT_COUNT ? true : undefined;
    },
    () => JSON.stringify([...slots]),
  );
  t.diagnostic(`slots: ${names.map((name) => `${name} ${slots.get(name)}`).join(', ')}`);
  let longest = 0;
  const told = (seconds: number): void => void (longest = Math.max(longest, seconds));
  const followed = await secondsOf(() => shared.follow(told));
  t.diagnostic(`${PAIRS} indices followed in ${followed} s, accepted after ${longest.toFixed(1)} s at most`);
  await shared.awaitOwners(...names);
  const copied = await secondsOf(() => shared.awaitApplied(names, APPLIED_WITHIN_MS));
  t.diagnostic(`copied ${copied} s after the last of them`);
  const pairs = await shared.pairs();
  for (const name of names) {
    const owned = pairs.filter(({ owner }) => owner?.supervisor === name).length;
    t.diagnostic(`${name}: ${owned} pairs, ${await residentMb(shared.processOf(name).pid)} MB resident`);
  }
  await shared.write();
  await shared.awaitIdentical();
});

test('a supervisor that is killed leaves its pairs to the others, which have followed them again within 20 s', async (t) => {
  const owned = (await shared.pairs()).filter(({ owner }) => owner?.supervisor === 'cyd');
  const orphans = new Set(owned.map(({ leader }) => leader.index));
  // Of all, so that the others have something to do as well.
  const written = shared.names.filter((_, at) => at % WRITTEN_EVERY === 0);
  const writtenOrphans = written.filter((name) => orphans.has(name)).length;
  assert.ok(writtenOrphans > 0 && writtenOrphans < orphans.size);
  const startedMs = performance.now();
  await shared.processOf('cyd').kill();
  await shared.write(written);
  await shared.awaitFollowed(['ada', 'bea'], APPLIED_WITHIN_MS);
  await shared.awaitApplied(['ada', 'bea'], APPLIED_WITHIN_MS);
  const tookMs = performance.now() - startedMs;
  t.diagnostic(
    `${orphans.size} pairs of the dead one followed again, with what was written to ${writtenOrphans} of them meanwhile, after ${(tookMs / 1000).toFixed(1)} s`,
  );
  assert.ok(tookMs <= FOLLOWED_AGAIN_WITHIN_MS, `${tookMs} ms`);
  await shared.write();
  await shared.awaitIdentical();
  for (const name of ['ada', 'bea'])
    t.diagnostic(`${name}: ${await residentMb(shared.processOf(name).pid)} MB resident`);
});

test('a pause is accepted at once while its supervisor is dead, and takes effect at the next one', async () => {
  const owned = (await shared.pairs()).find(({ owner }) => owner?.supervisor === 'bea');
  assert.ok(owned !== undefined);
  const { follower } = owned;
  await shared.processOf('bea').kill();
  const answer = await world.control.pause({ follower });
  assert.deepEqual([answer.accepted, answer.effective], [true, false]);
  await shared.awaitOwners('ada');
  await world.awaitPairs(follower.index, 'paused', APPLIED_WITHIN_MS, ({ state }) => state === 'paused');
  await shared.write();
  const resumed = await world.control.resume({ follower, waitMs: 30_000 });
  assert.equal(resumed.effective, true);
  await shared.awaitIdentical();
});

test('a supervisor that was suspended writes nothing under its old term, and takes part again', async () => {
  await shared.start('dot');
  await shared.awaitOwners('ada', 'dot');
  const before = new Map((await shared.pairs()).map(({ follower, owner }) => [follower.index, owner]));
  const { pid } = shared.processOf('ada');
  process.kill(pid, 'SIGSTOP');
  try {
    await shared.write();
    // What NATS still hands to the one that is stopped is not answered, and asked again.
    await shared.awaitOwners('dot');
    await shared.awaitIdentical();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await shared.awaitOwners('ada', 'dot');
  await shared.write();
  await shared.awaitIdentical();
  const owned = [...before].flatMap(([index, owner]) => (owner?.supervisor === 'ada' ? [{ index, owner }] : []));
  assert.ok(owned.length > 0, 'ada owned something');
  const journal = await world.journal();
  await inTurns({ of: owned, atOnce: 8, what: 'terms compared', tell }, async ({ index, owner }) => {
    const terms = journal.flatMap((event) =>
      event.entity === 'pair' && event.pair.follower.index === index ? [event.term] : [],
    );
    assert.deepEqual(
      terms,
      terms.toSorted((a, b) => a - b),
      `terms of ${index} never fall`,
    );
    assert.ok((terms.at(-1) ?? 0) > owner.term, index);
    assert.ok(((await world.position(index, 0))?.term ?? 0) > owner.term, `position of ${index}`);
  });
});

test('all that were stopped in order leave every shard to whoever starts then, without a fence', async () => {
  for (const name of ['ada', 'dot']) assert.equal(await shared.processOf(name).stop(), 0);
  const size = (await world.journal()).length;
  await shared.start('eve');
  await shared.awaitOwners('eve');
  await shared.write();
  await shared.awaitIdentical();
  assert.equal((await world.journal()).length, size);
});
