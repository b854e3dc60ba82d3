import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadCities } from '../../../demo/cities.ts';
import { runLiveLoad } from '../../../demo/live-load.ts';
import { call } from '../../support/read-index.ts';
import { twoIndices } from './two-indices.ts';

test('the live load changes cities on the leader and sees each sampled change on the follower, deletes told apart', async () => {
  await using indices = await twoIndices();
  const { leader, follower } = indices;
  await call(leader, 'DELETE', `/${encodeURIComponent(leader.index)}`);
  await loadCities({ ...leader, documents: 2_000 });
  let copying = true;
  const copies = (async () => {
    while (copying) await indices.copy();
  })();
  try {
    const load = await runLiveLoad({ leader, follower, operationsPerSecond: 300, durationMs: 3_000, sampleEvery: 3 });
    const { create, update, delete: deleted, recreate } = load.byKind;
    assert.equal(create + update + deleted + recreate, load.operations);
    assert.ok(Math.min(create, update, deleted) > 0);
    assert.equal(load.visibility.unseen, 0);
    assert.equal(load.visibility.writes.samples + load.visibility.deletes.samples, Math.floor(load.operations / 3));
    const { p50Ms, p90Ms, p99Ms, maxMs } = load.visibility.writes;
    assert.deepEqual(
      [p50Ms, p90Ms, p99Ms, maxMs],
      [p50Ms, p90Ms, p99Ms, maxMs].toSorted((a, b) => a - b),
    );
  } finally {
    copying = false;
    await copies;
  }
  await indices.copy();
  assert.equal((await indices.verify({ contents: true })).outcome, 'equal');
});
