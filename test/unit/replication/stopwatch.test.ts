import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Stopwatch } from '../../../src/replication/stopwatch.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

class HandClock extends VirtualClock {
  atMs = 0;

  override monotonic = (): number => this.atMs;
}

test('what is done about a value is not counted, and what is waited for just now is', async () => {
  const clock = new HandClock();
  const watch = new Stopwatch(clock);
  const seen: number[] = [];
  async function* source(): AsyncGenerator<number> {
    for (const value of [1, 2, 3]) {
      clock.atMs += 10;
      seen.push(watch.ms);
      yield Promise.resolve(value);
    }
    clock.atMs += 5;
  }
  const values: number[] = [];
  for await (const value of watch.waitingFor(source())) {
    values.push(value);
    clock.atMs += 1000;
  }
  assert.deepEqual(values, [1, 2, 3]);
  assert.deepEqual(seen, [10, 20, 30]);
  assert.equal(watch.ms, 35);
});

test('a source that fails has been waited for, and one that nobody reads on is closed', async () => {
  const clock = new HandClock();
  const watch = new Stopwatch(clock);
  let closed = 0;
  async function* source(fails: boolean): AsyncGenerator<number> {
    try {
      yield Promise.resolve(1);
      clock.atMs += 7;
      if (fails) throw new Error('the view has expired');
    } finally {
      closed += 1;
    }
  }
  await assert.rejects(async () => {
    for await (const value of watch.waitingFor(source(true))) assert.equal(value, 1);
  }, /expired/);
  assert.equal(watch.ms, 7);
  for await (const value of watch.waitingFor(source(false))) {
    assert.equal(value, 1);
    break;
  }
  assert.equal(closed, 2);
  assert.equal(watch.ms, 7);
});
