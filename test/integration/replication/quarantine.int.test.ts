/** Documents that the follower refuses for ever, one among many: passed over, remembered, counted, and taken as soon as they can be. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import type { PairStatus, QuarantineEntry } from '../../../src/domain/commands.ts';
import type { VerifyReport } from '../../../src/replication/verify/report.ts';
import { createIndex, loadDocuments } from '../../support/bulk-load.ts';
import { openWorld, type Side, type World } from '../../support/replication-world.ts';
import { endOfLog } from '../../support/supervisor-process.ts';
import { until } from '../../support/until.ts';

const SECRET = 'words that nobody else may read';
const MAIN = new URL('../../../src/cli/main.ts', import.meta.url).pathname;

/** Takes what is no date, as long as nobody makes it strict. */
const LENIENT = { properties: { when: { type: 'date', ignore_malformed: true } } };
const STRICT = { properties: { when: { type: 'date', ignore_malformed: false } } };

async function lenientLeader(world: World, suffix: string, documents: number): Promise<string> {
  const index = world.name(suffix);
  await createIndex(world.leader, index, { mappings: LENIENT });
  if (documents > 0) await loadDocuments(world.leader, index, documents);
  return index;
}

/** What is there already stays as it is. */
async function mapAs(side: Side, index: string, mapping: object): Promise<void> {
  await side.ok('PUT', `/${index}/_mapping`, mapping);
}

async function put(world: World, index: string, id: string, when: string): Promise<void> {
  await world.leader.ok('PUT', `/${index}/_doc/${encodeURIComponent(id)}`, { when });
}

async function onFollower(world: World, index: string, id: string): Promise<string | undefined> {
  const { body } = await world.follower.call('GET', `/${index}/_doc/${encodeURIComponent(id)}`);
  return body['found'] === true ? (body['_source'] as { when: string }).when : undefined;
}

function total(pairs: readonly PairStatus[], field: 'quarantined' | 'quarantinedWithoutCopy'): number {
  return pairs.reduce((sum, pair) => sum + pair[field], 0);
}

/** Everything of the leader is applied or in quarantine, and the counts agree. Nobody may write meanwhile. */
async function awaitQuarantine(world: World, index: string, documents: number): Promise<readonly PairStatus[]> {
  let seen: readonly PairStatus[] = [];
  const balanced = (pair: PairStatus): boolean =>
    pair.state === 'following' &&
    pair.checkpoint === pair.leaderMaxSeqNo &&
    pair.outstandingDeletes === 0 &&
    pair.followerDocuments !== null &&
    pair.followerDocuments + pair.quarantinedWithoutCopy === pair.leaderDocuments;
  const look = async (): Promise<readonly PairStatus[] | undefined> => {
    seen = (await world.status(index))?.pairs ?? [];
    return seen.length > 0 && seen.every(balanced) && total(seen, 'quarantined') === documents ? seen : undefined;
  };
  return until(`${documents} in quarantine`, 60_000, look, () => JSON.stringify(seen, undefined, 1));
}

async function entries(world: World, index: string): Promise<readonly QuarantineEntry[]> {
  return world.control.quarantine({ follower: world.followerOf(index) });
}

/** The command as a user runs it. */
async function verify(world: World, index: string): Promise<{ exit: number; report: VerifyReport }> {
  const args = [MAIN, 'verify', `right:${index}`, '--content', '--json', '--config', world.configFile];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, (error, stdout, stderr) => {
      const answer = JSON.parse(stdout) as { ok: boolean; result: { report: VerifyReport } };
      if (!answer.ok) reject(new Error(`${stdout}${stderr}`));
      else resolve({ exit: typeof error?.code === 'number' ? error.code : 0, report: answer.result.report });
    });
  });
}

/** Sees what is stored with entries, and removes it at the end as the world removes positions. */
async function stored(world: World, index: string): Promise<readonly Record<string, unknown>[]> {
  const query = { query: { prefix: { pair: `right/${index}/` } }, size: 100 };
  const { body } = await world.follower.call('POST', '/.slipstream_quarantine/_search', query);
  return (body['hits'] as { hits: { _source: Record<string, unknown> }[] }).hits.map(({ _source }) => _source);
}

/** What is in quarantine is written down, and forgotten there, a moment after it is told. */
async function awaitStored(
  world: World,
  index: string,
  documents: number,
): Promise<readonly Record<string, unknown>[]> {
  return until(`${documents} are written down`, 20_000, async () => {
    const found = await stored(world, index);
    return found.length === documents ? found : undefined;
  });
}

/** For those that kill no supervisor. */
let world: World;

