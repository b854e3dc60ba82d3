import assert from 'node:assert/strict';
import { it } from 'node:test';
import { actorBench } from './actor-bench.ts';

const SHARDS = 5;
/** Of a cluster in simulations. */
const OPENINGS = 2;

it('of the pairs that start together only so many read their positions at once, and all of them come to follow', async () => {
  let [open, most] = [0, 0];
  const bench = actorBench({ leaderShards: SHARDS, followerShards: SHARDS }, (ports, world) => ({
    ...ports,
    positions: {
      ...ports.positions,
      async load(pairs, signal) {
        open += 1;
        most = Math.max(most, open);
        try {
          await world.clock.sleep(10, signal);
          return await ports.positions.load(pairs, signal);
        } finally {
          open -= 1;
        }
      },
    },
  }));
  const following = (): boolean => {
    const pairs = bench.world.life?.supervisor.pairs ?? [];
    return pairs.length === SHARDS && pairs.every(({ session }) => session.replicator !== undefined);
  };
  await bench.follow();
  await bench.until(following, 'every pair open');
  await bench.crash();
  await bench.until(following, 'every pair open again');
  assert.equal(most, OPENINGS);
});
