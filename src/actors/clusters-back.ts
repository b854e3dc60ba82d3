import { type Failed, failed } from '../domain/failure.ts';
import type { IndexRef, PairRef } from '../domain/names.ts';
import type { Observation } from '../replication/cluster-watcher.ts';
import type { ClusterAccess, SupervisorPorts } from './cluster-access.ts';
import type { FollowerIndex } from './follower-index.ts';

type Sides = Pick<FollowerIndex, 'leaderSide' | 'followerSide'>;

/** How long an attempt waits for shards that are about to start, before it says that it waits for them. */
const PRIMARIES_PATIENCE_MS = 2000;

interface Waiting {
  readonly ports: SupervisorPorts;
  readonly index: FollowerIndex;
  readonly pair: PairRef;
}

/**
 * Before an attempt: until both clusters answer, it is this pair's turn, and its primaries serve; or until it is told to drain. True if it had
 * to wait for a cluster. Throws `Failed` when a primary does not serve soon.
 */
export async function mayTry(pair: Waiting, drained: AbortSignal, signal: AbortSignal): Promise<boolean> {
  const waited = await clustersBack(pair.index, AbortSignal.any([signal, drained]));
  if (!drained.aborted) await requirePrimaries(pair, waited, signal);
  return waited;
}

/** True if it had to wait for one of them. */
async function clustersBack({ leaderSide, followerSide }: Sides, signal: AbortSignal): Promise<boolean> {
  const breakers = new Set([leaderSide.breaker, followerSide.breaker]);
  const away = (): boolean => [...breakers].some(({ outage }) => outage !== undefined);
  let waited = false;
  try {
    do {
      waited ||= away();
      for (const breaker of breakers) await breaker.turn(signal);
    } while (away());
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
  return waited;
}

/**
 * The shard of the leader and every shard of the follower serve: only then do primary terms tell whether the follower was started anew
 * meanwhile, and no request is wasted on a shard that is not there. After an outage this takes what the watchers see anyway.
 */
async function requirePrimaries(
  { ports, index, pair }: Waiting,
  afterOutage: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { leaderSide, followerSide, snapshot } = index;
  const untilMs = ports.clock.monotonic() + PRIMARIES_PATIENCE_MS;
  const look = async (side: ClusterAccess, name: string, again: boolean): Promise<Observation> => {
    const latest = side.watcher.latest(name);
    if (again) return side.watcher.scheduled(name, signal);
    if (!afterOutage) return side.watcher.observe(name, { refresh: false }, signal);
    if (latest !== undefined && latest.startedAtMs >= side.breaker.answersSinceMs) return latest;
    return side.watcher.scheduled(name, signal);
  };
  for (let again = false; ; again = true) {
    const [leader, follower] = await Promise.all([
      look(leaderSide, snapshot.leader.index, again),
      look(followerSide, snapshot.follower.index, again),
    ]);
    const missing =
      missingPrimary(leader, snapshot.leader, [pair.shard]) ??
      missingPrimary(follower, snapshot.follower, follower.versions?.primaryTerms.keys() ?? []);
    if (missing === undefined) return;
    if (missing.failure.code === 'index_closed' || ports.clock.monotonic() >= untilMs) throw missing;
  }
}

/** An index that is not listed is for the attempt itself to look into. */
function missingPrimary(
  { versions, shards }: Observation,
  { cluster, index }: IndexRef,
  wanted: Iterable<number>,
): Failed | undefined {
  if (versions === undefined) return undefined;
  const details = { op: `watch ${cluster}`, cluster };
  if (versions.state === 'close') return failed('index_closed', { ...details, reason: `${index} is closed` });
  const missing = [...wanted].find((shard) => !shards.has(shard));
  if (missing === undefined) return undefined;
  return failed('shard_unavailable', { ...details, reason: `no primary of shard ${missing} of ${index} answers` });
}
