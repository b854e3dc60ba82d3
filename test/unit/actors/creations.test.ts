import assert from 'node:assert/strict';
import { it } from 'node:test';
import { present } from '../../../src/domain/assert.ts';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import { actorBench } from './actor-bench.ts';

const INDICES = 6;
/** Of a cluster in simulations. */
const CREATIONS = 2;

it('of the indices that are followed together only so many are created at once, and each of them once', async () => {
  let [creating, most] = [0, 0];
  const created: string[] = [];
  const bench = actorBench({}, (ports, world) => ({
    ...ports,
    admin: {
      ...ports.admin,
      async createIndex(index, body, signal) {
        creating += 1;
        most = Math.max(most, creating);
        await world.clock.sleep(1_000, signal);
        await ports.admin.createIndex(index, body, signal);
        created.push(index);
        creating -= 1;
      },
    },
  }));
  await bench.follow();
  const { supervisor } = present(bench.world.life, 'a life');
  const names = Array.from({ length: INDICES }, (_, at) => `orders-${at}`);
  const follow = (index: string): Promise<unknown> =>
    supervisor.follow({ leader: LEADER, follower: { ...FOLLOWER, index }, commandId: index });
  await bench.run(Promise.all(names.map(follow)));
  await bench.until(
    () => supervisor.pairs.every(({ snapshot }) => snapshot?.state === 'following'),
    'all of them following',
  );
  assert.equal(most, CREATIONS);
  assert.deepEqual(created.toSorted(), [...names, FOLLOWER.index].toSorted());
});
