import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { versionOf, type VersionScheme } from '../../../src/domain/version.ts';
import type { FoundDocument } from '../../../src/ports/search-cluster.ts';
import {
  type Doubt,
  endingOf,
  isAheadOfLeader,
  judge,
  needsLeaderAfter,
  newDoubt,
} from '../../../src/replication/verify/doubts.ts';

const scheme: VersionScheme = { epoch: 1, leaderShards: 2, layout: 'interleaved' };
const SHARD = 1;
const CHECKPOINT = 100;
const PATIENCE_MS = 1_000;
const fence = {
  checkpoints: new Map([
    [0, CHECKPOINT],
    [SHARD, CHECKPOINT],
  ]),
  takenAtMs: 0,
};

function doubtful(side: 'leader' | 'follower' = 'leader', nowMs = 0): Doubt {
  const copy = { id: 'a', routing: undefined, version: versionOf(scheme, 7, SHARD), shard: SHARD, seqNo: 7 };
  return newDoubt({ copy, side, aligned: false, fence, sharesVersion: false, nowMs });
}

function found(document: { seqNo?: number; version?: number } | undefined): FoundDocument {
  return { found: document !== undefined, seqNo: document?.seqNo, version: document?.version };
}

const onLeader = (seqNo: number | undefined): FoundDocument =>
  found(seqNo === undefined ? undefined : { seqNo, version: 1 });
const onFollower = (seqNo: number | undefined, shard = SHARD): FoundDocument =>
  found(seqNo === undefined ? undefined : { seqNo: 1, version: versionOf(scheme, seqNo, shard) });

function look(doubt: Doubt, leader: number | undefined, follower: number | undefined, leaderAfter?: number): string {
  const after = leaderAfter === undefined ? undefined : onLeader(leaderAfter);
  return judge(doubt, scheme, { leader: onLeader(leader), follower: onFollower(follower), leaderAfter: after });
}

describe('a second look', () => {
  test('agrees when both hold the same operation, or neither holds the document', () => {
    assert.equal(look(doubtful(), 7, 7), 'equal');
    assert.equal(look(doubtful(), undefined, undefined), 'equal');
    assert.equal(look(doubtful(), 7, undefined), 'doubtful');
    assert.equal(look(doubtful(), undefined, 7), 'doubtful');
  });

  test('does not take the operation of the same number on another shard for the same', () => {
    const doubt = doubtful();
    assert.equal(
      judge(doubt, scheme, { leader: onLeader(7), follower: onFollower(7, 0), leaderAfter: undefined }),
      'doubtful',
    );
  });

  test('agrees with a follower that was behind a state of the leader and has passed it', () => {
    const doubt = doubtful();
    assert.equal(look(doubt, 110, 105), 'doubtful');
    assert.equal(look(doubt, 130, 109), 'doubtful', 'still behind');
    assert.equal(look(doubt, 140, 110), 'overtaken', 'exactly that state');
    assert.equal(look(doubt, 150, 120), 'overtaken');
  });

  test('does not agree with a follower that is ahead of what the leader shows afterwards', () => {
    const doubt = doubtful();
    look(doubt, 110, 105);
    assert.equal(needsLeaderAfter(doubt, scheme, { leader: onLeader(120), follower: onFollower(125) }), true);
    assert.equal(look(doubt, 120, 125, 121), 'doubtful');
    assert.equal(look(doubt, 120, 125, 125), 'overtaken');
    assert.equal(look(doubt, undefined, 125), 'doubtful');
    assert.equal(look(doubt, undefined, 125, 130), 'overtaken');
  });

  test('does not agree with a follower that was never behind: somebody moved its version on', () => {
    const doubt = doubtful();
    assert.equal(look(doubt, 105, 106), 'doubtful');
    assert.equal(look(doubt, 110, 106, 110), 'doubtful');
  });

  test('does not agree with a version of another leader shard between two states', () => {
    const doubt = doubtful();
    look(doubt, 110, 105);
    assert.equal(
      judge(doubt, scheme, { leader: onLeader(130), follower: onFollower(120, 0), leaderAfter: undefined }),
      'doubtful',
    );
  });
});

describe('the end of a doubt', () => {
  const end = (doubt: Doubt, nowMs: number): string => endingOf(doubt, scheme, { nowMs, patienceMs: PATIENCE_MS });

  test('is a difference only after the patience, and after two looks that saw the same on the leader', () => {
    const doubt = doubtful();
    look(doubt, 90, 50);
    assert.equal(end(doubt, 2 * PATIENCE_MS), 'later');
    look(doubt, 90, 50);
    assert.equal(end(doubt, PATIENCE_MS - 1), 'later');
    assert.equal(end(doubt, PATIENCE_MS), 'different');
  });

  test('is undecided for a document that the leader changed after the checkpoint, with a patience of its own', () => {
    const doubt = doubtful('leader', 500);
    look(doubt, 101, 50);
    look(doubt, 101, 50);
    assert.equal(end(doubt, PATIENCE_MS), 'later');
    assert.equal(end(doubt, 500 + PATIENCE_MS), 'undecided');
  });

  test('is a difference for a document that only the follower has, unless its operation came after the checkpoint', () => {
    const old = doubtful('follower');
    look(old, undefined, 100);
    look(old, undefined, 100);
    assert.equal(end(old, PATIENCE_MS), 'different');
    const young = doubtful('follower');
    look(young, undefined, 101);
    look(young, undefined, 101);
    assert.equal(end(young, PATIENCE_MS), 'undecided');
  });

  test('is a difference when the follower claims an operation that the leader has not run', () => {
    const doubt = doubtful('follower');
    look(doubt, undefined, 101);
    const numbers = (maxSeqNo: number): Parameters<typeof isAheadOfLeader>[2] =>
      new Map([[SHARD, { maxSeqNo, globalCheckpoint: maxSeqNo, historyUuid: 'h', nodeId: 'n' }]]);
    assert.equal(isAheadOfLeader(doubt, scheme, numbers(100)), true);
    assert.equal(isAheadOfLeader(doubt, scheme, numbers(101)), false);
    assert.equal(isAheadOfLeader(doubt, scheme, new Map()), false, 'unknown');
  });
});
