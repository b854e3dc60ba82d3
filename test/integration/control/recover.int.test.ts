import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { test } from 'node:test';
import type { RecoveredIndex } from '../../../src/actors/recovery.ts';
import type { RecoveryReport } from '../../../src/app/program.ts';
import { recover } from '../../../src/app/recovery.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { Failed } from '../../../src/domain/failure.ts';
import type { PairStatus } from '../../../src/domain/commands.ts';
import { ownNatsServer } from '../../support/nats-server.ts';
import { openWorld, type World } from '../../support/replication-world.ts';

const DOCUMENTS = 300;
/** What is recovered is not trusted until every request of the past has ended. */
const REQUEST_TIMEOUT_MS = 3000;

async function load(world: World, index: string, from: number, count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, at) => [
    { index: { _id: `d${from + at}` } },
    { n: from + at },
  ]).flat();
  await world.leader.ok('POST', `/${index}/_bulk`, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
}

async function followed(world: World): Promise<string> {
  const index = world.name();
  const settings = { 'index.number_of_shards': 2, 'index.number_of_replicas': 0 };
  await world.leader.ok('PUT', `/${index}`, { settings });
  await load(world, index, 0, DOCUMENTS);
  await world.start();
  await world.follow(index);
  await world.awaitSettled(index);
  return index;
}

async function recovered(world: World, options: { dryRun?: boolean; lost?: string } = {}): Promise<RecoveryReport> {
  const config = await loadConfig(world.configFile, {});
  const request = { dryRun: options.dryRun ?? false, by: 'test', lostJournalId: options.lost };
  return recover(config, request, AbortSignal.timeout(60_000));
}

/** The clusters are shared with other tests. */
function outcomeOf({ indices }: RecoveryReport, index: string): RecoveredIndex | undefined {
  return indices.find(({ follower }) => follower.index === index);
}

async function journalOf(world: World, index: string): Promise<string> {
  const { [index]: found } = await world.follower.ok('GET', `/${index}/_mapping`);
  const { mappings } = found as { mappings: { _meta: { slipstream: { journalId: string } } } };
  return mappings._meta.slipstream.journalId;
}

const failures = (pairs: readonly PairStatus[]): readonly (string | undefined)[] =>
  pairs.map(({ failure }) => failure?.code);

test('after the storage of NATS was lost every pair goes on from where it was, and what was paused stays so', async () => {
  await using server = await ownNatsServer();
  await using world = await openWorld({ natsUrl: server.url, requestTimeoutMs: REQUEST_TIMEOUT_MS });
  const index = await followed(world);
  await world.control.pause({ follower: world.followerOf(index), shard: 1, waitMs: 20_000 });
  const lost = await journalOf(world, index);
  await world.supervisor?.kill();
  await server.kill();
  await rm(server.dataFolder, { recursive: true });
  await server.start();
  await load(world, index, DOCUMENTS, 50);

  const unnamed = outcomeOf(await recovered(world, { dryRun: true }), index);
  assert.deepEqual([unnamed?.outcome, unnamed?.journalId], ['other', lost]);
  const dry = await recovered(world, { dryRun: true, lost });
  assert.equal(outcomeOf(dry, index)?.outcome, 'rebuilt');
  assert.equal(await journalOf(world, index), lost);
  const done = await recovered(world, { lost });
  assert.deepEqual(outcomeOf(done, index)?.pairs, outcomeOf(dry, index)?.pairs);
  assert.deepEqual(
    outcomeOf(done, index)?.pairs.map(({ state }) => state),
    ['following', 'paused'],
  );
  assert.notEqual(await journalOf(world, index), lost);
  assert.equal(outcomeOf(await recovered(world), index)?.outcome, 'sound');

  await world.start();
  const refused = await recovered(world).catch((thrown: unknown) => thrown);
  assert.ok(refused instanceof Failed && refused.failure.code === 'supervisor_running', String(refused));
  await world.control.resume({ follower: world.followerOf(index), shard: 1 });
  const pairs = await world.awaitSettled(index);
  assert.ok(pairs.reduce((sum, { operationsWritten }) => sum + operationsWritten, 0) < DOCUMENTS);
  assert.ok((await world.compare(index)).equal);
});

