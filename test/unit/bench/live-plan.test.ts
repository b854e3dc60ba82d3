import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Corpus } from '../../../bench/corpus.ts';
import { planLive, splitPlan } from '../../../bench/live-plan.ts';

function corpusOf(documents: number): Corpus {
  return { documents, id: (at) => `city-${at}`, document: (at, revision) => JSON.stringify({ at, revision }) };
}
const OPTIONS = { corpus: corpusOf(60_000), operationsPerSecond: 2_000, seconds: 30, batchMs: 50 };

test('the batches come at a steady pace and make up the rate', () => {
  const plan = planLive(OPTIONS);
  assert.equal(plan.length, 600);
  assert.deepEqual(
    plan.slice(0, 3).map(({ dueMs }) => dueMs),
    [0, 50, 100],
  );
  assert.ok(plan.every(({ operations }) => operations.length === 100));
});

test('two thirds are updates, one tenth deletes, the rest creates, in every batch', () => {
  const plan = planLive(OPTIONS);
  const count = (kind: string, from = plan): number =>
    from.flatMap(({ operations }) => operations).filter((operation) => operation.kind === kind).length;
  assert.equal(count('update'), 40_000);
  assert.equal(count('delete'), 6_000);
  assert.equal(count('create'), 14_000);
  for (const batch of plan) assert.ok(count('delete', [batch]) >= 9 && count('create', [batch]) >= 20);
});

test('no document is met twice, so that what is seen of it tells which operation has arrived', () => {
  const ids = planLive(OPTIONS).flatMap(({ operations }) => operations.map(({ id }) => id));
  assert.equal(new Set(ids).size, ids.length);
});

test('the body holds the operations in their order', () => {
  const [first] = planLive(OPTIONS);
  assert.ok(first);
  const lines = first.body.toString().trimEnd().split('\n');
  const told: { kind: string; id: string }[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const action = JSON.parse(lines[at] ?? '') as { index?: { _id: string }; delete?: { _id: string } };
    if (action.delete) told.push({ kind: 'delete', id: action.delete._id });
    else {
      const id = action.index?._id ?? '';
      told.push({ kind: id.startsWith('new-') ? 'create' : 'update', id });
      at += 1;
      assert.equal((JSON.parse(lines[at] ?? '') as { revision: number }).revision, 1);
    }
  }
  assert.deepEqual(told, first.operations);
});

test('an index with too few documents is refused', () => {
  assert.throws(() => planLive({ ...OPTIONS, corpus: corpusOf(59_999) }), RangeError);
});

test('a plan in two parts has the same batches, each part from its own begin', () => {
  const plan = planLive(OPTIONS);
  const [before, after] = splitPlan(plan, 10_000);
  assert.equal(before.length, 200);
  assert.equal(after[0]?.dueMs, 0);
  assert.deepEqual(
    [...before, ...after].map(({ operations }) => operations),
    plan.map(({ operations }) => operations),
  );
});
