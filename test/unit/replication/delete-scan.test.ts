/** A comparison that goes on by itself while newer documents are written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { failureOf } from '../../../src/domain/failure.ts';
import { versionOf, type VersionScheme } from '../../../src/domain/version.ts';
import type { DeleteLine } from '../../../src/replication/bulk-batch.ts';
import { type ComparedView, Comparison } from '../../../src/replication/comparison.ts';
import { DeleteScan, type ScanHands } from '../../../src/replication/delete-scan.ts';
import { PairProgress } from '../../../src/replication/pair-progress.ts';
import { MemoryCluster } from '../../support/memory-search/memory-cluster.ts';
import { memoryFollower } from '../../support/memory-search/memory-follower.ts';
import { memoryLeader } from '../../support/memory-search/memory-leader.ts';
import { memoryNarrator } from '../../support/memory-narrator.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const never = new AbortController().signal;
const scheme: VersionScheme = { epoch: 1, leaderShards: 1, layout: 'interleaved' };
const FOREVER = Number.POSITIVE_INFINITY;

class World {
  readonly leaderSide = new MemoryCluster({ name: 'leader' });
  readonly followerSide = new MemoryCluster({ name: 'follower' });
  readonly source = this.leaderSide.createIndex('left', { shards: 1 });
  readonly copy = this.followerSide.createIndex('right', { shards: 1 });
  readonly leader = memoryLeader(this.leaderSide);
  readonly follower = memoryFollower(this.followerSide, { versionAggregates: true });
  readonly clock = new VirtualClock();
  resent: number[] = [];

  /** On the leader, and at once on the follower. */
  write(id: string): void {
    const { seqNo } = this.leaderSide.write('left', { id, source: '{}' });
    this.followerSide.write('right', { id, source: '{}', version: versionOf(scheme, seqNo ?? -1, 0) });
  }

  delete(id: string): void {
    this.leaderSide.write('left', { id, source: undefined });
  }

  has(id: string): boolean {
    return this.copy.shards[0]?.get(id) !== undefined;
  }

  /** Both sides as they are. */
  async views(): Promise<ComparedView> {
    await this.leader.refresh('left', never);
    await this.follower.refresh('right', never);
    const view = await this.leader.openView({ index: 'left', shard: 0, nodeId: 'memory-node' }, never);
    const followerView = await this.follower.openView({ index: 'right', shard: 0 }, never);
    const { leader, follower } = this;
    const globalCheckpoint = this.source.shards[0]?.maxSeqNo ?? -1;
    return {
      sides: {
        leader,
        leaderIndex: 'left',
        follower,
        followerIndex: 'right',
        followerView,
        shard: 0,
        scheme,
        aligned: true,
      },
      view,
      globalCheckpoint,
      upTo: globalCheckpoint,
      ended: async () => {
        await leader.closeView(view);
        await follower.closeView(followerView);
      },
    };
  }

  async scan(expected: number, options: { whole?: boolean; deleteShareMax?: number } = {}): Promise<DeleteScan> {
    const compared = await this.views();
    const followerCount = this.copy.shards[0]?.size ?? 0;
    const limits = { whole: false, exact: false, deleteShareMax: 1 };
    return new DeleteScan({ ...compared, followerCount, expected, clock: this.clock, ...limits, ...options });
  }

  get openViews(): readonly number[] {
    return [this.leader.openViews(), this.follower.openViews()];
  }

  get hands(): ScanHands {
    return {
      writeDeletes: (lines) => Promise.resolve(this.#write(lines)),
      resend: (seqNos) => Promise.resolve(void this.resent.push(...seqNos)),
      quarantined: () => undefined,
      release: () => Promise.resolve(),
    };
  }

  #write(lines: readonly DeleteLine[]): readonly number[] {
    return lines.flatMap(({ id, version }, at) =>
      this.followerSide.write('right', { id, version, source: undefined }).status === 409 ? [at] : [],
    );
  }
}

test('what is written while both sides are compared is neither deleted nor sent again', async () => {
  const world = new World();
  for (let n = 0; n < 3000; n += 1) world.write(`d${n}`);
  for (let n = 0; n < 3000; n += 10) world.delete(`d${n}`);
  const scan = await world.scan(300);
  const early = scan.advance(world.hands, 0, never);
  // Updated, created anew, and new, on both sides, while the comparison goes on.
  for (const id of ['d1', 'd0', 'new']) world.write(id);
  await world.follower.refresh('right', never);
  assert.equal(await early, undefined, 'without patience nothing is waited for');
  const report = await scan.advance(world.hands, FOREVER, never);
  const { extras, deleted, living, missing } = report ?? {};
  assert.deepEqual({ extras, deleted, living, missing }, { extras: 300, deleted: 299, living: 1, missing: 0 });
  assert.ok(['d1', 'd0', 'new'].every((id) => world.has(id)));
  assert.deepEqual(
    [world.has('d10'), world.copy.shards[0]?.size, world.resent, world.openViews],
    [false, 2702, [], [0, 0]],
  );
});

