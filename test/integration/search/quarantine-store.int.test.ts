import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { QuarantinedDocument } from '../../../src/domain/quarantine.ts';
import type { QuarantineWrite } from '../../../src/ports/quarantine-store.ts';
import { until } from '../../support/until.ts';
import { never, openReal, urlOf } from './real-cluster.ts';

const url = urlOf('SLIPSTREAM_FOLLOWER_URL');
const run = `search-int/${process.pid}-${Date.now()}`;
const used = new Set<string>();

function write(label: string, over: Partial<QuarantinedDocument> = {}, version = 100): QuarantineWrite {
  const pair = `${run}/${label}/0`;
  used.add(pair);
  const document: QuarantinedDocument = {
    id: 'a',
    routing: undefined,
    seqNo: 7,
    code: 'document_rejected',
    reason: 'document_parsing_exception: so',
    copyVersion: undefined,
    firstRefusedAtMs: 1_700_000_000_000,
    refusedAtMs: 1_700_000_001_000,
    refusals: 3,
    ...over,
  };
  return { pair, epoch: 2, version, document, copySeqNo: undefined, content: '{"half of', contentBytes: 4711 };
}

after(async () => {
  await using c = openReal(url);
  for (const pair of used) {
    const held = await c.quarantine.load(pair, never);
    await c.quarantine.remove(
      pair,
      held.map(({ document: { id }, version }) => ({ id, version })),
      never,
    );
    assert.deepEqual(await c.quarantine.load(pair, never), []);
  }
});

describe('the quarantine', () => {
  it('gives back what was put, by pair, in order, seen at once, whatever the ids', async () => {
    await using c = openReal(url);
    const awkward = `${'"\\ \u0001é'.repeat(80)}🙂`;
    const written = [
      write('ids', { id: awkward, routing: `r ${awkward}`, seqNo: 9, copyVersion: 2 ** 53 - 1 }),
      write('ids', { id: 'b', seqNo: 3, code: 'too_large_for_follower' }),
    ];
    await c.quarantine.put([...written, write('others')], never);
    assert.deepEqual(
      await c.quarantine.load(`${run}/ids/0`, never),
      written.toReversed().map(({ epoch, version, document }) => ({ epoch, version, document })),
    );
    assert.deepEqual(await c.quarantine.load(`${run}/nobody/0`, never), []);
  });

  it('keeps the newer state of a document however late an older request comes', async () => {
    await using c = openReal(url);
    await c.quarantine.put([write('late', { seqNo: 8 }, 108)], never);
    await assert.rejects(c.quarantine.put([write('late', { seqNo: 7 }, 107)], never));
    await c.quarantine.put([write('late', { seqNo: 8, refusals: 4 }, 108)], never);
    await c.quarantine.remove(`${run}/late/0`, [{ id: 'a', version: 107 }], never);
    const [held] = await c.quarantine.load(`${run}/late/0`, never);
    assert.deepEqual([held?.version, held?.document.refusals], [108, 4]);
    await c.quarantine.remove(`${run}/late/0`, [{ id: 'a', version: 108 }], never);
    await c.quarantine.remove(`${run}/late/0`, [{ id: 'a', version: 108 }], never);
    // Refused again in the same state: nothing of the removal is in the way.
    await c.quarantine.put([write('late', { seqNo: 8 }, 108)], never);
    assert.equal((await c.quarantine.load(`${run}/late/0`, never)).length, 1);
  });

  it('takes again what somebody else deleted, before its pair has waited for long', async () => {
    await using c = openReal(url);
    const one = write('deleted');
    await c.quarantine.put([one], never);
    const query = JSON.stringify({ query: { term: { pair: one.pair } } });
    const path = `${url}/.slipstream_quarantine/_delete_by_query?refresh=true&conflicts=proceed`;
    const headers = { 'content-type': 'application/json' };
    assert.equal((await fetch(path, { method: 'POST', headers, body: query })).status, 200);
    assert.deepEqual(await c.quarantine.load(one.pair, never), []);
    let refusal: unknown;
    const put = async (): Promise<true | undefined> => {
      try {
        await c.quarantine.put([one], never);
        return true;
      } catch (thrown) {
        refusal = thrown;
        return undefined;
      }
    };
    await until('it is taken again', 15_000, put, () => String(refusal));
    assert.equal((await c.quarantine.load(one.pair, never)).length, 1);
  });

  it('writes and reads more at once than one request takes', async () => {
    await using c = openReal(url);
    const many = Array.from({ length: 250 }, (_, at) => write('many', { id: `d${at}`, seqNo: at }, 100 + at));
    await c.quarantine.put(many, never);
    const held = await c.quarantine.load(`${run}/many/0`, never);
    assert.deepEqual(
      held.map(({ document }) => document.seqNo),
      many.map(({ document }) => document.seqNo),
    );
  });
});
