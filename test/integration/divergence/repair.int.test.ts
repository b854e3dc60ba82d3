/** `slipstream repair`, as an operator runs it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execFile } from 'node:child_process';
import { createIndex } from '../../support/bulk-load.ts';
import { createChurnIndex, startChurn } from '../../support/churn/churn.ts';
import { openWorld, type World } from '../../support/replication-world.ts';
import {
  assertEqual,
  documents,
  gcDeletes,
  planted,
  PLANTED,
  untouched,
  verified,
  writeFromOutside,
} from './foreign-writes.ts';

const MAIN = new URL('../../../src/cli/main.ts', import.meta.url).pathname;

interface Repaired {
  readonly code: number;
  readonly answer: {
    readonly report: { readonly outcome: string };
    readonly documents: readonly {
      readonly id: string;
      readonly found: string;
      readonly plan: string;
      readonly done?: string | null;
    }[];
  };
}

async function repair(world: World, index: string, ...flags: readonly string[]): Promise<Repaired> {
  const args = [MAIN, 'repair', `right:${index}`, '--json', '--config', world.configFile, ...flags];
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, args, { maxBuffer: 1 << 26 }, (_error, stdout, stderr) => {
      const code = child.exitCode ?? -1;
      if (code === 0 || code === 1)
        resolve({ code, answer: (JSON.parse(stdout) as { result: Repaired['answer'] }).result });
      else reject(new Error(`repair ended with ${code}: ${stdout}\n${stderr}`));
    });
  });
}

test('a shard that stopped is put right by repair, document by document, and goes on', async () => {
  await using world = await openWorld({ requestTimeoutMs: 2000 });
  const index = world.name('-rep');
  await createIndex(world.leader, index);
  await world.leader.ok('POST', `/${index}/_bulk`, documents(0, 200) + planted());
  await world.start();
  await world.follow(index, { on_divergence: 'fail' });
  await world.awaitSettled(index);
  const before = await untouched(world.follower, index);
  await writeFromOutside(world.follower, index);
  await world.awaitPairs(
    index,
    'it stops',
    60_000,
    ({ state, failure }) => state === 'fatal' && failure?.code === 'follower_newer',
  );
  const done = await repair(world, index, '--content');
  assert.equal(done.code, 0, JSON.stringify(done.answer));
  assert.equal(done.answer.report.outcome, 'equal');
  // What could be put right without force was, before the shard stopped.
  const wanted = new Map([
    ...PLANTED.map((id) => [id, 'send'] as const),
    ['extra', 'delete'],
    ['huge-extra', 'delete'],
  ]);
  for (const { id, plan, done: what } of done.answer.documents) {
    assert.equal(plan, wanted.get(id), id);
    assert.equal(what, plan === 'send' ? 'sent' : 'deleted', id);
  }
  const repaired = new Set(done.answer.documents.map(({ id }) => id));
  for (const id of ['deleted', 'hugely-deleted', 'huge', 'updated', 'twice', 'same-version'])
    assert.ok(repaired.has(id), id);
  await world.awaitSettled(index);
  await assertEqual(world, index);
  assert.deepEqual(await untouched(world.follower, index), before);
  assert.equal(await gcDeletes(world.follower, index), '15m');

  for (const id of [...PLANTED, 'huge-extra', 'extra'])
    await world.leader.ok('PUT', `/${index}/_doc/${id}`, { by: 'leader' });
  await world.awaitSettled(index);
  for (const id of [...PLANTED, 'huge-extra']) await world.leader.ok('DELETE', `/${index}/_doc/${id}`);
  await world.awaitSettled(index);
  await assertEqual(world, index);
});

test('repair while the leader is written to', async (t) => {
  await using world = await openWorld({ requestTimeoutMs: 2000 });
  const index = world.name('-live');
  const address = { url: world.leader.url, index };
  await createChurnIndex(address, { shards: 2, gcDeletes: '1s' });
  await world.leader.ok('POST', `/${index}/_bulk`, documents(0, 500));
  await world.start();
  await world.follow(index);
  await world.awaitSettled(index);
  const before = await untouched(world.follower, index);
  const churn = await startChurn({ ...address, seed: 7, operations: 40_000, operationsPerSecond: 400 });
  // Same versions, other contents: nothing but a comparison of contents finds that.
  for (const id of ['d1', 'd2', 'd3']) {
    const { _version: version } = await world.follower.ok('GET', `/${index}/_doc/${id}`);
    const query = `pipeline=_none&version=${String(version)}&version_type=external_gte`;
    await world.follower.ok('PUT', `/${index}/_doc/${id}?${query}`, { by: 'somebody' });
  }
  const dry = await repair(world, index, '--content', '--dry-run');
  assert.equal(dry.code, 1);
  assert.deepEqual(
    new Set(dry.answer.documents.map(({ id, plan }) => `${plan} ${id}`)),
    new Set(['send d1', 'send d2', 'send d3']),
  );
  assert.deepEqual((await world.follower.ok('GET', `/${index}/_doc/d1`))['_source'], { by: 'somebody' });
  assert.ok((await world.journal()).every(({ fact }) => fact.type !== 'REPAIR'));

  const done = await repair(world, index, '--content');
  t.diagnostic(JSON.stringify(done.answer.documents));
  assert.deepEqual(new Set(done.answer.documents.map(({ id }) => id)), new Set(['d1', 'd2', 'd3']));
  assert.ok(done.answer.documents.every((one) => one.done === 'sent'));
  churn.stop();
  await churn.done;
  const pairs = await world.awaitSettled(index);
  assert.ok(pairs.every(({ conflicts }) => conflicts === 0));
  const after = await untouched(world.follower, index);
  for (const [id, seqNo] of before) if (!['d1', 'd2', 'd3'].includes(id)) assert.equal(after.get(id), seqNo, id);
  assert.equal((await verified(world, index)).outcome, 'equal');
});
