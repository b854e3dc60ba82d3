import { EVENT_VERSION, type JournalEvent } from '../../src/domain/journal.ts';
import type { FollowerIndexRef, PairRef } from '../../src/domain/names.ts';
import { DEFAULT_PARAMETERS } from '../../src/domain/parameters.ts';

export const follower: FollowerIndexRef = { cluster: 'replica', index: 'orders-copy' };

/** The first event of a pair, with an id of the caller's. */
export function startedEvent(id: string, pair: PairRef = { follower, shard: 0 }): JournalEvent {
  return {
    entity: 'pair',
    id,
    version: EVENT_VERSION,
    atMs: 1_700_000_000_000,
    cause: 'start',
    term: 1,
    pair,
    fact: { type: 'STARTED' },
    from: 'none',
    result: {
      state: 'bootstrapping',
      followId: 'c1',
      resumeTo: 'bootstrapping',
      desired: 'running',
      epoch: 1,
      run: { traceId: '0'.repeat(32), startedAtMs: 1_700_000_000_000, transitions: 1 },
    },
  };
}

export function followedEvent(id: string, ref: FollowerIndexRef = follower): JournalEvent {
  return {
    entity: 'index',
    id,
    version: EVENT_VERSION,
    atMs: 1_700_000_000_000,
    cause: 'command:c1',
    by: 'tester',
    term: 1,
    fact: { type: 'FOLLOWED', commandId: 'c1' },
    result: {
      state: 'followed',
      followId: 'c1',
      leader: { cluster: 'main', index: 'orders' },
      follower: ref,
      leaderUuid: 'uuid-of-leader',
      shards: 2,
      parameters: DEFAULT_PARAMETERS,
      settings: {},
    },
  };
}
