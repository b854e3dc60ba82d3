/** What the journal and the operator see of a quarantine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { present } from '../../../src/domain/assert.ts';
import { wholeQueries } from '../../../src/domain/pages.ts';
import { shardNumberOf } from '../../support/memory-search/memory-cluster.ts';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import { type ActorBench, actorBench } from './actor-bench.ts';

const KEY = `${FOLLOWER.cluster}/${FOLLOWER.index}/0`;

/** Follows, with the first of three documents refused. */
async function withOneRefused(parameters = {}): Promise<ActorBench> {
  const bench = actorBench({ refusedShare: 0.62, parameters });
  // Sources 1 to 3: 0.618, 0.236 and 0.854 of the way; the first two are refused.
  for (const id of ['a', 'b', 'c']) bench.put(id);
  await bench.follow();
  await bench.until(() => bench.state() === 'following', 'following');
  return bench;
}

async function facts(bench: ActorBench): Promise<readonly string[]> {
  return (await bench.events()).map(({ fact }) => ('documents' in fact ? `${fact.type} ${fact.documents}` : fact.type));
}

test('the pair follows, with errors, and the journal has the number and neither ids nor reasons', async () => {
  const bench = await withOneRefused();
  const { supervisor } = bench.world.life ?? assert.fail('a living process');
  const [index] = await bench.run(wholeQueries(supervisor.pages).status({}));
  assert.equal(index?.state, 'following, with errors');
  assert.deepEqual([index.pairs[0]?.quarantined, index.pairs[0]?.quarantinedWithoutCopy], [2, 2]);
  const entries = await bench.run(wholeQueries(supervisor.pages).quarantine({}));
  assert.deepEqual(
    entries.map(({ id, seqNo, olderCopy, refusals }) => [id, seqNo, olderCopy, refusals]),
    [
      ['a', 0, false, 1],
      ['b', 1, false, 1],
    ],
  );
  assert.ok((await facts(bench)).includes('QUARANTINED 2'));
  assert.equal((await bench.events()).at(-1)?.result.quarantined, 2);
  assert.doesNotMatch(JSON.stringify(await bench.events()), /refused by the model|document_parsing/);
  // The beginning of the content is for people, in the index alone.
  assert.equal(bench.world.quarantine.of(KEY).get('a')?.content, '{"n":1,"fields":0}');
});

test('nothing of the content is kept where none is to be', async () => {
  const bench = await withOneRefused({ quarantine_content_bytes: 0 });
  const write = bench.world.quarantine.of(KEY).get('a');
  assert.deepEqual([write?.content, write?.contentBytes], [undefined, 18]);
});

test('a retry is a decision of somebody; a paused pair takes it up when it is resumed', async () => {
  const bench = await withOneRefused();
  await bench.pause();
  await bench.until(() => bench.state() === 'paused', 'paused');
  const retry = (commandId: string) =>
    bench.world.life?.supervisor.retryQuarantine({ follower: FOLLOWER, commandId, by: 'ada', waitMs: 500 });
  const paused = await bench.run(Promise.resolve(retry('c-1')));
  assert.deepEqual([paused?.accepted, paused?.effective], [true, false]);
  assert.equal((await bench.events()).at(-1)?.by, 'ada');
  assert.equal(bench.pair().snapshot?.state, 'paused');
  const listed = await bench.run(wholeQueries(present(bench.world.life, 'a life').supervisor.pages).quarantine({}));
  assert.equal(listed.length, 2, 'what is paused is told too');

  bench.world.refusals.correct();
  await bench.resume();
  await bench.until(() => bench.pair().quarantined === 0, 'an empty quarantine');
  await bench.until(() => bench.pair().snapshot?.quarantined === undefined, 'a journal that says so');
  const again = await bench.run(Promise.resolve(retry('c-2')));
  assert.equal(again?.effective, true, 'there is nothing left to wait for');
  assert.equal(bench.world.followerIndex?.shards[0]?.size, 3);
});

test('a crash forgets nothing, also when the index of the quarantine was deleted meanwhile', async () => {
  const bench = await withOneRefused();
  await bench.until(
    () => (bench.world.positions.records.get(KEY)?.record.position.passedOver?.length ?? 0) === 2,
    'saved',
  );
  bench.world.quarantine.drop();
  await bench.crash();
  await bench.until(() => bench.pair().session.quarantine?.size === 2, 'both known again');
  assert.deepEqual([...bench.world.quarantine.of(KEY).keys()].toSorted(), ['a', 'b']);
});

test('more than may be in quarantine stops the pair, and the page that went over is not recorded', async () => {
  const bench = actorBench({ refusedShare: 1, parameters: { quarantine_max_documents: 2 } });
  for (const id of ['a', 'b', 'c']) bench.put(id);
  await bench.follow();
  await bench.until(() => bench.state() === 'fatal', 'an end');
  assert.equal(bench.pair().snapshot?.failure?.code, 'too_many_quarantined');
  assert.equal(bench.world.quarantine.of(KEY).size, 0);
});

