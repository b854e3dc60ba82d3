/** What a list of documents does not show: pipelines, documents that cannot be read, a byte that was changed on the follower. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { createIndex } from '../../support/bulk-load.ts';
import { openWorld, type World } from '../../support/replication-world.ts';
import { until } from '../../support/until.ts';
import { followAndCompare, verifyContent } from './following.ts';
import { json } from './kind.ts';
import { put, rawSource, text } from './raw-documents.ts';

describe('a copy to the byte', { concurrency: 4 }, () => {
  let world: World;
  before(async () => {
    world = await openWorld();
    await world.start();
  });
  after(() => world[Symbol.asyncDispose]());

  async function putPipeline(t: TestContext, id: string): Promise<void> {
    for (const side of [world.leader, world.follower]) {
      const value = side === world.leader ? 'the leader' : 'the follower';
      await side.ok('PUT', `/_ingest/pipeline/${id}`, { processors: [{ set: { field: `by_${id}`, value } }] });
    }
    t.after(async () => {
      for (const side of [world.leader, world.follower]) await side.ok('DELETE', `/_ingest/pipeline/${id}`);
    });
  }

  it('holds what the pipelines of the leader made of a document, and runs none of them again', async (t) => {
    const [first, last] = [world.name('-default').replaceAll('-', '_'), world.name('-final').replaceAll('-', '_')];
    for (const id of [first, last]) await putPipeline(t, id);
    const piped = await followAndCompare(world, {
      name: 'pipelines',
      index: { settings: { 'index.default_pipeline': first, 'index.final_pipeline': last } },
      documents: [1, 2, 3, 4].map((n) => json(`d${n}`, { n })),
      rebuilt: true,
    });
    const source = await rawSource(world.follower, piped, { id: 'd2', routing: undefined });
    assert.deepEqual(JSON.parse(text(source ?? new Uint8Array())), {
      n: 1,
      [`by_${first}`]: 'the leader',
      [`by_${last}`]: 'the leader',
    });
    const pipelines = async (): Promise<unknown> => {
      const answer = await world.follower.ok('GET', `/${piped}/_settings?flat_settings=true`);
      const { settings } = answer[piped] as { settings: Record<string, string> };
      return [settings['index.default_pipeline'], settings['index.final_pipeline']];
    };
    assert.deepEqual(await pipelines(), ['slipstream-guard', '_none']);
    await world.control.unfollow({ follower: world.followerOf(piped) });
    await until('the pipelines are back', 15_000, async () =>
      JSON.stringify(await pipelines()) === JSON.stringify([first, last]) ? true : undefined,
    );
    // A pipeline that an index names cannot be deleted.
    for (const side of [world.leader, world.follower]) await side.ok('DELETE', `/${piped}`);
  });

  it('is not claimed by verify when one byte was changed on the follower', async () => {
    const index = await followAndCompare(world, {
      name: 'a byte',
      documents: [1, 2, 3].map((n) => json(`d${n}`, { n, text: 'one and the same' })),
    });
    const { _version: version } = await world.follower.ok('GET', `/${index}/_doc/d2`);
    const line = { index: { _id: 'd2', version, version_type: 'external_gte' } };
    const source = '{"n":1,"text":"one and the samf"}';
    await world.follower.ok('POST', `/${index}/_bulk?pipeline=_none`, `${JSON.stringify(line)}\n${source}\n`);
    const { outcome, compared, differing } = await verifyContent(world, index);
    assert.deepEqual([outcome, compared, differing.total], ['different', 1, 1]);
    assert.deepEqual(
      differing.samples.map(({ id, cause }) => [id, cause]),
      [['d2', 'content']],
    );
  });

  it('waits by name for a document that no search can return, and goes on when it is gone', async () => {
    const index = world.name('-unreadable');
    await createIndex(world.leader, index, { settings: { number_of_shards: 1 }, mappings: { enabled: false } });
    await world.follow(index);
    await world.awaitSettled(index);
    const ids = ['little-endian', 'with a mark'];
    for (const [at, id] of ids.entries()) {
      for (const n of [1, 2, 3]) await put(world.leader, index, json(`before ${id} ${n}`, { n }));
      const source = new Uint8Array(Buffer.from(`${at === 1 ? '\ufeff' : ''}{"a":1}`, 'utf16le'));
      await put(world.leader, index, { id, source });
      await put(world.leader, index, json(`after ${id}`, {}));
      const { _seq_no: seqNo } = await world.leader.ok('GET', `/${index}/_doc/${encodeURIComponent(id)}?_source=false`);
      const [pair] = await world.awaitPairs(
        index,
        'the pair says why it waits',
        30_000,
        ({ failure }) => failure?.code === 'document_unreadable',
      );
      assert.match(pair?.failure?.reason ?? '', new RegExp(`^the document at leader seq_no ${String(seqNo)}: `));
      assert.equal(pair?.state, 'retrying');
      assert.ok(
        await rawSource(world.follower, index, { id: `before ${id} 3`, routing: undefined }),
        'what came before',
      );
      await put(world.leader, index, json(id, { a: 1 }));
      await world.awaitSettled(index);
    }
    assert.equal((await verifyContent(world, index)).outcome, 'equal');
  });
});
