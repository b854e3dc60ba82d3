import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SLOT_COUNT } from '../../../src/domain/slots.ts';
import type { RequestFate } from '../../support/memory-leases.ts';
import { OwnershipWorld, type OwnerProcess } from '../../support/ownership-world.ts';

/** Most slots that changed hands from one living supervisor to another within 10 s. */
function mostMoves(world: OwnershipWorld, since = 0): number {
  const given = world.processes
    .flatMap(({ log }) => log.filter(({ what, atMs }) => what === 'given' && atMs >= since))
    .map(({ atMs }) => atMs)
    .toSorted((a, b) => a - b);
  return Math.max(0, ...given.map((at) => given.filter((each) => each > at - 10_000 && each <= at).length));
}

function assertEven(world: OwnershipWorld): void {
  const counts = world.counts();
  const mean = SLOT_COUNT / counts.length;
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    SLOT_COUNT,
  );
  for (const count of counts) assert.ok(Math.abs(count - mean) <= 1, `${counts.join()} is not even`);
}

describe('ownership of slots', () => {
  it('gives a lone supervisor all slots within 2 s of its start', async () => {
    const world = new OwnershipWorld();
    const one = world.join('one', { link: { fate: () => ({ stored: 1, beforeMs: 20, afterMs: 20, answered: true }) } });
    await world.run(2_000);
    assert.equal(one.owned.size, SLOT_COUNT);
    assert.equal(world.writable(one).length, SLOT_COUNT);
    assert.deepEqual(
      one.ownership.live().map(({ announced }) => announced.supervisor),
      ['one'],
    );
    assert.deepEqual(one.ownership.ownerOf(7), { session: one.ownership.session, term: one.owned.get(7) });
    assert.deepEqual(world.faults, []);
  });

  for (const supervisors of [2, 3, 4, 5]) {
    it(`shares the slots evenly between ${supervisors} that join one by one, at most 16 moves in 10 s`, async () => {
      const world = new OwnershipWorld(supervisors);
      for (let at = 0; at < supervisors; at += 1) {
        world.join(`s${at}`, { giveMs: () => 300 });
        await world.run(4_000);
      }
      await world.run(160_000);
      assertEven(world);
      assert.ok(mostMoves(world) <= 16, `${mostMoves(world)} moves`);
      assert.ok(mostMoves(world) >= 8);
      const settled = world.processes.map(({ log }) => log.length);
      await world.run(60_000);
      assert.deepEqual(
        world.processes.map(({ log }) => log.length),
        settled,
      );
      assert.deepEqual(world.faults, []);
    });
  }

  it('shares the slots evenly between supervisors that start at the same moment', async () => {
    const world = new OwnershipWorld();
    for (const name of ['a', 'b', 'c']) world.join(name);
    await world.run(60_000);
    assertEven(world);
    assert.deepEqual(world.faults, []);
  });

  it('gives the slots of a supervisor that left in order to the others at once, and moves none of theirs', async () => {
    const world = new OwnershipWorld();
    const [one, two, three] = [world.join('a'), world.join('b'), world.join('c')];
    await world.run(60_000);
    const before = [new Map(one.owned), new Map(two.owned)];
    const stopped = three.ownership.stop();
    await world.run(2_000);
    await stopped;
    assert.equal(three.owned.size, 0);
    assert.equal(three.log.filter(({ what }) => what === 'lost').length, 0);
    three.crashed = true;
    assertEven(world);
    for (const [at, process] of [one, two].entries())
      for (const [slot, term] of before[at] ?? []) assert.equal(process.owned.get(slot), term);
    assert.equal(one.ownership.live().length, 2);
    assert.deepEqual(world.faults, []);
  });

  it('takes the slots of a supervisor that crashed within 20 s, under higher terms, and nobody before its window is over', async () => {
    const world = new OwnershipWorld();
    const [one, two, three] = [world.join('a'), world.join('b'), world.join('c')];
    await world.run(60_000);
    const terms = new Map(three.owned);
    const crashedAt = world.time.monotonic();
    three.crash();
    await world.run(20_000);
    assertEven(world);
    const taken = [one, two].flatMap(({ log }) => log.filter(({ atMs }) => atMs > crashedAt));
    assert.equal(taken.length, terms.size);
    for (const { what, atMs, slot } of taken) {
      assert.equal(what, 'acquired');
      assert.ok(atMs - crashedAt >= 6_000 && atMs - crashedAt <= 11_000, `after ${atMs - crashedAt} ms`);
      assert.ok((one.owned.get(slot) ?? two.owned.get(slot) ?? 0) > (terms.get(slot) ?? 0));
    }
    assert.equal(one.ownership.live().length, 2);
  });

  it('ends sessions that a store gone back in time holds again, which would be counted for ever', async () => {
    const world = new OwnershipWorld();
    const [one, two, three] = [world.join('a'), world.join('b'), world.join('c')];
    await world.run(30_000);
    for (const each of [two, three]) each.crash();
    await world.run(20_000);
    assert.ok(world.leases.resurrect() && world.leases.resurrect());
    const late = world.join('d');
    await world.run(5_000);
    assert.equal(late.ownership.live().length, 4, 'who did not see them end takes them for alive');
    await world.run(180_000);
    assertEven(world);
    assert.deepEqual(
      late.ownership
        .live()
        .map(({ announced }) => announced.supervisor)
        .toSorted(),
      ['a', 'd'],
    );
    assert.equal(one.owned.size, SLOT_COUNT / 2);
    assert.deepEqual(world.faults, []);
  });

  it('knows the longest request of those that live, and of those that ended, until it is over', async () => {
    const world = new OwnershipWorld();
    const one = world.join('a', { requestTimeoutsMs: { replica: 30_000 } });
    const two = world.join('b', { requestTimeoutsMs: { replica: 120_000, other: 5_000 } });
    world.join('older');
    await world.run(10_000);
    const longest = (): readonly number[] =>
      ['replica', 'other', 'unknown'].map((cluster) => one.ownership.longestRequestMs(cluster));
    assert.deepEqual(longest(), [120_000, 5_000, 0]);
    two.crash();
    await world.run(20_000);
    assert.equal(one.ownership.live().length, 2);
    assert.deepEqual(longest(), [120_000, 0, 0]);
    await world.run(120_000);
    assert.deepEqual(longest(), [30_000, 0, 0]);
  });

  it('suspends writing within the window when the store is away, and goes on under the same terms', async () => {
    const world = new OwnershipWorld();
    const one = world.join('one');
    // Just after a renewal.
    await world.run(3_100);
    const terms = new Map(one.owned);
    let told = 0;
    one.ownership.observe(() => (told += 1));
    one.link.cut = true;
    await world.run(7_100);
    assert.equal(world.writable(one).length, 0);
    assert.ok(told > 0);
    assert.equal(one.owned.size, SLOT_COUNT);
    one.link.cut = false;
    // Before the session's time is over.
    await world.run(1_700);
    assert.equal(world.writable(one).length, SLOT_COUNT);
    assert.deepEqual(one.owned, terms);
    assert.ok(one.narrator.logs.some(({ message }) => message === 'nothing is written any more: no lease'));
  });

  it('tells whoever was refused a write that it may write again, however short that was', async () => {
    let refusals = 0;
    for (let slowMs = 1_000; slowMs < 2_000; slowMs += 50) {
      const world = new OwnershipWorld();
      // The third renewal is lost, and its repetition answered late: the window is over for a moment, between two looks.
      const fate = (): RequestFate => {
        const now = world.time.monotonic();
        if (now > 6_500 && now < 7_000) return { stored: 0, beforeMs: 0, afterMs: 0, answered: false };
        return { stored: 1, beforeMs: now > 9_000 && now < 9_500 ? slowMs : 0, afterMs: 0, answered: true };
      };
      const one = world.join('one', { renewEveryMs: 3_300, sessionTtlMs: 12_000, link: { fate } });
      let waits = false;
      one.ownership.observe(() => {
        if (one.ownership.mayWrite(0)) waits = false;
      });
      await world.run(5_000);
      const { session } = one.ownership;
      for (let at = 0; at < 10_000; at += 50) {
        await world.run(50);
        if (waits || one.ownership.mayWrite(0)) continue;
        waits = true;
        refusals += 1;
      }
      assert.equal(one.ownership.session, session);
      assert.equal(waits, false, `after ${slowMs} ms`);
    }
    assert.ok(refusals > 5, `${refusals}`);
  });

  it('loses all slots with its session, and takes them again under another one', async () => {
    const world = new OwnershipWorld();
    const one = world.join('one');
    await world.run(5_000);
    const [session, terms] = [one.ownership.session, new Map(one.owned)];
    one.link.cut = true;
    await world.run(20_000);
    one.link.cut = false;
    await world.run(5_000);
    assert.notEqual(one.ownership.session, session);
    assert.equal(one.log.filter(({ what }) => what === 'lost').length, SLOT_COUNT);
    for (const [slot, term] of one.owned) assert.ok(term > (terms.get(slot) ?? 0));
    assert.equal(world.writable(one).length, SLOT_COUNT);
  });

  it('does not go on under a session that had the time to end, though the store holds it again and takes its renewal', async () => {
    const world = new OwnershipWorld();
    let watchDelayMs = 0;
    const one = world.join('a', { link: { watchDelayMs: () => watchDelayMs } });
    const two = world.join('b');
    await world.run(60_000);
    const { session } = one.ownership;
    one.link.cut = true;
    await world.run(20_000);
    assert.equal(two.owned.size, SLOT_COUNT);
    assert.ok(world.leases.resurrect());
    // What others have claimed is told late.
    watchDelayMs = 4_000;
    one.link.cut = false;
    await world.run(6_000);
    assert.notEqual(one.ownership.session, session);
    assert.deepEqual(world.faults, []);
  });

  it('writes nothing after a pause that was longer than its window, whatever its monotonic clock says', async () => {
    for (const stops of [true, false]) {
      const world = new OwnershipWorld();
      const [one, two] = [world.join('a'), world.join('b')];
      await world.run(60_000);
      one.clock.pause(stops);
      await world.run(30_000);
      assert.equal(two.owned.size, SLOT_COUNT);
      assert.equal(world.writable(one).length, 0);
      one.clock.goOn();
      await world.run(100_000);
      assertEven(world);
      assert.deepEqual(world.faults, []);
    }
  });

  it('ends its window early when the wall clock is set forward, and does not prolong it when it is set back', async () => {
    const world = new OwnershipWorld();
    const one = world.join('one');
    await world.run(4_000);
    one.clock.jump(3_600_000);
    assert.equal(world.writable(one).length, 0);
    await world.run(4_000);
    assert.equal(world.writable(one).length, SLOT_COUNT);
    one.link.cut = true;
    one.clock.jump(-3_600_000);
    await world.run(7_100);
    assert.equal(world.writable(one).length, 0);
  });

  it('adopts its claims and renewals when their answers were lost', async () => {
    const world = new OwnershipWorld();
    let requests = 0;
    const one = world.join('one', {
      link: { fate: () => ({ stored: 1, beforeMs: 0, afterMs: 0, answered: (requests += 1) % 2 === 0 }) },
    });
    await world.run(40_000);
    assert.equal(one.owned.size, SLOT_COUNT);
    assert.equal(one.log.filter(({ what }) => what === 'lost').length, 0);
  });

  it('gives a slot up that it shuns, to one that does not', async () => {
    const world = new OwnershipWorld();
    const [one, two] = [world.join('a'), world.join('b')];
    await world.run(60_000);
    const shunned = Array.from({ length: 150 }, (_, slot) => slot);
    for (const slot of shunned) one.ownership.shun(slot);
    await world.run(240_000);
    for (const slot of shunned) assert.ok(two.owned.has(slot), `slot ${slot}`);
    assert.equal(one.owned.size, 106);
    // One learns that the other gives as well only after it has begun.
    assert.ok(mostMoves(world) < 32, `${mostMoves(world)} moves`);
    const settled = one.log.length;
    await world.run(60_000);
    assert.equal(one.log.length, settled);
    assert.equal(two.ownership.shun(3), false);
    await world.run(60_000);
    assert.ok(one.owned.has(3) || two.owned.has(3), 'what all shun has an owner');
    assert.equal(one.ownership.shun(3, false), false);
    await world.run(30_000);
    assert.equal(one.ownership.ownerOf(3)?.session, one.ownership.session);
    two.crash();
    await world.run(60_000);
    assert.equal(one.owned.size, SLOT_COUNT);
  });

  it('cuts off work on a slot that does not come to an end', async () => {
    const world = new OwnershipWorld();
    const one = world.join('a', { giveMs: () => 10_000_000 });
    await world.run(4_000);
    world.join('b');
    await world.run(400_000);
    assert.ok(one.log.some(({ what }) => what === 'lost'));
    assert.ok(one.owned.size < SLOT_COUNT);
    assert.deepEqual(world.faults, []);
  });

  it('takes what others have left behind at once where it is alone by its own server, and goes on without it for 15 minutes', async () => {
    const world = new OwnershipWorld();
    const before = world.join('a', { alone: true });
    await world.run(4_000);
    const first = new Map(before.owned);
    before.crash();
    const one: OwnerProcess = world.join('a', { alone: true });
    await world.run(2_000);
    assert.equal(one.owned.size, SLOT_COUNT);
    assert.equal(one.ownership.live().length, 1);
    for (const [slot, term] of one.owned) assert.ok(term > (first.get(slot) ?? 0));
    const terms = new Map(one.owned);
    one.link.cut = true;
    await world.run(14 * 60_000);
    assert.equal(world.writable(one).length, SLOT_COUNT);
    one.link.cut = false;
    await world.run(10_000);
    assert.deepEqual(one.owned, terms);
    one.link.cut = true;
    await world.run(15 * 60_000 + 100);
    assert.equal(world.writable(one).length, 0);
  });
});
