/** Supervisors of several versions on one journal, as while they are upgraded one by one, or set back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writtenVersion } from '../../../src/actors/event-version.ts';
import type { QueryPages } from '../../../src/domain/commands.ts';
import { EVENT_VERSION } from '../../../src/domain/journal.ts';
import { statusPage, wholeQueries } from '../../../src/domain/pages.ts';
import { slotOf } from '../../../src/domain/slots.ts';
import { indexSubject, pairSubject } from '../../../src/domain/subjects.ts';
import type { SimLife } from '../../sim/sim-life.ts';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import { EVERY_SLOT, sharedOwnership, type SharedOwnership } from '../../support/fixed-ownership.ts';
import { type ActorBench, actorBench } from './actor-bench.ts';

const NEWER = EVENT_VERSION + 1;
const OTHER = { cluster: FOLLOWER.cluster, index: 'other-copy' };
const SLOT = slotOf(FOLLOWER);
const CLUSTERS = [LEADER.cluster, FOLLOWER.cluster];

interface Mixed {
  readonly bench: ActorBench;
  readonly owners: SharedOwnership;
  /** Of this version; owns every slot and follows two indices. */
  readonly ada: SimLife;
  /** A supervisor of a newer version lives. */
  newer(): void;
  /** Somebody of a newer version wrote of the first index. */
  written(subject?: string): void;
  /** What this version runs. */
  runs(): readonly string[];
}

async function mixed(): Promise<Mixed> {
  const bench = actorBench();
  const owners = sharedOwnership();
  const start = async (name: string): Promise<SimLife> => {
    const life = bench.world.startLife({ ownership: owners.member(name, { clusters: CLUSTERS }) });
    await bench.run(life.supervisor.start());
    return life;
  };
  const ada = await start('ada');
  owners.member('dot', { clusters: CLUSTERS });
  owners.assign('ada', EVERY_SLOT);
  for (const follower of [FOLLOWER, OTHER])
    await bench.run(ada.supervisor.follow({ leader: LEADER, follower, commandId: `c-${follower.index}` }));
  const runs = (): readonly string[] =>
    ada.supervisor.pairs
      .filter(({ snapshot }) => snapshot?.state === 'following')
      .map(({ pair }) => pair.follower.index);
  await bench.until(() => runs().length === 2, 'both following');
  return {
    bench,
    owners,
    ada,
    newer() {
      owners.member('bea', { clusters: CLUSTERS, readsEventVersion: NEWER });
      owners.assign('bea', []);
    },
    written(subject = pairSubject({ follower: FOLLOWER, shard: 0 })) {
      bench.world.journal.storeText(subject, JSON.stringify({ entity: 'pair', version: NEWER }));
    },
    runs,
  };
}

test('events are written in the newest version that every live supervisor reads', () => {
  const written = (newest: number, ...reads: readonly number[]): number =>
    writtenVersion(
      {
        live: () =>
          reads.map((readsEventVersion, at) => ({
            session: `s${at}`,
            announced: { supervisor: `s${at}`, version: '1.0.0', clusters: [], readsEventVersion },
          })),
      },
      newest,
    );
  assert.equal(written(3, 3, 1, 2), 1);
  assert.equal(written(3, 3, 4), 3);
  assert.equal(written(3), 3);
});

for (const [what, subject] of [
  ['index', indexSubject(FOLLOWER)],
  ['pair', pairSubject({ follower: FOLLOWER, shard: 0 })],
] as const) {
  test(`a slot is left to a newer supervisor when that writes of its ${what}, and the rest is kept`, async () => {
    const { bench, owners, newer, written, runs } = await mixed();
    newer();
    written(subject);
    await bench.until(() => owners.shunned('ada').length > 0 && runs().length === 1, 'given up');
    assert.deepEqual(owners.shunned('ada'), [SLOT]);
    assert.deepEqual(runs(), [OTHER.index]);
  });

  test(`a slot that comes with a newer event of its ${what} is left to a newer supervisor, from the start on`, async () => {
    const { bench, owners, ada, newer, written } = await mixed();
    ada.crash();
    owners.end('ada');
    written(subject);
    newer();
    const size = bench.world.journal.size;
    const cyd = bench.world.startLife({ ownership: owners.member('cyd', { clusters: CLUSTERS }) });
    await bench.run(cyd.supervisor.start());
    owners.assign('cyd', EVERY_SLOT, true);
    await bench.until(() => owners.shunned('cyd').length > 0, 'given up');
    await bench.until(() => cyd.supervisor.pairs[0]?.snapshot?.state === 'following', 'the other one');
    assert.deepEqual(owners.shunned('cyd'), [SLOT]);
    assert.deepEqual(
      cyd.supervisor.pairs.map(({ pair }) => pair.follower.index),
      [OTHER.index],
    );
    assert.equal(bench.world.journal.size, size);
  });
}

test('status of an index that only a newer supervisor reads is what that one says', async () => {
  const { bench, owners, ada, newer, written } = await mixed();
  const [told] = await bench.run(wholeQueries(ada.supervisor.pages).status({ follower: FOLLOWER }));
  assert.ok(told !== undefined);
  newer();
  written();
  const cyd = bench.world.startLife({
    ownership: owners.member('cyd', { clusters: CLUSTERS }),
    peers: (session) => {
      const { alone } = ada.supervisor;
      const status: QueryPages['status'] = async (_, wanted) => statusPage(session === 'bea' ? [told] : [], wanted);
      return { ...alone, pages: { ...alone.pages, status } };
    },
  });
  await bench.run(cyd.supervisor.start());
  const refused = (): Promise<readonly { state: string }[]> =>
    bench.run(wholeQueries(cyd.supervisor.pages).status({ follower: FOLLOWER }));
  assert.match((await refused())[0]?.state ?? '', /^journal_from_newer_version/);
  owners.assign('bea', [SLOT]);
  assert.deepEqual(await refused(), [told]);
});

test('a slot with a newer event is kept while nobody reads that, left when somebody comes who does, and taken again when that one is gone', async () => {
  const { bench, owners, newer, written, runs } = await mixed();
  written();
  await bench.until(() => runs().length === 1, 'the unreadable one ends');
  assert.deepEqual(owners.shunned('ada'), []);
  newer();
  await bench.until(() => owners.shunned('ada').length > 0, 'given up');
  assert.deepEqual(owners.shunned('ada'), [SLOT]);
  owners.end('bea');
  assert.deepEqual(owners.shunned('ada'), []);
});

test('what can be read again is followed again, and takes commands', async () => {
  const { bench, ada, written, runs } = await mixed();
  const pair = pairSubject({ follower: FOLLOWER, shard: 0 });
  const before = await bench.run(bench.world.journal.open().latestOf(pair, AbortSignal.any([])));
  assert.ok(before !== undefined);
  written(pair);
  await bench.until(() => runs().length === 1, 'the unreadable one ends');
  const event = { ...before.event, id: 'written-for-older-ones' };
  bench.world.journal.storeText(pair, JSON.stringify(event));
  await bench.until(() => runs().length === 2, 'it is followed again');
  const { accepted } = await bench.run(ada.supervisor.pause({ follower: FOLLOWER, commandId: 'c-pause' }));
  assert.ok(accepted);
});
