import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { PairStatus } from '../../../src/domain/commands.ts';
import { openWorld, type World } from '../../support/replication-world.ts';
import type { SupervisorProcess } from '../../support/supervisor-process.ts';
import { until } from '../../support/until.ts';

/** Of one shard each. */
const INDICES = 12;
/** The life of a session that was not ended, and as much again for a slow machine. */
const TAKEN_OVER_WITHIN_MS = 60_000;

let world: World;
let indices: readonly string[];
const supervisors = new Map<string, SupervisorProcess>();
let written = 0;

async function start(name: string): Promise<void> {
  supervisors.set(name, await world.startNamed(name));
}

function processOf(name: string): SupervisorProcess {
  const found = supervisors.get(name);
  assert.ok(found !== undefined, name);
  return found;
}

async function write(count: number): Promise<void> {
  const lines = indices.flatMap((index) =>
    Array.from({ length: count }, (_, at) => [
      JSON.stringify({ index: { _index: index, _id: `d${(written + at) % 50}` } }),
      JSON.stringify({ n: written + at }),
    ]).flat(),
  );
  written += count;
  const { errors } = (await world.leader.ok('POST', '/_bulk', `${lines.join('\n')}\n`)) as { errors: boolean };
  assert.equal(errors, false);
}

async function pairs(): Promise<readonly PairStatus[]> {
  const status = await world.control.status({}).catch(() => []);
  return status.flatMap((index) => index.pairs);
}

async function owners(): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const { owner } of await pairs()) {
    const name = owner?.supervisor ?? 'nobody';
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

async function awaitOwners(...names: readonly string[]): Promise<void> {
  let seen: ReadonlyMap<string, number> = new Map();
  await until(`${names.join(' and ')} own the shards`, TAKEN_OVER_WITHIN_MS, async () => {
    seen = await owners();
    const all = [...seen.values()].reduce((sum, count) => sum + count, 0);
    return all === INDICES && [...seen.keys()].toSorted().join() === names.toSorted().join() ? true : undefined;
  }).catch((thrown: unknown) => {
    throw new Error(`${String(thrown)}: ${JSON.stringify([...seen])}`);
  });
}

async function awaitIdentical(): Promise<void> {
  for (const index of indices) {
    await world.awaitSettled(index, 90_000);
    const { equal, ...found } = await world.compare(index);
    assert.ok(equal, `${index}: ${JSON.stringify(found)}`);
  }
}

before(async () => {
  world = await openWorld({ requestTimeoutMs: 5_000, commandTimeoutMs: 3_000 });
  indices = Array.from({ length: INDICES }, () => world.name());
  for (const index of indices)
    await world.leader.ok('PUT', `/${index}`, {
      settings: { 'index.number_of_shards': 1, 'index.number_of_replicas': 0 },
    });
  // Together, so that none has to give up what it has only just taken.
  await Promise.all(['ada', 'bea', 'cyd'].map(start));
  await write(20);
});

after(async () => world[Symbol.asyncDispose]());

test('indices that are followed through any supervisor are spread over all of them', async () => {
  for (const index of indices) await world.follow(index);
  await awaitOwners('ada', 'bea', 'cyd');
  await write(10);
  await awaitIdentical();
});

test('a supervisor that is killed leaves its shards to the others, which bring what was written meanwhile', async () => {
  await processOf('cyd').kill();
  await write(10);
  await awaitOwners('ada', 'bea');
  await write(10);
  await awaitIdentical();
});

test('a pause is accepted at once while its supervisor is dead, and takes effect at the next one', async () => {
  const owned = (await pairs()).find(({ owner }) => owner?.supervisor === 'bea');
  assert.ok(owned !== undefined);
  const { follower } = owned;
  await processOf('bea').kill();
  const answer = await world.control.pause({ follower });
  assert.deepEqual([answer.accepted, answer.effective], [true, false]);
  await awaitOwners('ada');
  await world.awaitPairs(follower.index, 'paused', 30_000, ({ state }) => state === 'paused');
  await write(10);
  const resumed = await world.control.resume({ follower, waitMs: 30_000 });
  assert.equal(resumed.effective, true);
  await awaitIdentical();
});

test('a supervisor that was suspended writes nothing under its old term, and takes part again', async () => {
  await start('dot');
  await awaitOwners('ada', 'dot');
  const before = new Map((await pairs()).map(({ follower, owner }) => [follower.index, owner]));
  const { pid } = processOf('ada');
  process.kill(pid, 'SIGSTOP');
  try {
    await write(10);
    // What NATS still hands to the one that is stopped is not answered, and asked again.
    await awaitOwners('dot');
    await awaitIdentical();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await awaitOwners('ada', 'dot');
  await write(10);
  await awaitIdentical();
  const [of] = [...before].filter(([, owner]) => owner?.supervisor === 'ada');
  assert.ok(of !== undefined, 'ada owned something');
  for (const [index, owner] of before) {
    if (owner?.supervisor !== 'ada') continue;
    const terms = (await world.journal()).flatMap((event) =>
      event.entity === 'pair' && event.pair.follower.index === index ? [event.term] : [],
    );
    assert.deepEqual(
      terms,
      terms.toSorted((a, b) => a - b),
      `terms of ${index} never fall`,
    );
    assert.ok((terms.at(-1) ?? 0) > owner.term, index);
    assert.ok(((await world.position(index, 0))?.term ?? 0) > owner.term, `position of ${index}`);
  }
});

test('all that were stopped in order leave every shard to whoever starts then, without a fence', async () => {
  for (const name of ['ada', 'dot']) assert.equal(await processOf(name).stop(), 0);
  const size = (await world.journal()).length;
  await start('eve');
  await awaitOwners('eve');
  await write(10);
  await awaitIdentical();
  assert.equal((await world.journal()).length, size);
});
