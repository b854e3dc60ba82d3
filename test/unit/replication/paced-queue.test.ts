import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacedQueue } from '../../../src/replication/paced-queue.ts';
import { SimRandom } from '../../support/sim-random.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

function queue(perWindow = 100): { clock: VirtualClock; queue: PacedQueue } {
  const clock = new VirtualClock();
  return { clock, queue: new PacedQueue({ clock, random: new SimRandom(3), perWindow }) };
}

/** Number of turns in each tenth of a second, until nobody waits. */
async function turns(clock: VirtualClock, left: () => number): Promise<readonly number[]> {
  const counts: number[] = [];
  for (let before = left(); before > 0 && counts.length < 1000; before = left()) {
    clock.advance(100);
    await settled();
    counts.push(before - left());
  }
  return counts;
}

const settled = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const never = (): AbortSignal => new AbortController().signal;

test('whoever comes alone goes at once', async () => {
  const { clock, queue: q } = queue();
  await q.turn(never());
  assert.equal(clock.pending, 0);
});

test('more than the rate allows wait for the next window', async () => {
  const { clock, queue: q } = queue(10);
  for (let n = 0; n < 25; n += 1) void q.turn(never());
  await settled();
  assert.equal(q.length, 15);
  assert.deepEqual(await turns(clock, () => q.length), [10, 5]);
  assert.equal(clock.pending, 0);
});

test('nobody goes while it is shut, and then the rate doubles with each window', async () => {
  const { clock, queue: q } = queue();
  q.shut();
  let gone = 0;
  for (let n = 0; n < 400; n += 1) void q.turn(never()).then(() => (gone += 1));
  clock.advance(60_000);
  await settled();
  assert.deepEqual([gone, clock.pending], [0, 0]);
  q.open();
  await settled();
  assert.equal(gone, 1);
  assert.deepEqual(await turns(clock, () => q.length), [2, 4, 8, 16, 32, 64, 100, 100, 73]);
});

for (const many of [5000, 20_000])
  test(`${many} that waited have all gone after six seconds, and never a fiftieth of them at once`, async () => {
    const { clock, queue: q } = queue();
    q.shut();
    for (let n = 0; n < many; n += 1) void q.turn(never());
    q.open();
    const counts = await turns(clock, () => q.length);
    assert.ok(counts.length <= 60, `${counts.length} windows`);
    assert.ok(Math.max(...counts) <= Math.max(100, many / 50));
  });

test('they go in another order than they came', async () => {
  const { clock, queue: q } = queue();
  q.shut();
  const order: number[] = [];
  for (let n = 0; n < 50; n += 1) void q.turn(never()).then(() => order.push(n));
  q.open();
  await turns(clock, () => q.length);
  await settled();
  assert.equal(order.length, 50);
  assert.notDeepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
});

test('who gives up leaves no timer behind', async () => {
  const { clock, queue: q } = queue(1);
  await q.turn(never());
  const gone = new AbortController();
  const waiting = q.turn(gone.signal);
  assert.equal(clock.pending, 1);
  gone.abort(new Error('gone'));
  await assert.rejects(waiting, /gone/);
  assert.equal(clock.pending, 0);
});
