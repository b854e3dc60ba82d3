/**
 * What networks and operators do to real servers: each fault of the proxy in a first copy and while following, a primary that is killed under
 * load, a follower that is restored from an older snapshot, rolling restarts, and random faults in a row. In the end both sides are identical.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { runChaos } from '../../chaos/chaos-run.ts';
import { leaderIsWhole, primaryNode } from '../../chaos/fault-kinds.ts';
import { faultTable, tableText } from '../../chaos/fault-table.ts';
import { type Field, openField, openWay, type Way } from '../../chaos/field.ts';
import { createIndex, loadDocuments } from '../../support/bulk-load.ts';
import { type Churn, createChurnIndex, startChurn } from '../../support/churn/churn.ts';
import type { NetworkFault } from '../../support/fault-proxy.ts';
import { LEADER, type World } from '../../support/replication-world.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { bySize } from '../../support/test-size.ts';
import { until } from '../../support/until.ts';

const WITHIN_MS = 120_000;
const DOCUMENTS = bySize({ short: 2_000, full: 60_000 });
const HITS = bySize({ short: 2, full: 20 });
const KILLS = bySize({ short: 1, full: 5 });
/** Its first three rounds are short, and meet both links, NATS and a supervisor. */
const CHAOS_SEED = 3;
const CHAOS_MS = bySize({ short: 0, full: 600_000 });
const CHAOS_ROUNDS = 3;
const full = bySize({ short: false, full: true });

const NETWORK_FAULTS: Readonly<Record<string, NetworkFault>> = {
  'a WAN of 100 ms': { kind: 'wan', delayMs: 50, bytesPerSecond: 2_000_000 },
  'answers that are reset in their middle': { kind: 'reset', share: 0.3 },
  'answers whose body is cut': { kind: 'truncate', share: 0.3 },
  'connections that are closed slowly': { kind: 'slowClose', share: 0.3, delayMs: 300 },
  'a black hole': { kind: 'blackHole' },
};

