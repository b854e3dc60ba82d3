/** What a delete scan of one pair does to the documents of another, where both write to the same follower shards. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BulkBody } from '../../../src/domain/wire/bulk-body.ts';
import { shardVersions, versionOf, type VersionScheme } from '../../../src/domain/version.ts';
import type { DeleteLine } from '../../../src/replication/bulk-batch.ts';
import { DeleteScan, type ScanReport } from '../../../src/replication/delete-scan.ts';
import { MemoryCluster, shardNumberOf } from '../../support/memory-search/memory-cluster.ts';
import { memoryFollower } from '../../support/memory-search/memory-follower.ts';
import { memoryLeader } from '../../support/memory-search/memory-leader.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const never = AbortSignal.any([]);
const scheme: VersionScheme = { epoch: 2, leaderShards: 2, layout: 'by-shard' };

class Bench {
  readonly leader = new MemoryCluster({ name: 'leader' });
  readonly follower = new MemoryCluster({ name: 'follower' });
  readonly source = this.leader.createIndex('left', { shards: 2 });
  readonly copy = this.follower.createIndex('right', { shards: 1 });
  readonly resent: number[] = [];
  refused = 0;

  /** A routing that leads to the leader's shard; `nth` tells several apart. */
  routing(shard: number, nth = 0): string {
    let left = nth;
    for (let at = 0; ; at += 1)
      if (shardNumberOf(this.source, { id: '', routing: `r${at}` }) === shard && left-- === 0) return `r${at}`;
  }

  copied(id: string, routing: string, version: number): void {
    this.follower.write('right', { id, routing, version, source: '{}' });
  }

  versionOn(id: string): number | undefined {
    return this.copy.shards[0]?.get(id)?.version;
  }

  async scan(shard: number, expected: number, meanwhile: () => void = () => undefined): Promise<ScanReport> {
    const [leader, follower] = [memoryLeader(this.leader), memoryFollower(this.follower)];
    await leader.refresh('left', never);
    const view = await leader.openView({ index: 'left', shard, nodeId: 'memory-node' }, never);
    const maxSeqNo = this.source.shards[shard]?.maxSeqNo ?? -1;
    const writeDeletes = async (lines: readonly DeleteLine[]): Promise<readonly number[]> => {
      meanwhile();
      const body = new BulkBody(1000);
      for (const { id, routing, version } of lines) body.addDelete(id, routing, version);
      const items = await follower.bulk({ index: 'right', body: body.bytes(), operations: lines.length }, never);
      const conflicts = items.flatMap(({ status }, at) => (status === 409 ? [at] : []));
      this.refused += conflicts.length;
      return conflicts;
    };
    const sides = { leader, leaderIndex: 'left', follower, followerIndex: 'right', shard, scheme, aligned: false };
    const bounds = { globalCheckpoint: maxSeqNo, upTo: maxSeqNo, followerCount: 10, expected, deleteShareMax: 1 };
    const ended = (): Promise<void> => leader.closeView(view);
    const clock = new VirtualClock();
    await follower.refresh('right', never);
    const scan = new DeleteScan({ sides, view, ...bounds, whole: true, exact: false, clock, ended });
    const hands = {
      writeDeletes,
      resend: async (seqNos: readonly number[]) => void this.resent.push(...seqNos),
      quarantined: () => undefined,
      release: () => Promise.resolve(),
    };
    const report = await scan.advance(hands, Number.POSITIVE_INFINITY, never);
    assert.ok(report !== undefined && leader.openViews() === 0);
    return report;
  }
}

test('a delete takes the copy that was found, and nothing that another pair put in its place since', async () => {
  for (const stale of [false, true]) {
    const bench = new Bench();
    const [low, high] = [bench.routing(0), bench.routing(1)];
    // The leader's number grows far, so that the delete is sent under a version far above that of the copy.
    bench.leader.write('left', { id: 'x', routing: low, source: '{}' });
    bench.leader.write('left', { id: 'x', routing: low, source: undefined });
    bench.source.shards[0]?.leap(1_000_000);
    bench.copied('x', low, versionOf(stale ? { ...scheme, epoch: 1 } : scheme, 0, 0));
    const written = versionOf({ ...scheme, epoch: stale ? 1 : 2 }, 0, 1);
    const report = await bench.scan(0, 1, () => bench.copied('x', high, written));
    assert.deepEqual([report.extras, report.deleted, bench.refused], [1, 0, 1]);
    assert.equal(bench.versionOn('x'), written, "the other pair's document is there");
  }
});

test('a deleted document goes, and no late copy of an older write brings it back', async () => {
  const bench = new Bench();
  const routing = bench.routing(1);
  for (const source of ['{}', '{}', undefined]) bench.leader.write('left', { id: 'x', routing, source });
  bench.copied('x', routing, versionOf(scheme, 0, 1));
  const report = await bench.scan(1, 1);
  assert.deepEqual([report.extras, report.deleted, bench.versionOn('x')], [1, 1, undefined]);
  const late = { id: 'x', routing, version: versionOf(scheme, 1, 1), source: '{}' };
  assert.equal(bench.follower.write('right', late).status, 409);
  assert.equal(bench.follower.write('right', { ...late, version: versionOf(scheme, 3, 1) }).status, 201);
});

test('what is left of an older epoch, or was written by somebody else, is found and goes', async () => {
  const bench = new Bench();
  bench.leader.write('left', { id: 'here', source: '{}', routing: bench.routing(0) });
  bench.copied('here', bench.routing(0), versionOf(scheme, 0, 0));
  bench.copied('old', bench.routing(0), versionOf({ ...scheme, epoch: 1 }, 7, 0));
  bench.copied('other', bench.routing(1), versionOf({ ...scheme, epoch: 1 }, 7, 1));
  bench.follower.write('right', { id: 'foreign', source: '{}' });
  const report = await bench.scan(0, 2);
  assert.deepEqual([report.extras, report.deleted, report.missing], [2, 2, 0]);
  assert.deepEqual(
    ['here', 'old', 'other', 'foreign'].map((id) => bench.versionOn(id) !== undefined),
    [true, false, true, false],
  );
  assert.equal(shardVersions(scheme, 0, 0).from, 0, 'versions of nobody fall to shard 0');
});

test('a copy under a routing that its document has no more goes, and the document stays', async () => {
  const bench = new Bench();
  const two = bench.follower.createIndex('right', { shards: 2, formula: 'ranges' });
  const routings = Array.from({ length: 12 }, (_, nth) => bench.routing(0, nth));
  const at = (shard: number): string =>
    routings.find((routing) => shardNumberOf(two, { id: 'x', routing }) === shard) ?? assert.fail('no such routing');
  const [before, after] = [at(0), at(1)];
  bench.leader.write('left', { id: 'x', routing: before, source: '{}' });
  bench.leader.write('left', { id: 'x', routing: after, source: '{}' });
  bench.copied('x', before, versionOf(scheme, 0, 0));
  bench.copied('x', after, versionOf(scheme, 1, 0));
  const report = await bench.scan(0, 1);
  assert.deepEqual([report.extras, report.deleted, report.living, bench.resent], [1, 1, 0, []]);
  assert.equal(two.shards[0]?.get('x'), undefined);
  assert.equal(two.shards[1]?.get('x')?.version, versionOf(scheme, 1, 0));
});
