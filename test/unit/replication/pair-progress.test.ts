import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PairProgress } from '../../../src/replication/pair-progress.ts';

const tally = { created: 0, deleted: 0, sequenced: 0, absent: 0, bytes: 0 };

describe('counting', () => {
  test('what is created and deleted is counted, and every acknowledged operation entered', () => {
    const progress = new PairProgress();
    progress.recounted(10, 99);
    progress.answered({ ...tally, created: 3, deleted: 1, sequenced: 9 });
    assert.equal(progress.followerCount, 12);
    assert.equal(progress.audit(108, 0), 'balanced');
  });

  test('a delete that found nothing says that the count was wrong', () => {
    const progress = new PairProgress();
    progress.recounted(10, 99);
    progress.answered({ ...tally, absent: 1, sequenced: 1 });
    assert.equal(progress.followerCount, undefined);
    assert.equal(progress.audit(100, 0), 'balanced');
  });

  test('a lost answer makes count and ledger unknown until they are taken again', () => {
    const progress = new PairProgress();
    progress.recounted(10, 99);
    progress.unsure(5);
    progress.answered({ ...tally, created: 1, sequenced: 1 });
    assert.equal(progress.followerCount, undefined);
    assert.equal(progress.audit(500, 6), 'unknown');
    progress.recounted(11, 500);
    assert.equal(progress.audit(500, 6), 'balanced');
  });

  test('nothing is concluded from numbers that were read while a write was under way', () => {
    const progress = new PairProgress();
    progress.recounted(0, -1);
    progress.beginWrite();
    assert.equal(progress.audit(5, 100), undefined);
    progress.endWrite(50);
    assert.equal(progress.audit(5, 50), undefined);
    assert.equal(progress.audit(5, 51), 'surplus');
  });

  test('deletes are outstanding by the difference of the counts', () => {
    const progress = new PairProgress();
    assert.equal(progress.compared(7, 0), undefined);
    progress.recounted(10, 1);
    assert.equal(progress.compared(7, 0), 3);
    assert.equal(progress.outstandingDeletes, 3);
    assert.equal(progress.compared(12, 0), -2);
    assert.equal(progress.outstandingDeletes, 0);
  });
});

describe('lag', () => {
  test('is the age of the first sample that is not applied', () => {
    const progress = new PairProgress();
    progress.sampled(10, 1000);
    progress.sampled(20, 2000);
    assert.equal(progress.lagMs(5000), 4000);
    progress.advance(10);
    assert.equal(progress.lagMs(5000), 3000);
    progress.advance(20);
    assert.equal(progress.lagMs(5000), 0);
  });

  test('is that of the deletes which came after a comparison that dealt with all it looked for', () => {
    const progress = new PairProgress();
    progress.followerCount = 100;
    for (let round = 0; round < 5; round += 1) {
      const atMs = round * 12_000;
      // 40 are outstanding as it begins; 30 more come while it runs.
      progress.compared(60, atMs);
      progress.followerCount = 100;
      progress.compared(30, atMs + 1000);
      progress.followerCount = 60;
      progress.compared(30, atMs + 2000);
      progress.deletesApplied(40, { counted: true, startedAtMs: atMs });
      assert.deepEqual([progress.outstandingDeletes, progress.lagMs(atMs + 2000)], [30, 2000]);
      progress.followerCount = 100;
    }
    // The leader was not counted since: what the comparison deleted is subtracted from what is known.
    progress.deletesApplied(30, { counted: false, startedAtMs: 60_000 });
    assert.deepEqual([progress.outstandingDeletes, progress.lagMs(70_000)], [0, 0]);
  });

  test('is never zero while a delete is outstanding, and counts from when that was noticed first', () => {
    const progress = new PairProgress();
    progress.recounted(3, 1);
    progress.compared(2, 1000);
    progress.compared(1, 3000);
    assert.equal(progress.lagMs(4000), 3000);
    progress.compared(3, 5000);
    assert.equal(progress.lagMs(6000), 0);
  });

  test('keeps few samples however long nothing is applied, and among them the oldest', () => {
    const progress = new PairProgress();
    for (let at = 0; at < 10_000; at += 1) progress.sampled(at, at);
    assert.equal(progress.lagMs(10_000), 10_000);
    progress.advance(9_000);
    assert.ok(progress.lagMs(10_000) <= 1000);
  });
});

describe('what a failover of the leader cannot make untrue', () => {
  const shard = (globalCheckpoint: number, maxSeqNo: number) => ({ globalCheckpoint, maxSeqNo });

  test('is where the copy is, when the leader has no operation that is not safe', () => {
    const progress = new PairProgress();
    progress.advance(10);
    assert.equal(progress.proven(shard(12, 12)), true);
    assert.deepEqual([progress.safe.checkpoint, progress.allSafe], [10, true]);
    assert.equal(progress.proven(shard(12, 12)), false);
  });

  test('waits for the operations that may have hidden something, and not for later ones', () => {
    const progress = new PairProgress();
    progress.advance(10);
    assert.equal(progress.proven(shard(10, 14)), false);
    progress.advance(20);
    assert.equal(progress.proven(shard(13, 30)), false);
    assert.equal(progress.proven(shard(14, 40)), true);
    assert.deepEqual([progress.safe.checkpoint, progress.allSafe], [10, false]);
    assert.equal(progress.proven(shard(40, 50)), true);
    assert.equal(progress.safe.checkpoint, 20);
  });

  test('is what is gone back to after a failover', () => {
    const progress = new PairProgress();
    progress.restore({ checkpoint: 5, ranges: [] });
    progress.advance(10);
    progress.appliedAbove(12);
    progress.proven(shard(10, 14));
    progress.rewind();
    assert.deepEqual([progress.checkpoint, progress.isAppliedAbove(12), progress.allSafe], [5, false, true]);
    assert.equal(progress.proven(shard(14, 14)), false);
  });
});
