import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Failed, type FailureCode } from '../../../src/domain/failure.ts';
import type { Position, PositionRecord } from '../../../src/domain/position.ts';
import { fittingPosition } from '../../../src/actors/position-fit.ts';
import { RateMeter } from '../../../src/actors/rate-meter.ts';
import type { Observation } from '../../../src/replication/cluster-watcher.ts';

const position: Position = {
  epoch: 2,
  checkpoint: 40,
  ranges: [],
  leader: { uuid: 'leader-1', historyUuid: 'history-1', shards: 2 },
  follower: { uuid: 'follower-1', historyUuids: ['h0', 'h1'], maxSeqNos: [10, 20] },
  followerCount: 7,
  clean: true,
};

function now(
  maxSeqNos: readonly number[],
  historyUuids: readonly string[] = ['h0', 'h1'],
  uuid = 'follower-1',
): Observation {
  const versions = {
    uuid,
    state: 'open' as const,
    primaryTerms: [1, 1],
    mappingVersion: 1,
    settingsVersion: 1,
    aliasesVersion: 1,
  };
  const shards = maxSeqNos.map((maxSeqNo, shard) => {
    const stats = { globalCheckpoint: maxSeqNo, maxSeqNo, historyUuid: historyUuids[shard] ?? '?', nodeId: 'n' };
    return [shard, stats] as const;
  });
  return { tick: 1, startedAtMs: 0, versions, shards: new Map(shards) };
}

function fit(parts: Partial<Position>, followerNow = now([10, 20]), record: Partial<PositionRecord> = {}) {
  const stored = {
    pair: 'replica/copy/0',
    journalId: 'j',
    term: 1,
    savedAtMs: 0,
    position: { ...position, ...parts },
    ...record,
  };
  const follower = { cluster: 'replica', index: 'copy' };
  return fittingPosition(stored, {
    follower,
    journalId: 'j',
    epoch: 2,
    eventSeq: 30,
    leaderUuid: 'leader-1',
    followerNow,
  });
}

test('a position that fits is taken as it is, also when the follower has gone on', () => {
  assert.deepEqual(fit({}), { position, void: undefined });
  assert.deepEqual(fit({}, now([11, 25])).position, position);
});

test('no position is none, and no reason', () => {
  const expected = {
    follower: { cluster: 'r', index: 'i' },
    journalId: 'j',
    eventSeq: 30,
    epoch: 1,
    leaderUuid: 'l',
    followerNow: now([]),
  };
  assert.deepEqual(fittingPosition(undefined, expected), { position: undefined, void: undefined });
});

describe('a position is void', () => {
  for (const [what, found, reason] of [
    ['of an older epoch', fit({ epoch: 1 }), /of epoch 1/],
    ['of another leader index', fit({ leader: { ...position.leader, uuid: 'other' } }), /another leader index/],
    ['of another follower index', fit({}, now([10, 20], ['h0', 'h1'], 'other')), /another follower index/],
    ['when a follower shard was restored', fit({}, now([10, 20], ['h0', 'hX'])), /shard 1 has another history/],
    ['when a follower shard lost operations', fit({}, now([9, 20])), /shard 0 lost operations/],
  ] as const) {
    test(what, () => {
      assert.equal(found.position, undefined);
      assert.match(found.void ?? '', reason);
    });
  }
});

describe('a position is refused', () => {
  for (const [what, code, work] of [
    ['of another journal', 'journal_unknown', () => fit({}, now([10, 20]), { journalId: 'other' })],
    ['of a later epoch than the journal knows', 'journal_older_than_data', () => fit({ epoch: 3 })],
    [
      'that knows a later event than the journal has',
      'journal_older_than_data',
      () => fit({}, now([10, 20]), { eventSeq: 31 }),
    ],
    ['while a follower shard does not answer', 'shard_unavailable', () => fit({}, now([10]))],
  ] as readonly (readonly [string, FailureCode, () => unknown])[]) {
    test(what, () => {
      assert.throws(work, (thrown) => thrown instanceof Failed && thrown.failure.code === code);
    });
  }
});

test('a rate is that of the last seconds, and nothing after a standstill', () => {
  const meter = new RateMeter();
  assert.equal(meter.perSecond(0, 0), 0);
  for (let at = 0; at <= 4000; at += 1000) meter.record(at * 2, at);
  assert.equal(meter.perSecond(8000, 4000), 2000);
  for (let at = 5000; at <= 20_000; at += 1000) meter.record(8000, at);
  assert.equal(meter.perSecond(8000, 20_000), 0);
  // A count that begins anew is no negative rate.
  assert.equal(meter.perSecond(0, 20_000), 0);
});
