/** A supervisor of a coming version, which writes newer events, beside one of this version. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { EVENT_VERSION } from '../../../src/domain/journal.ts';
import { pairSubject } from '../../../src/domain/subjects.ts';
import { changedRelease } from '../../support/packed-release.ts';
import { openWorld, type World } from '../../support/replication-world.ts';
import { shareIndices } from '../../support/shared-indices.ts';
import { until } from '../../support/until.ts';

const PAIRS = 8;
const APPLIED_WITHIN_MS = 60_000;
const NEWER = EVENT_VERSION + 1;

/** Of the newest event of its only shard, past the code that reads events. */
async function writtenVersion(world: World, index: string): Promise<number> {
  const jsm = await jetstreamManager(world.nats);
  const subject = `${world.prefix}.journal.${pairSubject({ follower: world.followerOf(index), shard: 0 })}`;
  const message = await jsm.streams.getMessage(world.stream, { last_by_subj: subject });
  return message?.json<{ version: number }>().version ?? 0;
}

async function transition(world: World, index: string): Promise<void> {
  for (const command of ['pause', 'resume'] as const)
    await world.control[command]({ follower: world.followerOf(index), waitMs: 20_000 });
}

test('newer events are written when no older supervisor lives; one that comes then leaves their index alone, and keeps the rest', async () => {
  const line = 'export const EVENT_VERSION = ';
  await using next = await changedRelease('src/domain/journal.ts', `${line}${EVENT_VERSION};`, `${line}${NEWER};`);
  await using world = await openWorld({ requestTimeoutMs: 3_000, commandTimeoutMs: 3_000 });
  const shared = await shareIndices(world, PAIRS);
  const [index = ''] = shared.names;
  await Promise.all([shared.start('ada', next.program), shared.start('bea')]);
  await shared.write();
  await shared.follow();
  await shared.awaitApplied(['ada', 'bea'], APPLIED_WITHIN_MS);
  await Promise.all(shared.names.map((name) => transition(world, name)));
  for (const name of shared.names) assert.equal(await writtenVersion(world, name), EVENT_VERSION, name);

  assert.equal(await shared.processOf('bea').stop(), 0);
  await shared.awaitOwners('ada');
  await transition(world, index);
  assert.equal(await writtenVersion(world, index), NEWER);

  // Alone, it follows the others, and says what it cannot read.
  await shared.processOf('ada').kill();
  await shared.start('bea');
  await shared.write();
  let seen = '';
  await until(
    'bea follows the rest',
    APPLIED_WITHIN_MS,
    async () => {
      const status = await world.control.status({}).catch(() => []);
      const refused = status.filter(({ state }) => state.startsWith('journal_from_newer_version'));
      const own = status.flatMap(({ pairs }) => pairs).filter(({ owner }) => owner?.supervisor === 'bea');
      seen = JSON.stringify(status.map(({ follower, state }) => [follower.index, state]));
      const rest = own.filter(({ state }) => state === 'following').map(({ follower }) => follower.index);
      const [only] = refused;
      return refused.length === 1 && only?.follower.index === index && rest.length === PAIRS - 1 ? true : undefined;
    },
    () => seen,
  );

  // One that reads it gets it, wherever slots are due.
  await shared.start('ada', next.program);
  await shared.awaitApplied(['ada', 'bea'], APPLIED_WITHIN_MS);
  const owner = (await shared.pairs()).find(({ follower }) => follower.index === index)?.owner?.supervisor;
  assert.equal(owner, 'ada');
  await shared.awaitIdentical();
});
