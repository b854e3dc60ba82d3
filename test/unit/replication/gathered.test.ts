import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as settled } from 'node:timers/promises';
import { gathered } from '../../../src/replication/gathered.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

test('calls that come together share one piece of work, which begins after the last of them', async () => {
  const clock = new VirtualClock();
  const begun: number[] = [];
  const look = gathered(clock, async () => begun.push(clock.monotonic()));
  const { signal } = new AbortController();
  const calls = [look(signal, 40)];
  clock.advance(30);
  calls.push(look(signal, 40));
  assert.deepEqual(begun, []);
  clock.advance(10);
  await settled();
  calls.push(look(signal, 40));
  clock.advance(40);
  assert.deepEqual(await Promise.all(calls), [1, 1, 2]);
  assert.equal((begun[1] ?? 0) - (begun[0] ?? 0), 40);
});
