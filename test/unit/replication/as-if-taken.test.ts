import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../../src/infra/system/clock.ts';
import { Stopwatch } from '../../../src/replication/stopwatch.ts';
import { compareSides, type Difference } from '../../../src/replication/compare-sides.ts';
import { asIfTaken } from '../../../src/replication/quarantine/follower-as-if-taken.ts';
import type { QuarantinedDocument } from '../../../src/domain/quarantine.ts';
import { versionOf, type VersionScheme } from '../../../src/domain/version.ts';
import { MemoryCluster } from '../../support/memory-search/memory-cluster.ts';
import { memoryFollower } from '../../support/memory-search/memory-follower.ts';
import { memoryLeader } from '../../support/memory-search/memory-leader.ts';

const scheme: VersionScheme = { epoch: 1, leaderShards: 1, layout: 'interleaved' };
const { signal } = new AbortController();

interface Written {
  readonly id: number;
  /** Whether the follower takes this state of it. */
  readonly taken: boolean;
}

/** Leader and follower after these writes, each copied at once or refused; and what is in quarantine then. */
function sidesAfter(writes: readonly Written[], versionAggregates: boolean) {
  const [leaderSide, followerSide] = [new MemoryCluster({ name: 'main' }), new MemoryCluster({ name: 'replica' })];
  const [left, right] = [
    leaderSide.createIndex('orders', { shards: 1 }).shards[0],
    followerSide.createIndex('copy', { shards: 1 }).shards[0],
  ];
  assert.ok(left !== undefined && right !== undefined);
  const refused = new Map<string, QuarantinedDocument>();
  for (const { id: number, taken } of writes) {
    const id = `d${number}`;
    const { seqNo } = left.write({ id, source: '{}' });
    assert.ok(seqNo !== undefined);
    if (taken) {
      refused.delete(id);
      right.write({ id, source: '{}', version: versionOf(scheme, seqNo, 0) });
    } else {
      const copyVersion = right.get(id)?.version;
      const times = { firstRefusedAtMs: 0, refusedAtMs: 0, refusals: 1 };
      const why = { code: 'document_rejected' as const, reason: 'so' };
      refused.set(id, { id, routing: undefined, seqNo, copyVersion, ...why, ...times });
    }
  }
  for (const shard of [left, right]) shard.refresh();
  const leader = memoryLeader(leaderSide);
  const documents = [...refused.values()];
  const plain = memoryFollower(followerSide, { versionAggregates });
  const follower = asIfTaken(plain, { documents, scheme, shard: 0, aligned: true });
  return { leader, follower, left, right, documents };
}

async function differences(sides: ReturnType<typeof sidesAfter>): Promise<readonly Difference[]> {
  const { leader, follower, left } = sides;
  const view = await leader.openView({ index: 'orders', shard: 0, nodeId: 'memory-node' }, signal);
  const compared = { view, upTo: left.maxSeqNo, documents: left.size, searching: new Stopwatch(systemClock) };
  const indices = { leaderIndex: 'orders', followerIndex: 'copy' };
  const found: Difference[] = [];
  for await (const each of compareSides(
    { leader, follower, ...indices, shard: 0, scheme, aligned: true },
    compared,
    signal,
  ))
    found.push(each);
  return found;
}

const writes = fc.array(fc.record({ id: fc.nat(30), taken: fc.boolean() }), { maxLength: 200 });

test('whatever is in quarantine, both sides compare as equal, by histograms and by listings', async () => {
  await fc.assert(
    fc.asyncProperty(writes, fc.boolean(), async (written, versionAggregates) => {
      assert.deepEqual(await differences(sidesAfter(written, versionAggregates)), []);
    }),
  );
});

test('what the leader deletes while it is in quarantine is the only difference, under the version that was refused', async () => {
  await fc.assert(
    fc.asyncProperty(writes, fc.boolean(), fc.nat(), async (written, versionAggregates, which) => {
      const sides = sidesAfter(written, versionAggregates);
      fc.pre(sides.documents.length > 0);
      const gone = sides.documents[which % sides.documents.length];
      assert.ok(gone !== undefined);
      sides.left.write({ id: gone.id, source: undefined });
      sides.left.refresh();
      const [difference, ...more] = await differences(sides);
      assert.deepEqual(more, []);
      assert.ok(difference?.kind === 'extra');
      assert.deepEqual(
        { id: difference.document.id, version: difference.document.version },
        { id: gone.id, version: versionOf(scheme, gone.seqNo, 0) },
      );
    }),
  );
});

test('a listing goes through everything in pages of any size, once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(writes, fc.integer({ min: 1, max: 7 }), async (written, size) => {
      const { follower, left } = sidesAfter(written, true);
      const seen: string[] = [];
      let [after, afterSeqNo]: [number, number | undefined] = [-1, undefined];
      for (;;) {
        const page = await follower.listByVersion({ index: 'copy', shard: 0, after, afterSeqNo, size }, signal);
        seen.push(...page.map(({ id }) => id));
        const last = page.at(-1);
        if (last === undefined || page.length < size) break;
        [after, afterSeqNo] = [last.version, last.seqNo];
      }
      const wanted = [...left.documents()].toSorted((a, b) => a.seqNo - b.seqNo).map(({ id }) => id);
      assert.deepEqual(seen, wanted);
    }),
  );
});
