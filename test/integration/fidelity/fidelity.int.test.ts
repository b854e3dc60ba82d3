/** What a follower holds is what its leader returns, to the byte, for every kind of index; docs/fidelity.md has the list in words. */
import { after, before, describe, it } from 'node:test';
import { openWorld, type World } from '../../support/replication-world.ts';
import { bySize } from '../../support/test-size.ts';
import { documentKinds } from './documents.ts';
import { fieldKinds } from './field-types.ts';
import { followAndCompare } from './following.ts';
import { encodedKinds, modeKinds } from './index-modes.ts';
import type { Kind } from './kind.ts';
import { vectorKinds } from './vectors.ts';

const KINDS: readonly Kind[] = [...documentKinds, ...fieldKinds, ...modeKinds, ...encodedKinds, ...vectorKinds];
/** Following is waiting, for the most part. */
const AT_ONCE = 8;

describe('a follower holds to the byte', { concurrency: AT_ONCE }, () => {
  let world: World;
  before(async () => {
    world = await openWorld();
    await world.start();
  });
  after(() => world[Symbol.asyncDispose]());

  for (const kind of KINDS.filter(({ long }) => bySize({ short: long !== true, full: true })))
    it(kind.name, async () => {
      await followAndCompare(world, kind);
    });
});