test('a journal that is older than the data is refused by name until it is rebuilt', async () => {
  await using server = await ownNatsServer();
  await using world = await openWorld({ natsUrl: server.url, requestTimeoutMs: REQUEST_TIMEOUT_MS });
  const index = await followed(world);
  const follower = world.followerOf(index);
  await world.supervisor?.stop();
  await server.kill();
  const backup = `${server.dataFolder}-backup`;
  await cp(server.dataFolder, backup, { recursive: true });
  await server.start();
  await world.start();
  await world.control.pause({ follower, waitMs: 20_000 });
  await world.supervisor?.stop();
  await server.kill();
  await rm(server.dataFolder, { recursive: true });
  await cp(backup, server.dataFolder, { recursive: true });
  await server.start();

  await world.start();
  const old = await world.awaitPairs(index, 'both are refused', 20_000, ({ state }) => state === 'fatal');
  assert.deepEqual(failures(old), ['journal_older_than_data', 'journal_older_than_data']);
  assert.match(old[0]?.failure?.hint ?? '', /slipstream recover/);
  for (const command of ['resume', 'pause'] as const) {
    const thrown: unknown = await world.control[command]({ follower }).catch((error: unknown) => error);
    assert.ok(thrown instanceof Failed && thrown.failure.code === 'journal_older_than_data', String(thrown));
  }
  await world.supervisor?.stop();
  assert.deepEqual(
    outcomeOf(await recovered(world), index)?.pairs.map(({ state }) => state),
    ['paused', 'paused'],
  );
  await world.start();
  await world.control.resume({ follower });
  await load(world, index, DOCUMENTS, 50);
  await world.awaitSettled(index);
  assert.ok((await world.compare(index)).equal);
});

test('a follower that was restored from a snapshot into a new index is copied again, in place, once it is recovered', async () => {
  await using server = await ownNatsServer();
  await using world = await openWorld({ natsUrl: server.url, requestTimeoutMs: REQUEST_TIMEOUT_MS });
  const index = await followed(world);
  const repository = `${index}-repository`;
  const { defaults } = (await world.follower.ok(
    'GET',
    '/_cluster/settings?include_defaults=true&flat_settings=true',
  )) as {
    defaults: Record<string, readonly string[]>;
  };
  const location = `${defaults['path.repo']?.[0] ?? ''}/${repository}`;
  await world.follower.ok('PUT', `/_snapshot/${repository}`, { type: 'fs', settings: { location } });
  try {
    const snapshot = `/_snapshot/${repository}/one`;
    await world.follower.ok('PUT', `${snapshot}?wait_for_completion=true`, {
      indices: index,
      include_global_state: false,
    });
    await load(world, index, DOCUMENTS, 50);
    await world.awaitSettled(index);
    await world.supervisor?.stop();
    await world.follower.ok('DELETE', `/${index}`);
    await world.follower.ok('POST', `${snapshot}/_restore?wait_for_completion=true`, { include_global_state: false });
  } finally {
    await world.follower.call('DELETE', `/_snapshot/${repository}/one`);
    await world.follower.call('DELETE', `/_snapshot/${repository}`);
  }
  await world.start();
  const pairs = await world.awaitPairs(index, 'both are refused', 20_000, ({ state }) => state === 'fatal');
  assert.deepEqual(failures(pairs), ['index_deleted', 'index_deleted']);
  await world.supervisor?.stop();
  const { pairs: told = [] } = outcomeOf(await recovered(world), index) ?? {};
  assert.deepEqual(
    told.map(({ copiedAgain }) => copiedAgain),
    ['its position is of another follower index', 'its position is of another follower index'],
  );
  await world.start();
  await world.awaitSettled(index);
  assert.ok((await world.compare(index)).equal);
});

test('an index that was promoted is never written to, and not recovered', async () => {
  await using server = await ownNatsServer();
  await using world = await openWorld({ natsUrl: server.url, requestTimeoutMs: REQUEST_TIMEOUT_MS });
  const index = await followed(world);
  await world.supervisor?.stop();
  const { [index]: found } = await world.follower.ok('GET', `/${index}/_mapping`);
  const { _meta } = (found as { mappings: { _meta: { slipstream: object } } }).mappings;
  const promoted = { ..._meta, slipstream: { ..._meta.slipstream, role: 'promoted' } };
  await world.follower.ok('PUT', `/${index}/_mapping`, { _meta: promoted });
  await load(world, index, DOCUMENTS, 50);
  await world.start();
  const pairs = await world.awaitPairs(index, 'both are refused', 20_000, ({ state }) => state === 'fatal');
  assert.deepEqual(failures(pairs), ['promoted', 'promoted']);
  await world.supervisor?.stop();
  const outcome = outcomeOf(await recovered(world), index);
  assert.deepEqual([outcome?.outcome, outcome?.failure?.code], ['refused', 'promoted']);
  await world.follower.ok('POST', `/${index}/_refresh`);
  const { count } = await world.follower.ok('GET', `/${index}/_count`);
  assert.equal(count, DOCUMENTS);
});
