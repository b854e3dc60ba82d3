import { failed } from '../domain/failure.ts';
import type { ShardStats } from '../domain/shard-stats.ts';
import type { Clock } from '../ports/clock.ts';
import type { Observation } from './cluster-watcher.ts';

/** What the leader shard must still be for the copy to be a copy of it. */
export interface LeaderIdentity {
  readonly cluster: string;
  readonly index: string;
  readonly uuid: string;
  readonly shards: number;
  readonly shard: number;
  /** Undefined until it was seen for the first time. */
  readonly historyUuid: string | undefined;
}

export interface FencedStats extends ShardStats {
  readonly primaryTerm: number;
}

/**
 * The shard's numbers, if the observation shows the same index with the same history; `Failed` otherwise. A shard that is missing
 * is unknown, never idle. A changed primary term alone is no failure: the caller drops its view.
 */
export function fencedStats(observation: Observation, leader: LeaderIdentity): FencedStats {
  const { versions } = observation;
  const details = { op: 'watch leader', cluster: leader.cluster };
  const name = `${leader.cluster}:${leader.index}`;
  if (versions === undefined) throw failed('index_deleted', { ...details, reason: `${name} does not exist` });
  if (versions.uuid !== leader.uuid)
    throw failed('index_recreated', { ...details, reason: `${name} has uuid ${versions.uuid}, not ${leader.uuid}` });
  if (versions.state === 'close') throw failed('index_closed', { ...details, reason: `${name} is closed` });
  if (versions.primaryTerms.length !== leader.shards) {
    throw failed('shard_count_changed', {
      ...details,
      reason: `${name} has ${versions.primaryTerms.length} shards, not ${leader.shards}`,
    });
  }
  const stats = observation.shards.get(leader.shard);
  const primaryTerm = versions.primaryTerms[leader.shard];
  if (stats === undefined || primaryTerm === undefined)
    throw failed('shard_unavailable', { ...details, reason: `no primary of shard ${leader.shard} of ${name} answers` });
  if (leader.historyUuid !== undefined && stats.historyUuid !== leader.historyUuid) {
    throw failed('history_changed', {
      ...details,
      reason: `shard ${leader.shard} of ${name} has history ${stats.historyUuid}, not ${leader.historyUuid}`,
    });
  }
  return { ...stats, primaryTerm };
}

/** An observation with the numbers of the shard it was made for. */
export interface FencedSight {
  readonly stats: FencedStats;
  readonly observation: Observation;
}

const WAIT_MS = 5000;
/** A delete may be the leader's last operation, which an asynchronous translog makes safe only when it is synced next (5 s). */
const WAIT_FOR_ALL_MS = 15_000;
const POLL_MS = 100;
/** Looks between two refreshes: a leader with an asynchronous translog moves its global checkpoint late, and a refresh moves it. */
const LOOKS_A_REFRESH = 10;

/**
 * Waits until the shard's global checkpoint is at or above `last` under the term of the view (its history is checked by `look`): only
 * then is there nothing in the view that a failover could roll back. Gives what was seen then; undefined: the view is to be dropped.
 * `last` says only what the view shows; what an operation above it hides comes back with a failover. `all`: every operation that is there now.
 */
export async function awaitCheckpoint(
  look: (refresh: boolean) => Promise<FencedSight>,
  view: { readonly primaryTerm: number; readonly last: number | 'all'; readonly clock: Clock },
  signal: AbortSignal,
): Promise<Observation | undefined> {
  const deadlineMs = view.clock.monotonic() + (view.last === 'all' ? WAIT_FOR_ALL_MS : WAIT_MS);
  let { last } = view;
  for (let looks = 0; ; looks += 1) {
    const { stats, observation } = await look(looks > 0 && looks % LOOKS_A_REFRESH === 0);
    if (stats.primaryTerm !== view.primaryTerm) return undefined;
    if (last === 'all') last = stats.maxSeqNo;
    if (stats.globalCheckpoint >= last) return observation;
    if (view.clock.monotonic() >= deadlineMs) return undefined;
    await view.clock.sleep(POLL_MS, signal);
  }
}
