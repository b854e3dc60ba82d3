import { failed } from '../domain/failure.ts';
import type { Position } from '../domain/position.ts';
import type { Clock } from '../ports/clock.ts';
import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { ClusterWatcher, Observation } from '../replication/cluster-watcher.ts';

/** How long the follower may take to sync by itself before it is told to flush: an index may acknowledge without syncing, whoever told it to. */
export interface Patience {
  readonly flushAfterMs: number;
  /** Looks only when it is looked at anyway. */
  readonly asScheduled?: boolean;
  /** Whether anybody still waits. */
  readonly wanted?: () => boolean;
}

export const AT_ONCE: Patience = { flushAfterMs: 0 };
/** A follower that syncs before it acknowledges is done long before. */
export const USUAL: Patience = { flushAfterMs: 500 };
/**
 * A follower that syncs later does so every 5 s unless it was told otherwise, which costs it next to nothing. A flush in the midst of a copy has
 * one thread write small segments while the others index: two of them took 2 CPU seconds of the follower's 28 in a copy of a million documents.
 */
export const LATE: Patience = { flushAfterMs: 15_000, asScheduled: true };

const AFTER_FLUSH_MS = 15_000;
const POLL_MS = 50;

interface Ports {
  readonly watcher: ClusterWatcher;
  readonly clock: Clock;
  readonly follower: FollowerCluster;
}

/**
 * The follower's side of the positions of an index, once everything acknowledged before this call is durable on every shard: once its own global
 * checkpoints, which count only what is synced, have reached the `max_seq_no` of now. Undefined: a shard is unknown, a primary changed meanwhile, or
 * nobody waits any more. Throws `request_timeout`, or what the ports throw.
 */
export async function durableSide(
  { watcher, clock, follower }: Ports,
  index: string,
  { flushAfterMs, asScheduled = false, wanted }: Patience,
  signal: AbortSignal,
): Promise<Position['follower'] | undefined> {
  const observe = (): Promise<Observation> => watcher.observe(index, { refresh: false }, signal);
  const first = await observe();
  const side = followerSide(first);
  if (side === undefined) return undefined;
  let sinceMs = clock.monotonic();
  let flushed = false;
  for (let now = first; ;) {
    if (wanted?.() === false) return undefined;
    if (side.maxSeqNos.every((maxSeqNo, shard) => (now.shards.get(shard)?.globalCheckpoint ?? -2) >= maxSeqNo))
      return sameCopies(first, now) ? side : undefined;
    const waitedMs = clock.monotonic() - sinceMs;
    if (flushed && waitedMs > AFTER_FLUSH_MS) {
      throw failed('request_timeout', {
        op: 'save positions',
        cluster: watcher.name,
        reason: `the global checkpoint of ${index} did not reach its writes within ${AFTER_FLUSH_MS} ms of a flush`,
      });
    }
    if (!flushed && waitedMs >= flushAfterMs) {
      await follower.flush(index, signal);
      // Whoever left meanwhile watches the index no more.
      if (wanted?.() === false) return undefined;
      flushed = true;
      sinceMs = clock.monotonic();
      now = await observe();
    } else if (asScheduled) {
      // A look that fails proves nothing: the next one may.
      now = await watcher.scheduled(index, signal).catch(() => now);
      signal.throwIfAborted();
    } else {
      await clock.sleep(POLL_MS, signal);
      now = await observe();
    }
  }
}

/** Undefined while a shard is unknown. */
function followerSide({ versions, shards }: Observation): Position['follower'] | undefined {
  if (versions === undefined) return undefined;
  const all = versions.primaryTerms.map((_, shard) => shards.get(shard));
  const historyUuids = all.flatMap((stats) => stats?.historyUuid ?? []);
  if (historyUuids.length !== all.length) return undefined;
  return { uuid: versions.uuid, historyUuids, maxSeqNos: all.map((stats) => stats?.maxSeqNo ?? -1) };
}

/** No shard has lost anything in between, nor has another copy of it become the primary. */
function sameCopies(before: Observation, now: Observation): boolean {
  const [one, other] = [followerSide(before), followerSide(now)];
  return (
    one?.historyUuids.join() === other?.historyUuids.join() &&
    before.versions?.primaryTerms.join() === now.versions?.primaryTerms.join()
  );
}