describe('faults on real servers', () => {
  let field: Field;
  /** Nodes that are on their way back. */
  let returning: Promise<unknown> = Promise.resolve();

  before(async () => {
    field = await openField({ log: (line) => console.log(line), random: seededRandom(5) });
  });
  after(async () => {
    await returning;
    await field?.[Symbol.asyncDispose]();
  });

  /** On all ways to both clusters, `act` again and again, until it has done something to each of them. */
  async function whileFaulty(way: Way, fault: NetworkFault, act: () => Promise<unknown>): Promise<void> {
    const proxies = [...way.leaders, way.follower];
    const hits = (): readonly number[] => {
      const each = proxies.map(({ counts }) => counts[fault.kind]);
      return [each.slice(0, -1).reduce((sum, count) => sum + count, 0), each.at(-1) ?? 0];
    };
    const before = hits();
    for (const proxy of proxies) proxy.set(fault);
    try {
      await until('the fault was met on both sides', WITHIN_MS, async () => {
        await act();
        return hits().every((count, side) => count >= (before[side] ?? 0) + HITS) || undefined;
      });
    } finally {
      for (const proxy of proxies) proxy.set(undefined);
    }
  }

  async function identical(world: World, index: string): Promise<void> {
    await world.awaitSettled(index, WITHIN_MS);
    const comparison = await world.compare(index);
    assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
    assert.ok(comparison.leftDocuments > 0);
  }

  async function underLoad(t: TestContext, act: (index: string, churn: Churn) => Promise<void>): Promise<void> {
    const { world } = field;
    const index = world.name('-load');
    const address = { url: world.leader.url, index };
    const settings = { number_of_replicas: 1, 'index.unassigned.node_left.delayed_timeout': '0s' };
    await createChurnIndex(address, { shards: 2, settings });
    const parameters = { mass_delete_share: 1 };
    const to = { follower: world.followerOf(index), settings: { 'index.number_of_replicas': 0 }, parameters };
    await world.control.follow({ leader: { cluster: LEADER, index }, ...to });
    const otherUrls = field.leaders.map(({ server }) => server.url);
    const limits = { operationsPerSecond: 500, timeoutMs: 5_000, otherUrls, failuresMax: 1_000 };
    const churn = await startChurn({ ...address, seed: 17, ...limits });
    try {
      await world.awaitPairs(index, 'the pairs follow', WITHIN_MS, ({ state }) => state === 'following');
      await act(index, churn);
    } finally {
      churn.stop();
    }
    const report = await churn.done;
    t.diagnostic(`${report.operations} operations, ${report.unanswered} without an answer`);
    await identical(world, index);
  }

  const whole = (): Promise<unknown> =>
    until('the leader is whole', WITHIN_MS, async () => (await leaderIsWhole(field)) || undefined);
  const more = async (churn: Churn, operations: number): Promise<void> => {
    const goal = churn.report().operations + operations;
    await until('the writers go on', WITHIN_MS, async () => churn.report().operations >= goal || undefined);
  };

  // Side by side, each on a way of its own: mostly they wait for requests that nobody answers.
  describe('of the network', { concurrency: Object.keys(NETWORK_FAULTS).length }, () => {
    for (const [name, fault] of Object.entries(NETWORK_FAULTS))
      it(`${name}, in the first copy and while following: identical`, async () => {
        const { leaders, follower, nats, guard } = field;
        await using way = await openWay({
          leaders: leaders.map(({ server }) => server),
          follower: follower.server,
          nats: nats.server,
          guard,
          random: seededRandom(5),
        });
        const { world } = way;
        await world.start();
        const index = world.name(`-${fault.kind.toLowerCase()}`);
        await createIndex(world.leader, index);
        await loadDocuments(world.leader, index, DOCUMENTS);
        // Small pages: the copy cannot be over before the fault is there.
        await world.follow(index, { max_read_request_operation_count: 100 });
        let changes = 0;
        const change = async (): Promise<void> => {
          changes += 1;
          await world.leader.ok('PUT', `/${index}/_doc/doc-${changes}`, { changes });
          await world.leader.call('DELETE', `/${index}/_doc/doc-${DOCUMENTS - changes}`);
        };
        await whileFaulty(way, fault, async () => {
          const pairs = changes > 0 ? [] : ((await world.status(index))?.pairs ?? []);
          assert.ok(
            pairs.every(({ state }) => state !== 'following'),
            'it comes in the first copy',
          );
          await change();
        });
        await identical(world, index);
        await whileFaulty(way, fault, change);
        await identical(world, index);
      });
  });

  it('a primary of the leader is killed under load: nothing is shipped that the failover rolled back', (t) =>
    underLoad(t, async (index, churn) => {
      const random = seededRandom(23);
      for (let kill = 1; kill <= KILLS; kill += 1) {
        await whole();
        await more(churn, 500);
        const target = await primaryNode({ field, index, random });
        target.up = false;
        await target.server.kill('SIGKILL');
        await more(churn, 1_000);
        returning = target.server.restart().then(() => (target.up = true));
      }
    }));

  it('a follower that is restored from an older snapshot is brought up to date again', async () => {
    const { world } = field;
    await whole();
    const index = world.name('-older');
    await createIndex(world.leader, index);
    await loadDocuments(world.leader, index, 500);
    await world.follow(index);
    await world.awaitSettled(index);
    await world.follower.ok('PUT', '/_snapshot/faults', { type: 'fs', settings: { location: 'faults' } });
    const snapshot = { indices: index, include_global_state: false };
    await world.follower.ok('PUT', '/_snapshot/faults/older?wait_for_completion=true', snapshot);
    await world.leader.ok('PUT', `/${index}/_doc/doc-1`, { changed: true });
    await world.leader.ok('PUT', `/${index}/_doc/new`, { new: true });
    await world.leader.ok('DELETE', `/${index}/_doc/doc-2`);
    await world.awaitSettled(index);
    await world.follower.ok('POST', `/${index}/_close`);
    await world.follower.ok('POST', '/_snapshot/faults/older/_restore?wait_for_completion=true', snapshot);
    await until('the document of after the snapshot is back', WITHIN_MS, async () => {
      const { status } = await world.follower.call('GET', `/${index}/_doc/new`);
      return status === 200 || undefined;
    });
    await identical(world, index);
  });

  if (full)
    it('both clusters are restarted node by node under load: identical', (t) =>
      underLoad(t, async (_index, churn) => {
        for (const target of [...field.leaders, field.follower]) {
          await whole();
          await more(churn, 500);
          target.up = false;
          await target.server.restart();
          target.up = true;
        }
      }));

  it('random faults in a row: identical, and no pair stopped', async (t) => {
    await whole();
    const report = await runChaos(field, {
      seed: CHAOS_SEED,
      durationMs: CHAOS_MS,
      roundsMin: CHAOS_ROUNDS,
      log: (line) => t.diagnostic(line),
    });
    t.diagnostic(tableText(faultTable(report).filter(({ tried }) => tried > 0)));
    assert.deepEqual(report.faulty, []);
    assert.ok(report.rounds >= CHAOS_ROUNDS && report.faults.length >= CHAOS_ROUNDS);
    for (const { comparison } of report.indices) assert.ok((comparison?.leftDocuments ?? 0) > 0);
  });
});
