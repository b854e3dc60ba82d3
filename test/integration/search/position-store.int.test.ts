import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { PositionRecord } from '../../../src/domain/position.ts';
import { never, openReal, urlOf } from './real-cluster.ts';

const url = urlOf('SLIPSTREAM_FOLLOWER_URL');
const run = `search-int/${process.pid}-${Date.now()}`;
const used = new Set<string>();

function record(label: string, over: Partial<PositionRecord> = {}): PositionRecord {
  const pair = `${run}/${label}/0`;
  used.add(pair);
  return {
    pair,
    journalId: 'journal',
    term: 4,
    savedAtMs: 1_700_000_000_000,
    position: {
      epoch: 2,
      checkpoint: 17,
      ranges: [{ from: 0, to: 99, next: 12 }],
      leader: { uuid: 'l', historyUuid: 'h', shards: 3 },
      follower: { uuid: 'f', historyUuids: ['a', 'b'], maxSeqNos: [1, 2 ** 53 - 1] },
      followerCount: null,
      clean: false,
    },
    ...over,
  };
}

after(async () => {
  await using c = openReal(url);
  await c.positions.remove([...used], never);
  assert.equal((await c.positions.load([...used], never)).size, 0);
});

describe('positions', () => {
  it('come back as they were saved, whatever the name of the pair', async () => {
    await using c = openReal(url);
    const labels = [
      'plain',
      'idx.with.dots-ünï',
      '漢'.repeat(85),
      `${'x'.repeat(250)}-1`,
      `${'漢字'.repeat(120)}-1`,
      `${'漢字'.repeat(120)}-2`,
    ];
    const records = labels.map((label, n) => record(label, { term: n }));
    const saved = await c.positions.save(
      records.map((one) => ({ record: one, token: undefined })),
      never,
    );
    assert.ok(saved.every(({ kind }) => kind === 'saved'));
    const loaded = await c.positions.load([...records.map(({ pair }) => pair), `${run}/none/0`], never);
    assert.deepEqual(
      [...loaded.values()].map((stored) => stored.record),
      records,
    );
    assert.deepEqual(await c.positions.save([], never), []);
    assert.equal((await c.positions.load([], never)).size, 0);
  });

  it('are taken over only from who holds the newest token', async () => {
    await using c = openReal(url);
    const first = record('contended');
    const [created] = await c.positions.save([{ record: first, token: undefined }], never);
    assert.ok(created?.kind === 'saved');
    const second = record('contended', { term: 5 });
    const [moved] = await c.positions.save([{ record: second, token: created.token }], never);
    assert.ok(moved?.kind === 'saved');
    const late = record('contended', { term: 4, savedAtMs: 1 });
    const other = record('uncontended');
    const outcomes = await c.positions.save(
      [
        { record: late, token: created.token },
        { record: other, token: undefined },
        { record: late, token: undefined },
      ],
      never,
    );
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ['conflict', 'saved', 'conflict'],
    );
    const stored = (await c.positions.load([first.pair], never)).get(first.pair);
    assert.deepEqual(stored, { record: second, token: moved.token });
    const [gone] = await c.positions.save([{ record: record('vanished'), token: moved.token }], never);
    assert.equal(gone?.kind, 'conflict');
  });

  it('count as saved when the answer to the same write was lost', async () => {
    await using c = openReal(url);
    const one = record('repeated');
    const [first] = await c.positions.save([{ record: one, token: undefined }], never);
    const [again] = await c.positions.save([{ record: one, token: undefined }], never);
    assert.deepEqual(again, first);
    const next = record('repeated', { savedAtMs: 2 });
    assert.ok(first?.kind === 'saved');
    const [moved] = await c.positions.save([{ record: next, token: first.token }], never);
    const [repeated] = await c.positions.save([{ record: next, token: first.token }], never);
    assert.deepEqual(repeated, moved);
  });

  it('are removed, whether they were there or not', async () => {
    await using c = openReal(url);
    const one = record('removed');
    await c.positions.save([{ record: one, token: undefined }], never);
    await c.positions.remove([one.pair, `${run}/never/0`], never);
    assert.equal((await c.positions.load([one.pair], never)).size, 0);
    await c.positions.remove([], never);
  });

  it('live in a hidden index of one shard that is not searched and loses nothing that was acknowledged', async () => {
    await using c = openReal(url);
    await c.positions.save([{ record: record('index'), token: undefined }], never);
    const index = await c.admin.describe('.replication_checkpoint', never);
    assert.equal(index?.settings['index.hidden'], 'true');
    assert.equal(index.settings['index.number_of_shards'], '1');
    assert.equal(index.settings['index.auto_expand_replicas'], '0-1');
    assert.equal(index.defaults['index.translog.durability'], 'REQUEST');
    assert.equal(index.mappings['dynamic'], 'false');
    assert.deepEqual(Object.keys(index.mappings['properties'] as object).toSorted(), ['pair', 'record']);
  });
});