test('under the policy fail the first refused document stops the pair', async () => {
  const bench = actorBench({ refusedShare: 1, parameters: { on_document_rejected: 'fail' } });
  bench.put('a');
  await bench.follow();
  await bench.until(() => bench.state() === 'fatal', 'an end');
  assert.equal(bench.pair().snapshot?.failure?.code, 'document_rejected');
  assert.match(bench.pair().snapshot?.failure?.reason ?? '', /^the document at leader seq_no 0: document_parsing/);
});

/** Two shards into two, by different formulas. */
const UNALIGNED = { leaderShards: 2, leaderFormula: 'ranges' as const };
const [TAKEN, REFUSED] = [3, 1];

/** Another state of a document of the leader; the follower takes or refuses it. */
function write({ world }: ActorBench, id: string, n: number, routing?: string): void {
  world.leader.write(LEADER.index, { id, routing, source: JSON.stringify({ n, fields: 0 }) });
}

function quarantined({ world }: ActorBench): number {
  return (world.life?.supervisor.pairs ?? []).reduce((sum, pair) => sum + pair.quarantined, 0);
}

function copies({ world }: ActorBench): readonly string[] {
  return (world.followerIndex?.shards ?? []).flatMap((shard) => [...shard.documents()].map(({ source }) => source));
}

test('where shards do not align, a refused update of a copied document stays known until it is taken', async () => {
  const bench = actorBench({ ...UNALIGNED, refusedShare: 0.62 });
  const ids = Array.from({ length: 8 }, (_, at) => `d${at}`);
  for (const id of ids) write(bench, id, TAKEN);
  await bench.follow();
  await bench.until(() => copies(bench).length === ids.length, 'a copy');
  for (const id of ids) write(bench, id, REFUSED);
  await bench.until(() => quarantined(bench) === ids.length, 'all updates in quarantine');
  await bench.crash();
  await bench.until(() => quarantined(bench) === ids.length, 'all of them known again');

  bench.world.refusals.correct();
  await bench.run(bench.world.touchFollowerMapping());
  await bench.until(() => quarantined(bench) === 0, 'an empty quarantine');
  assert.deepEqual(
    copies(bench),
    ids.map(() => '{"n":1,"fields":0}'),
  );
});

test('a refused document that moved to another follower shard leaves no older copy in its former place', async () => {
  const bench = actorBench({ ...UNALIGNED, refusedShare: 0.62 });
  write(bench, 'other', TAKEN);
  await bench.follow();
  await bench.until(() => bench.state() === 'following', 'following');
  const index = bench.world.followerIndex ?? assert.fail('a follower index');
  const home = (routing: string) => shardNumberOf(bench.world.leaderIndex, { id: 'x', routing }) === 0;
  const routings = Array.from({ length: 20 }, (_, at) => `r${at}`).filter(home);
  const [before, after] = [0, 1].map((place) =>
    routings.find((routing) => shardNumberOf(index, { id: 'x', routing }) === place),
  );
  assert.ok(before !== undefined && after !== undefined);
  const places = () => index.shards.map((shard) => shard.get('x')?.routing);
  write(bench, 'x', TAKEN, before);
  await bench.until(() => places()[0] === before, 'a copy');
  write(bench, 'x', REFUSED, after);
  await bench.until(() => quarantined(bench) === 1 && places()[0] === undefined, 'the older copy to go');
  const progress = bench.pair().session.progress ?? assert.fail('progress');
  await bench.until(() => progress.outstandingDeletes === 0, 'equal counts');
  assert.deepEqual([progress.counters.scanSurprises, progress.quarantine.withoutCopy], [0, 1]);

  bench.world.refusals.correct();
  await bench.run(bench.world.touchFollowerMapping());
  await bench.until(() => quarantined(bench) === 0, 'an empty quarantine');
  assert.deepEqual(places(), [undefined, after]);
});

test('what was refused just before a retry is asked for, and comes into quarantine after it, is tried again', async () => {
  const written = Promise.withResolvers<void>();
  let putting = false;
  const bench = actorBench({ refusedShare: 0.62 }, (ports) => ({
    ...ports,
    quarantine: {
      load: (...given) => ports.quarantine.load(...given),
      remove: (...given) => ports.quarantine.remove(...given),
      async put(...given) {
        putting = true;
        await written.promise;
        return ports.quarantine.put(...given);
      },
    },
  }));
  await bench.follow();
  await bench.until(() => bench.state() === 'following', 'following');
  const followingAtMs = bench.world.clock.monotonic();
  await bench.until(() => bench.world.clock.monotonic() > followingAtMs + 5000, 'settings that stay as they are');
  write(bench, 'x', REFUSED);
  await bench.until(() => putting, 'a refusal');
  bench.world.refusals.correct();
  const { supervisor } = bench.world.life ?? assert.fail('a living process');
  assert.equal(quarantined(bench), 0);
  await bench.run(supervisor.retryQuarantine({ follower: FOLLOWER, commandId: 'c-1' }));
  written.resolve();
  await bench.until(() => quarantined(bench) === 1, 'a quarantine');
  await bench.until(() => quarantined(bench) === 0, 'an empty quarantine');
  assert.equal(bench.world.followerIndex?.shards[0]?.size, 1);
});
