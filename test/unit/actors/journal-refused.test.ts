import assert from 'node:assert/strict';
import { it } from 'node:test';
import { EVENT_VERSION } from '../../../src/domain/journal.ts';
import { indexSubject, pairSubject } from '../../../src/domain/subjects.ts';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import { present } from '../../../src/domain/assert.ts';
import { wholeQueries } from '../../../src/domain/pages.ts';
import { actorBench, refusalOf } from './actor-bench.ts';

const other = { cluster: FOLLOWER.cluster, index: 'other-copy' };

for (const [what, code, text] of [
  ['cannot be read', 'journal_corrupt', 'no event'],
  [
    'is of a newer version',
    'journal_from_newer_version',
    JSON.stringify({ entity: 'pair', version: EVENT_VERSION + 1 }),
  ],
] as const)
  for (const subject of [indexSubject(FOLLOWER), pairSubject({ follower: FOLLOWER, shard: 0 })])
    it(`an index whose event on ${subject} ${what} is refused by name; nothing is appended, and others go on`, async () => {
      const bench = actorBench();
      await bench.follow();
      const supervisor = () => present(bench.world.life, 'a life').supervisor;
      await bench.run(supervisor().follow({ leader: LEADER, follower: other, commandId: 'c-other' }));
      bench.world.journal.storeText(subject, text);
      await bench.crash();
      const size = bench.world.journal.size;
      for (const work of [
        () => supervisor().follow({ leader: LEADER, follower: FOLLOWER }),
        () => supervisor().pause({ follower: FOLLOWER }),
        () => supervisor().unfollow({ follower: FOLLOWER }),
      ])
        assert.equal((await refusalOf(bench.run(work()))).code, code);
      assert.equal(bench.world.journal.size, size);
      const [refused] = await wholeQueries(supervisor().pages).status({ follower: FOLLOWER });
      assert.match(refused?.state ?? '', new RegExp(`^${code}: event at sequence \\d+ of subject ${subject}`));
      assert.deepEqual(
        (await wholeQueries(supervisor().pages).list()).map(({ follower }) => follower),
        [FOLLOWER, other],
      );
      await bench.until(() => supervisor().pairs[0]?.snapshot?.state === 'following', 'the other following');
    });