test('a copy that was written and deleted on the leader again meanwhile is left to the next comparison, and is no surprise', async () => {
  const world = new World();
  for (const id of ['a', 'b', 'c']) world.write(id);
  for (const id of ['a', 'b']) world.delete(id);
  const scan = await world.scan(2);
  world.write('a');
  world.delete('a');
  const { extras, deleted, living } = (await scan.advance(world.hands, FOREVER, never)) ?? {};
  assert.deepEqual({ extras, deleted, living }, { extras: 2, deleted: 1, living: 1 });
  assert.deepEqual(
    ['a', 'b', 'c'].map((id) => world.has(id)),
    [true, false, true],
  );
});

test('more than fits at once is dealt with in parts, by whichever step comes', async () => {
  const world = new World();
  for (let n = 0; n < 2400; n += 1) world.write(`d${n}`);
  for (let n = 0; n < 1200; n += 1) world.delete(`d${n}`);
  const scan = await world.scan(1200);
  const sizes: number[] = [];
  const hands: ScanHands = {
    ...world.hands,
    writeDeletes: (lines) => {
      sizes.push(lines.length);
      return world.hands.writeDeletes(lines);
    },
  };
  assert.equal((await scan.advance(hands, FOREVER, never))?.deleted, 1200);
  assert.deepEqual([sizes, world.copy.shards[0]?.size], [[500, 500, 200], 1200]);
});

test('a step that has no time takes what was found all the same, and goes on to what comes at once', async () => {
  const world = new World();
  for (let n = 0; n < 5000; n += 1) world.write(`d${n}`);
  for (let n = 0; n < 3000; n += 1) world.delete(`d${n}`);
  const scan = await world.scan(3000);
  let steps = 0;
  for (let report; report === undefined; steps += 1) {
    await setImmediate();
    report = await scan.advance(world.hands, 0, never);
  }
  assert.ok(steps <= 3, `${steps} steps`);
  assert.equal(world.copy.shards[0]?.size, 2000);
});

test('what nobody goes on with for a minute is given up, and closes what it looked at', async () => {
  const world = new World();
  for (let n = 0; n < 1000; n += 1) world.write(`d${n}`);
  for (let n = 0; n < 600; n += 1) world.delete(`d${n}`);
  const scan = await world.scan(600);
  await setImmediate();
  assert.deepEqual(world.openViews, [1, 1]);
  world.clock.advance(61_000);
  await setImmediate();
  assert.deepEqual(world.openViews, [0, 0]);
  const failure = failureOf(await scan.advance(world.hands, FOREVER, never).catch((thrown: unknown) => thrown), 'scan');
  assert.equal(failure.code, 'view_expired');
});

test('nothing stays open, however it ends', async () => {
  const world = new World();
  for (let n = 0; n < 1000; n += 1) world.write(`d${n}`);
  for (let n = 0; n < 600; n += 1) world.delete(`d${n}`);
  const given = await world.scan(600);
  given.close();
  const ended = failureOf(await given.advance(world.hands, FOREVER, never).catch((thrown: unknown) => thrown), 'scan');
  assert.equal(ended.code, 'view_expired');
  await setImmediate();
  assert.deepEqual([world.openViews, world.copy.shards[0]?.size], [[0, 0], 1000]);

  // Fewer are expected than are found: it stops where too many would go.
  const braked = await world.scan(100, { whole: true, deleteShareMax: 0.3 });
  const failure = failureOf(
    await braked.advance(world.hands, FOREVER, never).catch((thrown: unknown) => thrown),
    'scan',
  );
  assert.deepEqual([failure.code, world.openViews, world.copy.shards[0]?.size], ['mass_delete', [0, 0], 1000]);

  const expired = await world.scan(600);
  world.leader.expireViews();
  const gone = failureOf(await expired.advance(world.hands, FOREVER, never).catch((thrown: unknown) => thrown), 'scan');
  assert.deepEqual([gone.code, world.openViews], ['view_expired', [0, 0]]);
});

test('what is asked for at once while a comparison runs is due as soon as that has ended, whatever it cost', async () => {
  const world = new World();
  for (const id of ['a', 'b']) world.write(id);
  const progress = new PairProgress();
  progress.recounted(2, 1);
  progress.compared(2, 0);
  const comparison = new Comparison({
    clock: world.clock,
    random: { next: () => 0.5, id: () => 'x' },
    narrator: memoryNarrator(),
    progress,
    pair: 'p',
    scanShare: 0.02,
    deleteShareMax: 0.3,
    massDeletes: { allowedBy: undefined, used: () => undefined },
    aligned: true,
    miscounted: () => undefined,
    traceId: () => undefined,
  });
  const compare = async (meanwhile: () => void): Promise<void> => {
    comparison.begin(await world.views(), 2);
    world.clock.advance(5000);
    meanwhile();
    await comparison.advance(world.hands, { patienceMs: FOREVER, counted: true }, never);
  };
  assert.equal(comparison.due, false);
  comparison.ask();
  await compare(() => comparison.ask({ atOnce: true }));
  assert.deepEqual([comparison.running, comparison.asked, comparison.due], [false, true, true]);
  await compare(() => comparison.ask());
  assert.deepEqual([comparison.asked, comparison.due, comparison.completed], [true, false, 2]);
  comparison.begin(await world.views(), 2);
  comparison.drop();
  assert.deepEqual([comparison.running, comparison.asked], [false, true], 'what was given up is still to be done');
  await setImmediate();
  assert.deepEqual(world.openViews, [0, 0]);
});
