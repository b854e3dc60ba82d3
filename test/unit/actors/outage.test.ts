/** A whole cluster is away: pairs, watchers and commands as in production, over clusters in memory. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { present } from '../../../src/domain/assert.ts';
import { wholeQueries } from '../../../src/domain/pages.ts';
import {
  EVENT_VERSION,
  type IndexSnapshot,
  type JournalEvent,
  type PairSnapshot,
} from '../../../src/domain/journal.ts';
import { DEFAULT_PARAMETERS } from '../../../src/domain/parameters.ts';
import { indexSubject, pairSubject } from '../../../src/domain/subjects.ts';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import { bySize } from '../../support/test-size.ts';
import { type ActorBench, actorBench, refusalOf } from './actor-bench.ts';

interface Call {
  readonly atMs: number;
  readonly cluster: string;
  readonly method: string;
}

/** What is sent from now on, whether it arrives or not. */
function recordCalls({ world }: ActorBench): readonly Call[] {
  const calls: Call[] = [];
  world.note = (text) => {
    const [at, cluster = '', method = ''] = text.split(' ');
    calls.push({ atMs: Number(at), cluster, method });
  };
  return calls;
}

async function following(): Promise<ActorBench> {
  const bench = actorBench();
  bench.put('d1');
  await bench.follow();
  await bench.until(() => bench.state() === 'following', 'following');
  return bench;
}

async function pass(bench: ActorBench, ms: number): Promise<void> {
  const end = bench.world.clock.monotonic() + ms;
  const timer = bench.world.clock.setTimeout(() => undefined, ms);
  await bench.until(() => bench.world.clock.monotonic() >= end, 'later');
  bench.world.clock.clearTimeout(timer);
}

async function statusOf(bench: ActorBench) {
  const [status] = await wholeQueries(present(bench.world.life, 'a life').supervisor.pages).status({
    follower: FOLLOWER,
  });
  return present(status, 'a status');
}

function rate(calls: readonly Call[]): number {
  return Math.max(
    0,
    ...[...Map.groupBy(calls, ({ atMs }) => Math.floor(atMs / 1000)).values()].map((all) => all.length),
  );
}

for (const cluster of [LEADER.cluster, FOLLOWER.cluster])
  describe(`while ${cluster} is away`, () => {
    test('its pairs are retrying, and nothing goes there but probes; then they go on by themselves', async () => {
      const bench = await following();
      bench.world.down.add(cluster);
      await bench.until(() => bench.state() === 'retrying', 'retrying');
      const calls = recordCalls(bench);
      await pass(bench, 120_000);
      const there = calls.filter((call) => call.cluster === cluster);
      assert.deepEqual(new Set(there.map(({ method }) => method)), new Set(['stateVersion']));
      assert.ok(rate(there) <= 4 && there.length >= 60);
      const { outages, pairs } = await statusOf(bench);
      assert.equal(outages?.length, 1);
      assert.deepEqual(
        [outages?.[0]?.cluster, outages?.[0]?.failure.code, outages?.[0]?.waiting],
        [cluster, 'cluster_unreachable', 1],
      );
      assert.deepEqual([pairs[0]?.state, pairs[0]?.failure?.cluster], ['retrying', cluster]);
      assert.equal(pairs[0]?.nextTryAtMs, outages?.[0]?.nextProbeAtMs);
      bench.put('d2');
      bench.world.down.clear();
      const backAtMs = bench.world.clock.monotonic();
      await bench.until(() => bench.state() === 'following', 'following');
      assert.ok(bench.world.clock.monotonic() - backAtMs <= 10_000);
      await bench.until(() => bench.world.followerIndex?.shards[0]?.get('d2') !== undefined, 'a copy of d2');
      assert.deepEqual(
        (await bench.events()).map(({ fact }) => fact.type),
        ['STARTED', 'BOOTSTRAPPED', 'FAILED', 'RECOVERED'],
      );
      assert.equal((await statusOf(bench)).outages, undefined);
    });

    test('commands are answered and not lost', async () => {
      const bench = await following();
      bench.world.down.add(cluster);
      await bench.until(() => bench.state() === 'retrying', 'retrying');
      await bench.resume();
      assert.equal(bench.state(), 'retrying');
      await bench.pause();
      await bench.until(() => bench.state() === 'paused', 'paused');
      await bench.resume();
      await bench.until(() => bench.state() === 'retrying', 'retrying again');
      const { supervisor } = present(bench.world.life, 'a life');
      const other = { leader: LEADER, follower: { ...FOLLOWER, index: 'another' } };
      assert.equal((await refusalOf(bench.run(supervisor.follow(other)))).code, 'cluster_unreachable');
      bench.world.down.clear();
      await bench.until(() => bench.state() === 'following', 'following');
    });

    test('a supervisor that starts then takes its pairs up as soon as it is back', async () => {
      const bench = await following();
      bench.world.down.add(cluster);
      await bench.crash();
      const calls = recordCalls(bench);
      await pass(bench, 60_000);
      assert.equal(bench.state(), 'retrying');
      assert.ok(calls.filter((call) => call.cluster === cluster).every(({ method }) => method === 'stateVersion'));
      bench.world.down.clear();
      const backAtMs = bench.world.clock.monotonic();
      await bench.until(() => bench.state() === 'following', 'following');
      assert.ok(bench.world.clock.monotonic() - backAtMs <= 10_000);
    });

    test('an orderly stop leaves no timer', async () => {
      const bench = await following();
      bench.world.down.add(cluster);
      await bench.until(() => bench.state() === 'retrying', 'retrying');
      const life = present(bench.world.life, 'a life');
      await bench.run(life.stop());
      assert.equal(life.clock.pending, 0);
    });
  });

