import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stepEnd } from '../../../src/replication/step-end.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

interface World {
  retrying: boolean;
  pending: boolean;
  draining: boolean;
  restarted: boolean;
  lost: Error | undefined;
}

/** Whether a step ends, in a world that may change after its begin. */
function begun({ brief = false, ...changed }: Partial<World> & { brief?: boolean } = {}) {
  const clock = new VirtualClock();
  const world: World = {
    retrying: false,
    pending: false,
    draining: false,
    restarted: false,
    lost: undefined,
    ...changed,
  };
  const setup = {
    quarantine: {
      get retrying() {
        return world.retrying;
      },
    },
    repairs: {
      get pending() {
        return world.pending;
      },
    },
    draining: () => world.draining,
  };
  const audit = {
    get rolledBack() {
      return world.lost;
    },
    get restarted() {
      return world.restarted;
    },
  };
  const ended = stepEnd(setup as Parameters<typeof stepEnd>[0], {
    audit: audit as Parameters<typeof stepEnd>[1]['audit'],
    clock,
    brief,
  });
  return { clock, world, ended };
}

test('a step lasts a minute, a quarter of that where something waits for its next turn', () => {
  for (const [options, lastsMs] of [
    [{}, 60_000],
    [{ brief: true }, 15_000],
    [{ retrying: true }, 15_000],
  ] as const) {
    const { clock, ended } = begun(options);
    clock.advance(lastsMs - 1);
    assert.equal(ended(9), false);
    clock.advance(1);
    assert.equal(ended(0), true);
  }
});

test('what comes meanwhile ends it after a page, and a pause at once', () => {
  for (const change of [{ pending: true }, { retrying: true }, { restarted: true }, { lost: new Error('lost') }]) {
    const { world, ended } = begun();
    Object.assign(world, change);
    assert.deepEqual([ended(0), ended(1)], [false, true]);
  }
  const { world, ended } = begun();
  world.draining = true;
  assert.equal(ended(0), true);
});

test('what the quarantine has left to try does not end the step that follows each try', () => {
  const { ended } = begun({ retrying: true });
  assert.equal(ended(5), false);
});
