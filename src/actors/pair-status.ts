import type { PairStatus } from '../domain/commands.ts';
import type { Clock } from '../ports/clock.ts';
import type { FollowerIndex } from './follower-index.ts';
import type { PairActor } from './pair-actor.ts';
import { RateMeter } from './rate-meter.ts';

export interface PairRates {
  readonly operations: RateMeter;
  readonly bytes: RateMeter;
}

export function newRates(): PairRates {
  return { operations: new RateMeter(), bytes: new RateMeter() };
}

/** Everything an operator sees of a pair; also of one that is paused, failed or has not started. */
export function pairStatus(
  actor: PairActor,
  index: FollowerIndex,
  rates: PairRates,
  clock: Clock,
): Omit<PairStatus, 'owner'> {
  const { snapshot } = actor;
  const { replicator } = actor.session;
  const { progress } = actor.session;
  const checkpoint = progress?.checkpoint ?? snapshot?.checkpoint;
  const now = clock.monotonic();
  const seen = actor.session.lastSeen?.shards.get(actor.pair.shard);
  const { attempt, nextTryAtMs, failure } = actor.retry;
  const state = snapshot?.state ?? 'bootstrapping';
  // While a cluster is away, what its probe met says more than what the pair met first.
  const { outage } = actor;
  const reason =
    state === 'retrying' || state === 'fatal' ? (outage?.failure ?? failure ?? snapshot?.failure) : undefined;
  const nextTry = outage === undefined ? nextTryAtMs : outage.nextProbeAtMs;
  const [written, read] = [progress?.counters.operationsWritten ?? 0, replicator?.bytesRead ?? 0];
  rates.operations.record(written, now);
  rates.bytes.record(read, now);
  const behind =
    checkpoint === undefined || seen === undefined
      ? null
      : Math.max(0, seen.globalCheckpoint - checkpoint) + (progress?.outstandingDeletes ?? 0);
  return {
    leader: index.snapshot.leader,
    follower: index.snapshot.follower,
    shard: actor.pair.shard,
    state,
    desired: snapshot?.desired ?? 'running',
    ...(actor.suspended === undefined ? {} : { suspended: actor.suspended }),
    ...(reason === undefined ? {} : { failure: reason }),
    attempt,
    ...(nextTry === undefined ? {} : { nextTryAtMs: nextTry }),
    epoch: snapshot?.epoch ?? 1,
    aligned: index.snapshot.aligned ?? null,
    checkpoint: checkpoint ?? -1,
    leaderGlobalCheckpoint: seen?.globalCheckpoint ?? null,
    leaderMaxSeqNo: seen?.maxSeqNo ?? null,
    lagOperations: behind,
    lagSeconds: progress === undefined ? null : progress.lagMs(now) / 1000,
    followerDocuments: progress?.followerCount ?? null,
    leaderDocuments: progress?.leaderCount ?? null,
    outstandingDeletes: progress?.outstandingDeletes ?? 0,
    quarantined: actor.quarantined,
    quarantinedWithoutCopy: progress?.quarantine.withoutCopy ?? 0,
    progress: snapshot?.resumeTo === 'following' ? 1 : (replicator?.progress.copiedShare ?? 0),
    operationsWritten: written,
    bytesRead: read,
    operationsPerSecond: rates.operations.perSecond(written, now),
    bytesPerSecond: rates.bytes.perSecond(read, now),
    conflicts: progress?.counters.conflicts ?? 0,
    deleteScans: progress?.counters.deleteScans ?? 0,
    deletesFound: progress?.counters.deletesFound ?? 0,
    scanSurprises: progress?.counters.scanSurprises ?? 0,
    foreignWrites: progress?.counters.foreignWrites ?? 0,
    overwritten: progress?.counters.overwritten ?? 0,
    retries: progress?.counters.retries ?? 0,
    transitions: snapshot?.run.transitions ?? 0,
    traceId: snapshot?.run.traceId ?? null,
  };
}
