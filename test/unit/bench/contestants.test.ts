import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Cluster } from '../../../bench/cluster.ts';
import { rangesOf } from '../../../bench/contestants.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

function leaderWith(maxSeqNo: number): Cluster {
  const answer = { indices: { cities: { shards: { 0: [{ seq_no: { max_seq_no: maxSeqNo } }] } } } };
  return {
    url: 'http://127.0.0.1:1',
    call: async () => Buffer.from(JSON.stringify(answer)),
    json: async <T>() => answer as T,
  };
}

interface RangeQuery {
  readonly range: { readonly _seq_no: { readonly gte: number; readonly lt: number } };
}

test('the ranges hold every operation exactly once, the last one too', async () => {
  for (const [maxSeqNo, ranges] of [
    [1_081_863, 4],
    [6, 4],
    [0, 2],
  ] as const) {
    const queries = (await rangesOf(leaderWith(maxSeqNo), 'cities', ranges)) as readonly RangeQuery[];
    const bounds = queries.map(({ range }) => range._seq_no);
    assert.equal(bounds.length, ranges);
    assert.equal(bounds[0]?.gte, 0);
    assert.equal(bounds.at(-1)?.lt, maxSeqNo + 1);
    for (const [at, { gte }] of bounds.entries()) if (at > 0) assert.equal(gte, bounds[at - 1]?.lt);
  }
});

test('one range is a query for everything', async () => {
  assert.deepEqual(await rangesOf(leaderWith(100), 'cities', 1), [{ match_all: {} }]);
});

test('elasticdump is locked to one version, names no registry, and is no dependency of the project', () => {
  const read = (...path: readonly string[]): string => readFileSync(join(ROOT, ...path), 'utf8');
  const wanted = JSON.parse(read('bench', 'elasticdump', 'package.json')) as { dependencies: { elasticdump: string } };
  assert.match(wanted.dependencies.elasticdump, /^\d+\.\d+\.\d+$/);
  const lock = read('bench', 'elasticdump', 'package-lock.json');
  const { packages } = JSON.parse(lock) as { packages: Record<string, { version?: string; integrity?: string }> };
  assert.equal(packages['node_modules/elasticdump']?.version, wanted.dependencies.elasticdump);
  assert.doesNotMatch(lock, /"resolved"/);
  for (const [name, { integrity }] of Object.entries(packages)) if (name !== '') assert.ok(integrity, name);
  assert.doesNotMatch(read('package.json'), /elasticdump/);
});
