/** Two supervisors that are both sure of owning the same slots, as no ownership would let them: what is left then is versions and expected sequences. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '@nats-io/transport-node';
import { journalNames } from '../../../src/app/nats.ts';
import { Clusters } from '../../../src/app/open-clusters.ts';
import { Supervisor } from '../../../src/actors/supervisor.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { openEventLog } from '../../../src/infra/nats/event-log.ts';
import { systemClock } from '../../../src/infra/system/clock.ts';
import { systemRandom } from '../../../src/infra/system/random.ts';
import { ByteBudget } from '../../../src/replication/byte-budget.ts';
import type { PairStatus } from '../../../src/domain/commands.ts';
import { createChurnIndex, differencesFromExpected, startChurn } from '../../support/churn/churn.ts';
import { fixedOwnership } from '../../support/fixed-ownership.ts';
import { memoryNarrator } from '../../support/memory-narrator.ts';
import { LEADER, maxSeqNos, openWorld, type World } from '../../support/replication-world.ts';
import { bySize } from '../../support/test-size.ts';
import { until } from '../../support/until.ts';

const OPERATIONS = bySize({ short: 10_000, full: 100_000 });
const SETTLED_WITHIN_MS = 120_000;
/** So many deletes of so few documents would stop for an operator. */
const OPTIONS = { requestTimeoutMs: 5_000, defaults: { mass_delete_share: 1 } };

interface Owner extends AsyncDisposable {
  readonly supervisor: Supervisor;
}

/** Every slot is its own, and it may always write. */
async function owner(world: World, name: string, term: number): Promise<Owner> {
  const config = await loadConfig(world.configFile);
  const nats = await connect({ servers: world.nats.getServer() });
  const newId = (): string => systemRandom.id();
  const log = await openEventLog(nats, { ...journalNames(config.nats), newId });
  const narrator = memoryNarrator();
  const clusters = new Clusters(config, { log, narrator });
  const supervisor = new Supervisor({
    ports: {
      log,
      narrator,
      clock: systemClock,
      random: systemRandom,
      budget: new ByteBudget({ capacityBytes: 32_000_000, capacityOperations: 10_000 }),
      cluster: (cluster) => clusters.access(cluster),
      ownership: fixedOwnership({ session: name, supervisor: name, term }),
    },
    defaults: config.defaults,
  });
  await supervisor.start();
  return {
    supervisor,
    async [Symbol.asyncDispose]() {
      await supervisor.stop();
      await clusters.close();
      await nats.close();
    },
  };
}

interface Scene {
  readonly world: World;
  readonly index: string;
  /** So many more operations, then the writers end. */
  write(operations: number): Promise<void>;
  /** Until what the leader has now is applied by each of these that still has the pairs, and at least one has. */
  awaitApplied(...owners: readonly Owner[]): Promise<void>;
  /** The writers have ended, and everything is applied. */
  assertExact(): Promise<void>;
}

async function underChurn(world: World, seed: number): Promise<Scene> {
  const index = world.name('-two-owners');
  const address = { url: world.leader.url, index, headers: world.leader.headers };
  await createChurnIndex(address, { shards: 2, gcDeletes: '1s' });
  const churn = await startChurn({ ...address, seed, ids: 1_000 });
  return {
    world,
    index,
    async write(operations) {
      const goal = churn.report().operations + operations;
      const isThere = async (): Promise<true | undefined> => churn.report().operations >= goal || undefined;
      try {
        await Promise.race([churn.done, until('the writers go on', SETTLED_WITHIN_MS, isThere)]);
      } finally {
        churn.stop();
      }
      await churn.done;
    },
    async awaitApplied(...owners) {
      const last = await maxSeqNos(world.leader, index);
      const statuses = (): readonly PairStatus[] => owners.flatMap(({ supervisor }) => supervisor.pairStatuses());
      const isApplied = (pair: PairStatus): boolean =>
        pair.state === 'following' &&
        pair.checkpoint >= (last.get(pair.shard) ?? Number.POSITIVE_INFINITY) &&
        pair.outstandingDeletes === 0 &&
        pair.followerDocuments === pair.leaderDocuments;
      const look = async (): Promise<true | undefined> => {
        const seen = statuses();
        return new Set(seen.map(({ shard }) => shard)).size === 2 && seen.every(isApplied) ? true : undefined;
      };
      await until('everything is applied, deletes included', SETTLED_WITHIN_MS, look, () => JSON.stringify(statuses()));
    },
    async assertExact() {
      assert.deepEqual(await differencesFromExpected(address, churn.expected), []);
      const { equal, ...found } = await world.compare(index);
      assert.ok(equal && found.leftDocuments > 0, JSON.stringify(found));
    },
  };
}

test('two supervisors that own the same index from its first copy on leave it exact, and no deleted document comes back', async (t) => {
  await using world = await openWorld(OPTIONS);
  await using ada = await owner(world, 'ada', 1);
  await using bea = await owner(world, 'bea', 2);
  const scene = await underChurn(world, 7);
  const { index } = scene;
  await ada.supervisor.follow({ leader: { cluster: LEADER, index }, follower: world.followerOf(index) });
  await scene.write(OPERATIONS);
  await scene.awaitApplied(ada, bea);
  await scene.assertExact();
  const facts = (await world.journal()).map(({ fact, term }) => `${fact.type} ${term}`);
  t.diagnostic(`the journal has let through: ${facts.join(', ')}`);
});

test('two supervisors that follow the same index at once leave it exact, and no deleted document comes back', async (t) => {
  await using world = await openWorld(OPTIONS);
  await using ada = await owner(world, 'ada', 1);
  const scene = await underChurn(world, 8);
  const { index } = scene;
  await ada.supervisor.follow({ leader: { cluster: LEADER, index }, follower: world.followerOf(index) });
  const isFollowing = (): boolean =>
    ada.supervisor.pairStatuses().filter(({ state }) => state === 'following').length === 2;
  await until('ada follows', SETTLED_WITHIN_MS, async () => isFollowing() || undefined);
  const writtenBefore = written(ada);
  await using bea = await owner(world, 'bea', 2);
  const bothWrite = async (): Promise<true | undefined> =>
    (written(ada) > writtenBefore && written(bea) > 0) || undefined;
  await until('both write', SETTLED_WITHIN_MS, bothWrite, () => `${written(ada) - writtenBefore}, ${written(bea)}`);
  await scene.write(OPERATIONS);
  await scene.awaitApplied(ada, bea);
  await scene.assertExact();
  for (const { supervisor } of [ada, bea])
    for (const { shard, operationsWritten, deletesFound, conflicts, owner: by } of supervisor.pairStatuses())
      t.diagnostic(
        `${by?.supervisor}, shard ${shard}: ${operationsWritten} operations written, ${deletesFound} deletes found, ${conflicts} conflicts`,
      );
});

function written({ supervisor }: Owner): number {
  return supervisor.pairStatuses().reduce((sum, { operationsWritten }) => sum + operationsWritten, 0);
}
