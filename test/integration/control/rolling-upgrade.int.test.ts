/** Three supervisors of the commit before this one are upgraded one by one under load, and set back again; `npm run test:cluster` does it with more pairs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { previousRelease } from '../../support/packed-release.ts';
import { openWorld } from '../../support/replication-world.ts';
import { type SharedIndices, shareIndices } from '../../support/shared-indices.ts';
import { bySize } from '../../support/test-size.ts';

const PAIRS = bySize({ short: 12, full: 200 });
const NAMES = ['ada', 'bea', 'cyd'];
const APPLIED_WITHIN_MS = 60_000 + 200 * PAIRS;
/** Two cores apply a round of updates and deletes to some twenty indices a second. */
const ROUND_EVERY_MS = bySize({ short: 100, full: 15_000 });

interface Load {
  /** Rounds so far. */
  readonly rounds: number;
  /** Throws if a write failed. */
  end(): Promise<void>;
}

function load(shared: SharedIndices): Load {
  let [rounds, ended] = [0, false];
  const writing = (async () => {
    for (; !ended; rounds += 1) {
      await shared.write();
      await delay(ROUND_EVERY_MS);
    }
  })();
  // Told by `end`.
  writing.catch(() => undefined);
  return {
    get rounds() {
      return rounds;
    },
    async end() {
      ended = true;
      await writing;
    },
  };
}

test('three supervisors are upgraded one by one under load, and set back: nothing is lost', async (t) => {
  await using previous = await previousRelease();
  t.diagnostic(`upgraded from: ${previous.told}`);
  await using world = await openWorld(
    bySize({
      short: { requestTimeoutMs: 5_000, commandTimeoutMs: 3_000 },
      full: { requestTimeoutMs: 20_000, commandTimeoutMs: 15_000 },
    }),
  );
  const shared = await shareIndices(world, PAIRS, (line) => console.log(line));
  await Promise.all(NAMES.map((name) => shared.start(name, previous.program)));
  await shared.write();
  await shared.follow();
  await shared.awaitApplied(NAMES, APPLIED_WITHIN_MS);
  const writers = load(shared);
  const replace = async (name: string, program?: string): Promise<void> => {
    const startedMs = performance.now();
    assert.equal(await shared.processOf(name).stop(), 0);
    await shared.start(name, program);
    // What was written until now: by whoever owns each pair now, old or new.
    await shared.awaitApplied(NAMES, APPLIED_WITHIN_MS);
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    t.diagnostic(`${name} ${program === undefined ? 'upgraded' : 'set back'} in ${seconds} s`);
  };
  for (const name of NAMES) await replace(name);
  for (const name of NAMES) await replace(name, previous.program);
  await writers.end();
  t.diagnostic(`${writers.rounds} rounds of writes to each of ${PAIRS} indices meanwhile`);
  await shared.awaitIdentical();
});
