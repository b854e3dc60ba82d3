import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { slotOrder, slotShares } from '../../../src/domain/slot-shares.ts';
import { SLOT_COUNT } from '../../../src/domain/slots.ts';

const none: ReadonlySet<number> = new Set();
const first = (count: number): ReadonlySet<number> => new Set(Array.from({ length: count }, (_, slot) => slot));

describe('shares of slots', () => {
  it('are a floor or ceiling of the mean, and the same whoever asks', () => {
    for (let takers = 1; takers <= 300; takers += 7) {
      const sessions = Array.from({ length: takers }, (_, at) => ({ session: `s${at}`, shuns: none }));
      const shares = slotShares(sessions);
      const counts = [...shares.values()];
      assert.equal(
        counts.reduce((sum, count) => sum + count, 0),
        SLOT_COUNT,
      );
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
      assert.deepEqual(slotShares(sessions.toReversed()), shares);
    }
    assert.equal(slotShares([]).size, 0);
  });

  it('are made up for with the rest where some slots are shunned', () => {
    const shares = slotShares([
      { session: 'a', shuns: first(100) },
      { session: 'b', shuns: none },
    ]);
    assert.deepEqual([shares.get('a'), shares.get('b')], [128, 128]);
    const far = slotShares([
      { session: 'a', shuns: first(200) },
      { session: 'b', shuns: first(10) },
    ]);
    assert.deepEqual([far.get('a'), far.get('b')], [56, 190]);
  });

  it("are taken in an order that is each session's own, and holds every slot", () => {
    const [one, two] = [slotOrder('a'), slotOrder('b')];
    assert.equal(new Set(one).size, SLOT_COUNT);
    const half = SLOT_COUNT / 2;
    const both = one.slice(0, half).filter((slot) => two.slice(0, half).includes(slot)).length;
    assert.ok(both > half / 4 && both < (half * 3) / 4, `${both} of ${half} in common`);
  });
});
