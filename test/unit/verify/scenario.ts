import { hash } from 'node:crypto';
import { versionOf, type VersionScheme } from '../../../src/domain/version.ts';
import type { VerifyLimits, VerifyProgress } from '../../../src/replication/verify/request.ts';
import type { VerifyReport } from '../../../src/replication/verify/report.ts';
import { verifyIndex } from '../../../src/replication/verify/verify-index.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import {
  type MemoryIndex,
  MemoryCluster,
  type RoutingFormula,
  shardNumberOf,
  shardOf,
} from '../../support/memory-search/memory-cluster.ts';
import { memoryFollower } from '../../support/memory-search/memory-follower.ts';
import { memoryLeader } from '../../support/memory-search/memory-leader.ts';

/** A leader and a follower in memory, a replication that copies on demand, and a clock that jumps when it is slept on. */
export interface Scenario {
  readonly scheme: VersionScheme;
  readonly leader: MemoryCluster;
  readonly follower: MemoryCluster;
  readonly leaderIndex: MemoryIndex;
  readonly followerIndex: MemoryIndex;
  /** Runs at every request of either side and after every pause. */
  onStep: () => void;
  put(id: string, source?: string, routing?: string): void;
  remove(id: string, routing?: string): void;
  /** Copies documents (all, or those of a key that `chosen` accepts) and deletes what the leader does not have. */
  replicate(chosen?: (id: string) => boolean): void;
  verify(options?: {
    contents?: boolean;
    limits?: Partial<VerifyLimits>;
    signal?: AbortSignal;
    stopped?: () => Promise<ReadonlySet<number>>;
    onProgress?: (progress: VerifyProgress) => void;
  }): Promise<VerifyReport>;
  readonly openViews: () => number;
}

export const LEADER = 'cities';
export const FOLLOWER = 'cities-copy';

export function scenario(
  options: { leaderShards?: number; followerShards?: number; followerFormula?: RoutingFormula } = {},
): Scenario {
  let nowMs = 0;
  const leader = new MemoryCluster({ name: 'east', monotonicMs: () => nowMs });
  const follower = new MemoryCluster({ name: 'west', monotonicMs: () => nowMs });
  const leaderShards = options.leaderShards ?? 2;
  const followerShards = options.followerShards ?? leaderShards;
  const followerFormula = options.followerFormula ?? 'mod';
  const scheme: VersionScheme = { epoch: 1, leaderShards, layout: 'interleaved' };
  const leaderIndex = leader.createIndex(LEADER, { shards: leaderShards, gcDeletesMs: 1_000 });
  const followerIndex = follower.createIndex(FOLLOWER, { shards: followerShards, formula: followerFormula });
  const leaderPort = memoryLeader(leader);
  const clock: Clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    async sleep(ms, signal) {
      await Promise.resolve();
      signal?.throwIfAborted();
      nowMs += ms;
      self.onStep();
    },
    setTimeout: () => undefined,
    clearTimeout: () => undefined,
  };
  for (const cluster of [leader, follower]) {
    cluster.around = async (_call, run) => {
      await Promise.resolve();
      nowMs += 1;
      self.onStep();
      return run();
    };
  }
  const self: Scenario = {
    scheme,
    leader,
    follower,
    leaderIndex,
    followerIndex,
    onStep: () => undefined,
    openViews: leaderPort.openViews,
    put: (id, source = `{"name":${JSON.stringify(id)}}`, routing) => void leader.write(LEADER, { id, routing, source }),
    remove: (id, routing) => void leader.write(LEADER, { id, routing, source: undefined }),
    replicate(chosen = () => true) {
      leaderIndex.shards.forEach((shard, number) => {
        for (const { id, routing, seqNo, source } of shard.documents()) {
          const version = versionOf(scheme, seqNo, number);
          const held = shardOf(followerIndex, { id, routing }).get(id);
          if (chosen(id) && held?.version !== version) follower.write(FOLLOWER, { id, routing, source, version });
        }
      });
      for (const shard of followerIndex.shards) {
        for (const { id, routing, version } of shard.documents()) {
          const onLeader = shardOf(leaderIndex, { id, routing });
          if (!chosen(id) || onLeader.get(id) !== undefined) continue;
          const fence = versionOf(
            scheme,
            Math.max(onLeader.globalCheckpoint, 0),
            shardNumberOf(leaderIndex, { id, routing }),
          );
          follower.write(FOLLOWER, { id, routing, source: undefined, version: Math.max(version, fence) });
        }
      }
    },
    verify: ({
      contents = false,
      limits = {},
      signal = new AbortController().signal,
      stopped,
      onProgress = () => undefined,
    } = {}) =>
      verifyIndex(
        {
          leader: leaderPort,
          follower: memoryFollower(follower),
          leaderIndex: LEADER,
          followerIndex: FOLLOWER,
          scheme,
          aligned: followerShards === leaderShards && followerFormula === 'mod',
          contents: contents
            ? { followerReader: memoryLeader(follower), digest: (bytes) => hash('sha256', bytes) }
            : undefined,
          ...(stopped === undefined ? {} : { stopped }),
          clock,
          onProgress,
          limits: { pageDocuments: 7, batchDocuments: 5, blockDocuments: 11, patienceMs: 5_000, ...limits },
        },
        signal,
      ),
  };
  return self;
}

/** Totals of a report, for one comparison in a test. */
export function totals({
  missing,
  extra,
  differing,
  foreign,
  duplicates,
  undecided,
}: VerifyReport): Record<string, number> {
  return {
    missing: missing.total,
    extra: extra.total,
    differing: differing.total,
    foreign: foreign.total,
    duplicates: duplicates.total,
    undecided: undecided.total,
  };
}

export const NOTHING = { missing: 0, extra: 0, differing: 0, foreign: 0, duplicates: 0, undecided: 0 };