before(async () => {
  world = await openWorld();
  await world.start();
});
after(async () => {
  await world?.[Symbol.asyncDispose]();
});

test('one refused document among many does not stop a first copy; it is told, and taken once the mapping is corrected', async () => {
  const index = await lenientLeader(world, '-quarantine-copy', 2000);
  const id = `q"\\é\u0001${'x'.repeat(490)}`;
  await put(world, index, id, SECRET);
  await mapAs(world.leader, index, STRICT);
  await world.follow(index);
  const pairs = await awaitQuarantine(world, index, 1);
  assert.equal(total(pairs, 'quarantinedWithoutCopy'), 1);
  assert.match((await world.status(index))?.state ?? '', /1 following, with errors/);

  const [entry] = await entries(world, index);
  assert.ok(entry !== undefined);
  assert.deepEqual(
    { id: entry.id, routing: entry.routing, code: entry.code, olderCopy: entry.olderCopy },
    { id, routing: undefined, code: 'document_rejected', olderCopy: false },
  );
  assert.match(entry.reason, /^document_parsing_exception: .*\[when\] of type \[date\]/);
  const [kept] = await awaitStored(world, index, 1);
  assert.equal(kept?.['content'], JSON.stringify({ when: SECRET }));

  const found = await verify(world, index);
  assert.equal(found.exit, 1, 'never success');
  const { quarantined, missing, differing } = found.report;
  assert.deepEqual([quarantined.total, missing.total, differing.total], [1, 0, 0]);
  assert.equal(quarantined.samples[0]?.id, id);

  const told = JSON.stringify(await world.journal()) + (await endOfLog(world.logFile, 10_000));
  assert.ok(told.includes('QUARANTINED') && told.includes('is in quarantine'));
  assert.ok(!told.includes(SECRET) && !JSON.stringify(entry).includes(SECRET), 'no content in journal, log or answers');

  await mapAs(world.follower, index, LENIENT);
  await awaitQuarantine(world, index, 0);
  assert.equal(await onFollower(world, index, id), SECRET);
  await awaitStored(world, index, 0);
  assert.equal((await verify(world, index)).exit, 0);
});

test('live: older copies stay and are told; the leader corrects one document and deletes the other', async () => {
  const index = await lenientLeader(world, '-quarantine-live', 200);
  await world.follow(index);
  for (const id of ['corrected', 'deleted', 'replaced']) await put(world, index, id, '2024-01-01');
  await world.awaitSettled(index);
  // Somebody changes the follower's mapping by hand.
  await mapAs(world.follower, index, STRICT);
  for (const id of ['corrected', 'deleted', 'replaced', 'new', 'gone']) await put(world, index, id, SECRET);
  const pairs = await awaitQuarantine(world, index, 5);
  assert.equal(total(pairs, 'quarantinedWithoutCopy'), 2);
  const copies = new Map((await entries(world, index)).map(({ id, olderCopy }) => [id, olderCopy]));
  assert.deepEqual(
    ['corrected', 'deleted', 'replaced', 'new', 'gone'].map((id) => copies.get(id)),
    [true, true, true, false, false],
  );
  assert.equal(await onFollower(world, index, 'corrected'), '2024-01-01');
  const { exit, report } = await verify(world, index);
  assert.deepEqual([exit, report.quarantined.total, report.missing.total, report.extra.total], [1, 5, 0, 0]);

  await put(world, index, 'corrected', '2024-02-02');
  await put(world, index, 'replaced', `${SECRET} again`);
  for (const id of ['deleted', 'gone']) await world.leader.ok('DELETE', `/${index}/_doc/${id}`);
  await awaitQuarantine(world, index, 2);
  assert.deepEqual((await entries(world, index)).map(({ id }) => id).toSorted(), ['new', 'replaced']);
  assert.equal(await onFollower(world, index, 'corrected'), '2024-02-02');
  assert.equal(await onFollower(world, index, 'deleted'), undefined);
  assert.equal(await onFollower(world, index, 'replaced'), '2024-01-01');

  for (const id of ['new', 'replaced']) await world.leader.ok('DELETE', `/${index}/_doc/${id}`);
  const after = await awaitQuarantine(world, index, 0);
  const comparison = await world.compare(index);
  assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
  for (const { scanSurprises, conflicts, foreignWrites, transitions } of after) {
    assert.deepEqual({ scanSurprises, conflicts, foreignWrites }, { scanSurprises: 0, conflicts: 0, foreignWrites: 0 });
    assert.ok(transitions < 20, 'documents that come and go are not told one by one');
  }
});

