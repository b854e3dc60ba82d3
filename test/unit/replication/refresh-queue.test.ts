import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RefreshQueue, type RefreshWish } from '../../../src/replication/refresh-queue.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

function opened() {
  const clock = new VirtualClock();
  const begun: string[] = [];
  const endings = new Map<string, PromiseWithResolvers<void>>();
  const queue = new RefreshQueue((index) => {
    begun.push(index);
    const ending = Promise.withResolvers<void>();
    endings.set(index, ending);
    return ending.promise;
  }, clock);
  const ask = (index: string, wish: Partial<RefreshWish> = {}): Promise<number> =>
    queue.refresh(index, { urgent: false, wanted: () => true, ...wish });
  const end = async (index: string): Promise<void> => {
    endings.get(index)?.resolve();
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  };
  return { queue, clock, begun, ask, end };
}

const names = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `i${at}`);

test('four at once, the rest in the order in which they came, those in the midst of a step first', async () => {
  const { begun, ask, end } = opened();
  for (const name of names(6)) void ask(name);
  void ask('pressing', { urgent: true });
  assert.deepEqual(begun, names(4));
  await end('i0');
  await end('i1');
  assert.deepEqual(begun, [...names(4), 'pressing', 'i4']);
});

test('whoever comes before it begins shares a refresh, and nobody who comes later', async () => {
  const { begun, ask, end } = opened();
  for (const name of names(4)) void ask(name);
  const waiting = [ask('late'), ask('late'), ask('late', { urgent: true })];
  void ask('i0');
  await end('i1');
  await end('late');
  await Promise.all(waiting);
  assert.deepEqual(begun, [...names(4), 'late', 'i0']);
});

test('it tells how long the refresh took, not how long it waited for its turn', async () => {
  const { ask, end, clock } = opened();
  const later = async (ms: number): Promise<void> => {
    clock.setTimeout(() => undefined, ms);
    clock.runNext();
  };
  for (const name of names(4)) void ask(name);
  const waiting = ask('late');
  await later(200);
  await end('i1');
  await later(70);
  await end('late');
  assert.equal(await waiting, 70);
});

test('what nobody waits for any more is passed over', async () => {
  const { begun, ask, end } = opened();
  for (const name of names(4)) void ask(name);
  const given = ask('given up', { wanted: () => false });
  void ask('next');
  await end('i2');
  await given;
  assert.deepEqual(begun, [...names(4), 'next']);
});

test('slow ones make room for others, up to twelve under way', async () => {
  const { begun, ask, clock } = opened();
  for (const name of names(40)) void ask(name);
  for (let step = 0; step < 5; step += 1) clock.runNext();
  assert.ok(begun.length > 4, `${begun.length} under way`);
  while (clock.pending > 0) clock.runNext();
  assert.equal(begun.length, 12);
});

test('at the end those that wait hear why', async () => {
  const { queue, ask } = opened();
  for (const name of names(4)) void ask(name);
  const waiting = ask('waiting');
  queue.end(new Error('the watcher stops'));
  await assert.rejects(waiting, /the watcher stops/);
});
