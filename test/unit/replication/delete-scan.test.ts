/** A comparison that goes on by itself while newer documents are written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { failureOf } from '../../../src/domain/failure.ts';
import { versionOf, type VersionScheme } from '../../../src/domain/version.ts';
import type { DeleteLine } from '../../../src/replication/bulk-batch.ts';
import { DeleteScan, type ScanHands } from '../../../src/replication/delete-scan.ts';
import { MemoryCluster } from '../../support/memory-search/memory-cluster.ts';
import { memoryFollower } from '../../support/memory-search/memory-follower.ts';
import { memoryLeader } from '../../support/memory-search/memory-leader.ts';
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

  async scan(expected: number, options: { whole?: boolean; deleteShareMax?: number } = {}): Promise<DeleteScan> {
    await this.leader.refresh('left', never);
    await this.follower.refresh('right', never);
    const view = await this.leader.openView({ index: 'left', shard: 0, nodeId: 'memory-node' }, never);
    const followerView = await this.follower.openView({ index: 'right', shard: 0 }, never);
    const { leader, follower, clock } = this;
    const globalCheckpoint = this.source.shards[0]?.maxSeqNo ?? -1;
    return new DeleteScan({
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
      followerCount: this.copy.shards[0]?.size ?? 0,
      expected,
      whole: false,
      exact: false,
      deleteShareMax: 1,
      clock,
      ended: async () => {
        await leader.closeView(view);
        await follower.closeView(followerView);
      },
      ...options,
    });
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

test('nothing stays open, however it ends', async () => {
  const world = new World();
  for (let n = 0; n < 1000; n += 1) world.write(`d${n}`);
  for (let n = 0; n < 600; n += 1) world.delete(`d${n}`);
  const given = await world.scan(600);
  given.close();
  await assert.rejects(given.advance(world.hands, FOREVER, never), { name: 'AbortError' });
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
