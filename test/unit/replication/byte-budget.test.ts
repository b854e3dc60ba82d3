import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BudgetLease, ByteBudget } from '../../../src/replication/byte-budget.ts';
import { Semaphore } from '../../../src/replication/semaphore.ts';

const { signal } = new AbortController();

function budget(capacityBytes = 100, capacityOperations = 1000): ByteBudget {
  return new ByteBudget({ capacityBytes, capacityOperations });
}

/** The leases granted so far, by the order in which they were asked for. */
function asking(from: ByteBudget, sizes: readonly number[]): Map<number, BudgetLease> {
  const granted = new Map<number, BudgetLease>();
  for (const [at, bytes] of sizes.entries())
    from.acquire(bytes, 1, signal).then(
      (lease) => granted.set(at, lease),
      () => undefined,
    );
  return granted;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('first come, first served: a small page does not overtake a large one that waits', async () => {
  const shared = budget();
  const granted = asking(shared, [60, 60, 10]);
  await turn();
  assert.deepEqual([...granted.keys()], [0]);
  granted.get(0)?.release();
  await turn();
  assert.deepEqual([...granted.keys()], [0, 1, 2]);
  assert.equal(shared.usedBytes, 70);
});

test('a page larger than the whole budget is let through alone', async () => {
  const shared = budget();
  const granted = asking(shared, [10, 500, 10]);
  await turn();
  assert.deepEqual([...granted.keys()], [0]);
  granted.get(0)?.release();
  await turn();
  assert.deepEqual([...granted.keys()], [0, 1]);
  assert.equal(shared.usedBytes, 500);
  granted.get(1)?.release();
  await turn();
  assert.deepEqual([...granted.keys()], [0, 1, 2]);
});

test('operations count too', async () => {
  const shared = budget(1000, 2);
  const granted = asking(shared, [1, 1, 1]);
  await turn();
  assert.equal(granted.size, 2);
});

test('whoever stops waiting leaves the queue, and those behind go on', async () => {
  const shared = budget();
  const held = await shared.acquire(90, 1, signal);
  const waiter = new AbortController();
  const large = shared.acquire(50, 1, waiter.signal);
  const granted = asking(shared, [10]);
  await turn();
  assert.deepEqual([granted.size, shared.waiting], [0, 2]);
  const reason = new Error('no more');
  waiter.abort(reason);
  await assert.rejects(large, reason);
  await turn();
  assert.deepEqual([granted.size, shared.waiting, shared.usedBytes], [1, 0, 100]);
  held.release();
  await assert.rejects(shared.acquire(1, 1, AbortSignal.abort(reason)), reason);
});

test('a lease is corrected when the true size is known, and given back once', async () => {
  const shared = budget();
  const lease = await shared.acquire(80, 1, signal);
  const granted = asking(shared, [50]);
  await turn();
  assert.equal(granted.size, 0);
  lease.adjust(50, 1);
  await turn();
  assert.equal(granted.size, 1);
  lease.release();
  lease.release();
  assert.equal(shared.usedBytes, 50);
  assert.throws(() => lease.adjust(1, 1));
});

test('whatever is asked for, corrected, given back or given up, nothing is left and nothing is negative', async () => {
  const step = fc.record({
    bytes: fc.integer({ min: 1, max: 200 }),
    action: fc.constantFrom('ask', 'release', 'adjust', 'abort'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const shared = budget();
      const held: BudgetLease[] = [];
      const waiting: AbortController[] = [];
      for (const { bytes, action } of steps) {
        if (action === 'release') held.shift()?.release();
        else if (action === 'adjust') held[0]?.adjust(bytes, 1);
        else if (action === 'abort') waiting.pop()?.abort(new Error('given up'));
        else {
          const one = new AbortController();
          waiting.push(one);
          shared.acquire(bytes, 1, one.signal).then(
            (lease) => held.push(lease),
            () => undefined,
          );
        }
        await turn();
        assert.ok(shared.usedBytes >= 0);
      }
      while (held.length > 0 || shared.waiting > 0) {
        assert.ok(held.length > 0, 'somebody waits although nobody holds anything');
        held.shift()?.release();
        await turn();
      }
      assert.deepEqual([shared.usedBytes, shared.waiting], [0, 0]);
    }),
    { numRuns: 60 },
  );
});

test('a semaphore lets as many in as it has permits, in order, also after failures and people who leave', async () => {
  const doors = new Semaphore(2);
  const inside = new Set<number>();
  const order: number[] = [];
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const leaver = new AbortController();
  const visits = gates.map((gate, guest) =>
    doors.use(guest === 2 ? leaver.signal : signal, async () => {
      inside.add(guest);
      order.push(guest);
      assert.ok(inside.size <= 2);
      await gate.promise.finally(() => inside.delete(guest));
    }),
  );
  await turn();
  assert.deepEqual(order, [0, 1]);
  leaver.abort(new Error('left'));
  await assert.rejects(visits[2] ?? Promise.resolve(), /left/);
  gates[0]?.reject(new Error('failed'));
  await assert.rejects(visits[0] ?? Promise.resolve(), /failed/);
  await turn();
  assert.deepEqual(order, [0, 1, 3]);
  for (const gate of gates.slice(1)) gate.resolve();
  await Promise.all([visits[1], visits[3], visits[4]]);
  assert.deepEqual(order, [0, 1, 3, 4]);
});