test('a cluster that is back while the primary of the shard is not is only watched, until the primary is', async () => {
  const bench = await following();
  bench.world.down.add(LEADER.cluster);
  await bench.until(() => bench.state() === 'retrying', 'retrying');
  bench.world.leaderIndex.unassigned.add(0);
  bench.put('d2');
  bench.world.down.clear();
  const calls = recordCalls(bench);
  await bench.until(() => bench.pair().retry.failure?.code === 'shard_unavailable', 'another cause');
  await pass(bench, 20_000);
  assert.equal((await statusOf(bench)).outages, undefined);
  const asked = calls.filter(
    ({ cluster, method }) => cluster === LEADER.cluster && !/^(stateVersion|shardStats|indexVersions)$/.test(method),
  );
  assert.deepEqual(asked, []);
  bench.world.leaderIndex.unassigned.clear();
  const activeAtMs = bench.world.clock.monotonic();
  await bench.until(() => bench.state() === 'following', 'following');
  assert.ok(bench.world.clock.monotonic() - activeAtMs <= 10_000);
});

test('a shard without a primary opens no breaker', async () => {
  const bench = await following();
  bench.put('d2');
  bench.world.leaderIndex.unassigned.add(0);
  await bench.until(() => bench.state() === 'retrying', 'retrying');
  await pass(bench, 10_000);
  assert.equal((await statusOf(bench)).outages, undefined);
  assert.equal(bench.world.narrator.total('cluster.outages'), 0);
});

const MANY = bySize({ short: 300, full: 5000 });

test(`${MANY} pairs that start while both clusters are away: four probes a second, and a journal that is written at a bounded rate`, async () => {
  const bench = actorBench();
  const { world } = bench;
  const log = world.journal.open();
  for (let n = 0; n < MANY; n += 1)
    for (const { subject, event } of recorded(n)) await log.append(subject, event, 0, new AbortController().signal);
  world.down.add(LEADER.cluster).add(FOLLOWER.cluster);
  const life = world.startLife();
  const calls = recordCalls(bench);
  await bench.run(life.supervisor.start());
  const written: number[] = [];
  const before = world.journal.size;
  const retrying = (): number => world.journal.size - before;
  bench.onStep = () => {
    const tenth = Math.floor(world.clock.monotonic() / 100);
    while (written.length <= tenth) written.push(retrying());
  };
  await bench.until(() => retrying() >= MANY, 'all retrying');
  const rates = written.slice(1).map((size, n) => size - (written[n] ?? 0));
  assert.ok(Math.max(...rates) <= 200, `${Math.max(...rates)} events in a tenth of a second`);
  assert.ok(world.clock.monotonic() <= 10_000);
  await pass(bench, 30_000);
  assert.equal(world.journal.size - before, MANY, 'once each');
  for (const cluster of [LEADER.cluster, FOLLOWER.cluster]) {
    const there = calls.filter((call) => call.cluster === cluster);
    assert.ok(rate(there) <= 4 && there.every(({ method }) => method === 'stateVersion'), cluster);
  }
  const [first] = await wholeQueries(life.supervisor.pages).status({});
  assert.equal(first?.outages?.length, 2);
  assert.equal(
    first?.outages?.reduce((sum, { waiting }) => sum + waiting, 0),
    MANY,
  );
  life.crash();
});

/** An index with one shard that was following when the supervisor ended. */
function recorded(n: number): readonly { subject: string; event: JournalEvent }[] {
  const follower = { cluster: FOLLOWER.cluster, index: `copy-${n}` };
  const run = { traceId: 'a'.repeat(32), startedAtMs: 0, transitions: 2 };
  const pair: PairSnapshot = {
    state: 'following',
    followId: 'f',
    resumeTo: 'following',
    desired: 'running',
    epoch: 1,
    run,
  };
  const index: IndexSnapshot = {
    state: 'prepared',
    followId: 'f',
    leader: { cluster: LEADER.cluster, index: `orders-${n}` },
    follower,
    leaderUuid: `leader-${n}`,
    followerUuid: `follower-${n}`,
    shards: 1,
    followerShards: 1,
    aligned: true,
    parameters: DEFAULT_PARAMETERS,
    settings: {},
  };
  const envelope = { version: EVENT_VERSION, atMs: 0, cause: 'test', term: 1 };
  return [
    {
      subject: indexSubject(follower),
      event: { entity: 'index', id: `i${n}`, ...envelope, fact: { type: 'PREPARED' }, result: index },
    },
    {
      subject: pairSubject({ follower, shard: 0 }),
      event: {
        entity: 'pair',
        id: `p${n}`,
        ...envelope,
        pair: { follower, shard: 0 },
        fact: { type: 'BOOTSTRAPPED', checkpoint: 0 },
        from: 'bootstrapping',
        result: pair,
        trace: { traceId: run.traceId, spanId: 'b'.repeat(16) },
      },
    },
  ];
}
