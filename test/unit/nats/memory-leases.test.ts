import { testLeaseStore } from '../../conformance/lease-store.suite.ts';
import { memoryLeases, type RequestFate } from '../../support/memory-leases.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const TURN_MS = 50;
const STORED: RequestFate = { stored: 1, beforeMs: 0, afterMs: 0, answered: true };

testLeaseStore('memory', async () => {
  const clock = new VirtualClock();
  const leases = memoryLeases(clock);
  const stop = new AbortController();
  let losing = false;
  const fate = (): RequestFate => {
    const answered = !losing;
    losing = false;
    return { ...STORED, answered };
  };
  const store = leases.open({ fate });
  return {
    store,
    watching: stop.signal,
    another: async () => leases.open(),
    async until(what, look) {
      for (let turn = 0; turn < 10_000; turn += 1) {
        for (let at = 0; at < 20; at += 1) await Promise.resolve();
        const found = look();
        if (found !== undefined) return found;
        clock.advance(TURN_MS);
      }
      throw new Error(`gave up on: ${what}`);
    },
    cut: async () => void (store.cut = true),
    join: async () => void (store.cut = false),
    loseNextAnswer: () => void (losing = true),
    [Symbol.asyncDispose]: async () => stop.abort(),
  };
});