test('a supervisor that is killed knows what it passed over, also when somebody deleted what it had written down', async () => {
  await using world = await openWorld({ requestTimeoutMs: 3000 });
  const index = await lenientLeader(world, '-quarantine-kill', 200);
  await put(world, index, 'early', '2024-01-01');
  let supervisor = await world.start();
  await world.follow(index);
  await world.awaitSettled(index);
  await world.control.pause({ follower: world.followerOf(index), waitMs: 20_000 });
  await put(world, index, 'early', SECRET);
  await put(world, index, 'late', SECRET);
  await mapAs(world.leader, index, STRICT);
  await world.control.resume({ follower: world.followerOf(index) });
  await awaitQuarantine(world, index, 2);
  await until('the position has passed them', 20_000, async () => {
    const saved = await Promise.all([0, 1].map((shard) => world.position(index, shard)));
    const documents = saved.map((record) => record?.position.passedOver?.length ?? 0);
    return documents.reduce((sum, count) => sum + count, 0) === 2 ? true : undefined;
  });
  await supervisor.kill();
  supervisor = await world.start();
  const again = await awaitQuarantine(world, index, 2);
  assert.equal(total(again, 'quarantinedWithoutCopy'), 1);

  await supervisor.kill();
  // Only what is ours: the index is everybody's.
  const query = { query: { prefix: { pair: `right/${index}/` } } };
  await world.follower.ok('POST', '/.slipstream_quarantine/_delete_by_query?refresh=true&conflicts=proceed', query);
  await world.start();
  await awaitQuarantine(world, index, 2);
  assert.deepEqual(
    (await entries(world, index))
      .toSorted((a, b) => a.id.localeCompare(b.id))
      .map(({ id, olderCopy }) => [id, olderCopy]),
    [
      ['early', true],
      ['late', false],
    ],
  );

  // What the pairs cannot notice by themselves is said by a command.
  await world.leader.ok('POST', `/${index}/_refresh`);
  const retried = await world.control.retryQuarantine({ follower: world.followerOf(index), waitMs: 20_000 });
  assert.equal(retried.effective, true);
  assert.deepEqual(
    (await entries(world, index)).map(({ refusals }) => refusals >= 2),
    [true, true],
  );
  await mapAs(world.follower, index, LENIENT);
  await world.control.retryQuarantine({ follower: world.followerOf(index), waitMs: 20_000 });
  await awaitQuarantine(world, index, 0);
  const comparison = await world.compare(index);
  assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
});

test('under the policy fail one refused document stops its shard, as it does in cross-cluster replication', async () => {
  const index = await lenientLeader(world, '-quarantine-fail', 0);
  await put(world, index, 'refused', SECRET);
  await mapAs(world.leader, index, STRICT);
  await world.follow(index, { on_document_rejected: 'fail' });
  const [stopped] = await until('a shard stops', 30_000, async () => {
    const pairs = (await world.status(index))?.pairs.filter(({ state }) => state === 'fatal') ?? [];
    return pairs.length > 0 ? pairs : undefined;
  });
  assert.equal(stopped?.failure?.code, 'document_rejected');
  assert.match(stopped.failure.reason, /leader seq_no \d+: document_parsing_exception/);
  await mapAs(world.follower, index, LENIENT);
  await world.control.resume({ follower: world.followerOf(index) });
  await world.awaitSettled(index);
  assert.equal(await onFollower(world, index, 'refused'), SECRET);
});

test('a storm of refusals stops the shard instead of filling the quarantine, and passes when its cause is gone', async () => {
  const index = await lenientLeader(world, '-quarantine-storm', 0);
  const lines = (when: string): string =>
    Array.from({ length: 600 }, (_, at) => `{"index":{"_id":"d${at}"}}\n${JSON.stringify({ when })}\n`).join('');
  await world.leader.ok('POST', `/${index}/_bulk?refresh=true`, lines(SECRET));
  await mapAs(world.leader, index, STRICT);
  await world.follow(index);
  const pairs = await world.awaitPairs(index, 'both shards stop', 60_000, ({ state }) => state === 'fatal');
  for (const { failure, quarantined } of pairs) {
    assert.equal(failure?.code, 'too_many_quarantined');
    assert.match(failure.reason, /^\d+ documents of about \d+ are refused, \d+ may be in quarantine/);
    assert.ok(quarantined <= 200);
  }
  await mapAs(world.follower, index, LENIENT);
  await world.control.resume({ follower: world.followerOf(index) });
  await awaitQuarantine(world, index, 0);
  const comparison = await world.compare(index);
  assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
  await world.control.unfollow({ follower: world.followerOf(index) });
  assert.deepEqual(await stored(world, index), [], 'an index that is unfollowed leaves nothing behind');
});
