import type { IndexStatus, PairStatus } from '../domain/commands.ts';
import { alignmentOf } from '../domain/index-spec/shard-alignment.ts';
import type { Failure } from '../domain/failure.ts';
import type { IndexSnapshot } from '../domain/journal.ts';
import type { FollowerIndexRef } from '../domain/names.ts';
import type { Ownership } from '../ports/ownership.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import type { FollowerIndex } from './follower-index.ts';
import { summary } from './index-summary.ts';
import type { Lease } from './lease.ts';
import type { PairActor } from './pair-actor.ts';
import { pairStatus, type PairRates } from './pair-status.ts';
import { RateMeter } from './rate-meter.ts';

export interface Followed {
  readonly index: FollowerIndex;
  readonly pairs: readonly PairActor[];
  /** By shard, from the first time that somebody asks. */
  readonly rates: PairRates[];
}

/** Followed according to the journal, and not taken up: the failure says why. */
export interface Refused {
  readonly follower: FollowerIndexRef;
  /** Undefined where the journal's own record cannot be read. */
  readonly snapshot: IndexSnapshot | undefined;
  readonly failure: Failure;
}

type StatusPorts = Pick<SupervisorPorts, 'clock' | 'ownership'>;

function ownSelf(ownership: Ownership, { term }: Lease): PairStatus['owner'] {
  const { session } = ownership;
  const own = ownership.live().find((one) => one.session === session);
  return { supervisor: own?.announced.supervisor ?? session, term };
}

export function newRates(): PairRates {
  return { operations: new RateMeter(), bytes: new RateMeter() };
}

export function pairStatuses({ index, pairs, rates }: Followed, ports: StatusPorts): readonly PairStatus[] {
  const owner = ownSelf(ports.ownership, index.lease);
  return pairs.map((pair, at) => ({ ...pairStatus(pair, index, (rates[at] ??= newRates()), ports.clock), owner }));
}

export function indexStatus(followed: Followed, shard: number | undefined, ports: StatusPorts): IndexStatus {
  const { snapshot } = followed.index;
  const all = pairStatuses(followed, ports);
  const told = snapshot.state === 'unfollowed' ? [] : all.filter((pair) => shard === undefined || pair.shard === shard);
  return { ...summary(snapshot, all, followed.index.outages), pairs: told };
}

const UNREADABLE = { cluster: 'unknown', index: 'unknown' };

export function refusedStatus({ follower, snapshot, failure }: Refused): IndexStatus {
  const known = snapshot ?? { leader: UNREADABLE, follower, shards: 0 };
  return {
    leader: known.leader,
    follower,
    state: `${failure.code}: ${failure.reason}`,
    shards: known.shards,
    ...(snapshot === undefined ? { followerShards: null, aligned: null } : alignmentOf(snapshot)),
    pairs: [],
  };
}
