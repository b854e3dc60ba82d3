import assert from 'node:assert/strict';
import { it } from 'node:test';
import { foldJournal } from '../../../src/actors/journal-fold.ts';
import { recoverCluster, type RecoveredIndex } from '../../../src/actors/recovery.ts';
import { present } from '../../../src/domain/assert.ts';
import { DEFAULT_PARAMETERS } from '../../../src/domain/parameters.ts';
import type { EventLog } from '../../../src/ports/event-log.ts';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import type { ClusterPorts } from '../../sim/sim-life.ts';
import { countingRandom } from '../../support/control-bench.ts';
import { memoryJournal, type MemoryJournal } from '../../support/memory-event-log.ts';
import { memoryNarrator } from '../../support/memory-narrator.ts';
import { actorBench, type ActorBench } from './actor-bench.ts';

const idle = new AbortController().signal;

interface Bench extends ActorBench {
  recover(
    journal: MemoryJournal,
    options?: { dryRun?: boolean; lost?: string; appends?: number },
  ): Promise<RecoveredIndex>;
}

/** A follower of two shards, both in step, the first one paused; then the process ends. */
async function bench(): Promise<Bench> {
  const clusters = new Map<string, ClusterPorts>();
  const actors = actorBench({ leaderShards: 2, followerShards: 2 }, (ports) => {
    clusters.set(ports.admin.name, ports);
    return ports;
  });
  for (const id of ['a', 'b', 'c', 'd']) actors.put(id);
  await actors.follow();
  const { supervisor } = present(actors.world.life, 'a life');
  await actors.until(() => supervisor.pairs.every(({ snapshot }) => snapshot?.state === 'following'), 'following');
  await actors.run(supervisor.pause({ follower: FOLLOWER, shard: 0, commandId: 'p', waitMs: 60_000 }));
  await actors.run(present(actors.world.life, 'a life').stop());
  const recover: Bench['recover'] = async (journal, { dryRun = false, lost, appends = Infinity } = {}) => {
    const log = journal.open();
    let left = appends;
    const append: EventLog['append'] = async (...args) => {
      if ((left -= 1) < 0) throw new Error('cut off');
      return log.append(...args);
    };
    const [only, ...rest] = await recoverCluster(
      {
        clock: actors.world.clock,
        random: countingRandom(),
        cluster: (name) => present(clusters.get(name), name),
        journalId: log.journalId,
        lostJournalId: lost,
        append,
        folded: await foldJournal({ log, narrator: memoryNarrator() }, idle),
        term: 1,
        by: 'ada',
        parametersOf: () => DEFAULT_PARAMETERS,
      },
      FOLLOWER.cluster,
      { dryRun },
      idle,
    );
    assert.deepEqual(rest, []);
    return present(only, 'the one follower');
  };
  return { ...actors, recover };
}

const lost = 'memory-journal';

it('leaves alone what the journal fits, and what belongs to a journal that nobody named', async () => {
  const { recover, world } = await bench();
  const size = world.journal.size;
  assert.equal((await recover(world.journal, { lost })).outcome, 'sound');
  assert.equal(world.journal.size, size);
  const empty = memoryJournal('another');
  const other = await recover(empty);
  assert.deepEqual([other.outcome, other.journalId, empty.size], ['other', lost, 0]);
});

it('tells what it would do, and does nothing of it in a dry run', async () => {
  const { recover } = await bench();
  const empty = memoryJournal('another');
  const dry = await recover(empty, { lost, dryRun: true });
  assert.equal(dry.outcome, 'rebuilt');
  assert.deepEqual(
    dry.pairs.map(({ state, copiedAgain }) => [state, copiedAgain]),
    [
      ['paused', undefined],
      ['following', undefined],
    ],
  );
  assert.equal(empty.size, 0);
  assert.equal((await recover(empty, { lost, dryRun: true })).outcome, 'rebuilt');
});

it('rebuilds the same, however often it was cut off', async () => {
  for (const appends of [0, 1, 2]) {
    const { recover } = await bench();
    const journal = memoryJournal('another');
    const first = await recover(journal, { lost, appends });
    assert.equal(first.failure?.code, 'bug');
    assert.match(first.failure?.reason ?? '', /cut off/);
    const second = await recover(journal, { lost });
    assert.deepEqual([second.outcome, second.pairs.map(({ state }) => state)], ['rebuilt', ['paused', 'following']]);
    assert.equal((await recover(journal, { lost })).outcome, 'sound');
    const newest = (await journal.open().latest(idle)).map((one) => ('event' in one ? one.event.fact.type : '?'));
    assert.deepEqual(newest, ['REBUILT', 'REBUILT', 'REBUILT']);
  }
});

it('copies again under a new epoch what has no position, or one of an older epoch', async () => {
  const { recover, world } = await bench();
  await world.positions.remove([`${FOLLOWER.cluster}/${FOLLOWER.index}/1`], idle);
  const journal = memoryJournal('another');
  const { pairs } = await recover(journal, { lost });
  assert.deepEqual(
    pairs.map(({ copiedAgain }) => copiedAgain),
    [undefined, 'it has no saved position'],
  );
  const newest = (await journal.open().latest(idle)).map((one) => ('event' in one ? one.event : undefined));
  const second = newest.find((event) => event?.entity === 'pair' && event.pair.shard === 1);
  assert.ok(second?.entity === 'pair');
  assert.deepEqual([second.result.raiseEpoch, second.result.state], [true, 'bootstrapping']);
  const [index] = newest;
  assert.ok(index?.entity === 'index');
  assert.deepEqual(index.result.leader, LEADER);
});

it('refuses an index whose newest event cannot be read', async () => {
  const { recover, world } = await bench();
  world.journal.storeText(`pair.${FOLLOWER.cluster}.${FOLLOWER.index}.0`, 'no event');
  const { outcome, failure } = await recover(world.journal);
  assert.deepEqual([outcome, failure?.code], ['refused', 'journal_corrupt']);
});
