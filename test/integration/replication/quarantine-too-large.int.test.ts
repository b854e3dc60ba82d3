/** A document that can never fit on the follower, told from overload. The follower is a small node of our own. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startStack, withoutAddresses } from '../../../stack/local-stack.ts';
import { createIndex, loadDocuments } from '../../support/bulk-load.ts';
import { openWorld } from '../../support/replication-world.ts';
import { until } from '../../support/until.ts';

const LIMIT = '2mb';

test('a document above the indexing pressure of the follower is set aside, naming the setting; what travelled with it is copied', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-too-large-'));
  await chmod(folder, 0o755);
  const environment = withoutAddresses(process.env, ['follower']);
  const stack = await startStack({
    parts: ['follower'],
    folder,
    environment,
    follower: { heapMb: 400, settings: { 'indexing_pressure.memory.limit': LIMIT } },
    log: (line) => console.log(line),
  });
  try {
    await using world = await openWorld({ follower: { url: stack.server('follower').url } });
    const index = world.name('-too-large');
    await createIndex(world.leader, index, { settings: { number_of_shards: 1 } });
    await loadDocuments(world.leader, index, 100);
    // In the middle of a page and of a batch.
    await world.leader.ok('PUT', `/${index}/_doc/huge`, { text: 'x'.repeat(1_500_000) });
    await world.leader.ok('PUT', `/${index}/_doc/behind`, { text: 'small' });
    await world.start();
    await world.follow(index);
    const [pair] = await world.awaitPairs(
      index,
      'it follows without the document',
      90_000,
      ({ state, quarantined, followerDocuments }) =>
        state === 'following' && quarantined === 1 && followerDocuments === 101,
    );
    assert.equal(pair?.quarantinedWithoutCopy, 1);
    const [entry] = await world.control.quarantine({ follower: world.followerOf(index) });
    assert.deepEqual([entry?.id, entry?.code], ['huge', 'too_large_for_follower']);
    assert.match(entry?.reason ?? '', /^above the follower's indexing_pressure.memory.limit of 2097152 bytes/);

    await world.leader.ok('PUT', `/${index}/_doc/huge`, { text: 'not any more' });
    await until('it has left the quarantine', 30_000, async () => {
      const [now] = (await world.status(index))?.pairs ?? [];
      return now?.quarantined === 0 ? true : undefined;
    });
    await world.awaitSettled(index);
    const comparison = await world.compare(index);
    assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
  } finally {
    await stack.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
