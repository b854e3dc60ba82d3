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
import { createChurnIndex, differencesFromExpected, startChurn } from '../../support/churn/churn.ts';
import { fixedOwnership } from '../../support/fixed-ownership.ts';
import { memoryNarrator } from '../../support/memory-narrator.ts';
import { LEADER, maxSeqNos, openWorld, type World } from '../../support/replication-world.ts';
import { bySize } from '../../support/test-size.ts';
import { until } from '../../support/until.ts';

const OPERATIONS = bySize({ short: 10_000, full: 100_000 });
const SETTLED_WITHIN_MS = 120_000;

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

test('two supervisors that own the same index at once copy and follow it under churn: it is exact, and no deleted document comes back', async (t) => {
  await using world = await openWorld({ requestTimeoutMs: 5_000 });
  const index = world.name('-two-owners');
  const address = { url: world.leader.url, index, headers: world.leader.headers };
  await createChurnIndex(address, { shards: 2, gcDeletes: '1s' });
  const churn = await startChurn({ ...address, seed: 7, operations: OPERATIONS, ids: 1_000 });
  await using ada = await owner(world, 'ada', 1);
  await using bea = await owner(world, 'bea', 2);
  const follower = world.followerOf(index);
  await ada.supervisor.follow({ leader: { cluster: LEADER, index }, follower });
  const both = [ada.supervisor, bea.supervisor];
  const atWork = async (): Promise<true | undefined> =>
    both.every((supervisor) => {
      const pairs = supervisor.pairStatuses();
      return pairs.length === 2 && pairs.every(({ operationsWritten }) => operationsWritten > 0);
    }) || undefined;
  await until('both write', SETTLED_WITHIN_MS, atWork);
  await churn.done;
  const last = await maxSeqNos(world.leader, index);
  const seen = (): string => JSON.stringify(both.map((supervisor) => supervisor.pairStatuses()));
  await until(
    'both have applied everything, deletes included',
    SETTLED_WITHIN_MS,
    async () =>
      both.every((supervisor) =>
        supervisor
          .pairStatuses()
          .every(
            ({ shard, state, checkpoint, outstandingDeletes, followerDocuments, leaderDocuments }) =>
              state === 'following' &&
              checkpoint >= (last.get(shard) ?? Number.POSITIVE_INFINITY) &&
              outstandingDeletes === 0 &&
              followerDocuments === leaderDocuments,
          ),
      ) || undefined,
    seen,
  );
  for (const [at, supervisor] of both.entries())
    for (const { shard, operationsWritten, deletesFound, conflicts, owner: by } of supervisor.pairStatuses())
      t.diagnostic(
        `${by?.supervisor ?? at}, shard ${shard}: ${operationsWritten} operations written, ${deletesFound} deletes found, ${conflicts} conflicts`,
      );
  assert.deepEqual(await differencesFromExpected(address, churn.expected), []);
  const { equal, ...found } = await world.compare(index);
  assert.ok(equal && found.leftDocuments > 0, JSON.stringify(found));
});
