import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failed } from '../../../src/domain/failure.ts';
import { PairQuarantine, type RefusedDocument } from '../../../src/replication/quarantine/pair-quarantine.ts';
import { memoryNarrator } from '../../support/memory-narrator.ts';
import { memoryQuarantine } from '../../support/memory-quarantine.ts';
import { MemoryCluster } from '../../support/memory-search/memory-cluster.ts';
import { memoryFollower } from '../../support/memory-search/memory-follower.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const { signal } = new AbortController();

function quarantineOf(documentsMax: number): PairQuarantine {
  const cluster = new MemoryCluster({ name: 'right' });
  cluster.createIndex('copy', { shards: 1 });
  return new PairQuarantine({
    store: memoryQuarantine(),
    follower: memoryFollower(cluster),
    clock: new VirtualClock(),
    narrator: memoryNarrator(),
    pair: 'right:copy[0]',
    followerIndex: 'copy',
    shard: 0,
    scheme: { epoch: 1, leaderShards: 1, layout: 'interleaved' },
    aligned: true,
    parameters: { quarantine_max_documents: documentsMax },
  });
}

const refused = (from: number, to: number): readonly RefusedDocument[] =>
  Array.from({ length: to - from }, (_, at) => ({
    id: `d${from + at}`,
    routing: undefined,
    seqNo: from + at,
    code: 'document_rejected',
    reason: 'so be it',
    content: undefined,
    contentBytes: 2,
  }));

test('documents that two ranges send at once count once', async () => {
  const quarantine = quarantineOf(100);
  const known = { documents: 1000, sentAtMs: 0 };
  await Promise.all([
    quarantine.refuse(refused(0, 60), known, signal),
    quarantine.refuse(refused(20, 80), known, signal),
    quarantine.refuse(refused(0, 80), known, signal),
  ]);
  assert.equal(quarantine.size, 80);
  const more = quarantine.refuse(refused(80, 90), known, signal);
  await assert.rejects(
    quarantine.refuse(refused(85, 101), known, signal),
    (thrown: unknown) => thrown instanceof Failed && thrown.failure.code === 'too_many_quarantined',
  );
  await more;
  assert.equal(quarantine.size, 90);
});
