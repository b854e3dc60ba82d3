import type { Observation } from './cluster-watcher.ts';
import type { PairProgress } from './pair-progress.ts';

/** One pair of the index, as far as its writes count. */
export interface AuditedPair {
  readonly progress: PairProgress;
}

interface Baseline {
  readonly pairs: readonly AuditedPair[];
  readonly operations: number;
  readonly unsure: number;
  readonly historyUuids: string;
  readonly maxSeqNos: number;
}

/**
 * The ledger where shards do not align: each follower shard holds documents of several pairs, so only the sum over the index tells.
 * It is read while none of the pairs writes, against the last time when none did. A lost answer makes the sum unknown and begins anew.
 */
export class IndexAudit {
  #baseline: Baseline | undefined;

  /** What the numbers prove, if the pairs are quiet; the next comparison begins with them either way. */
  observed(observation: Observation, pairs: readonly AuditedPair[]): 'foreign_write' | 'rolled_back' | undefined {
    if (pairs.length === 0 || !pairs.every(({ progress }) => progress.quietSince(observation.startedAtMs)))
      return undefined;
    const shards = observation.versions?.primaryTerms.map((_, shard) => observation.shards.get(shard)) ?? [];
    const stats = shards.flatMap((shard) => shard ?? []);
    if (stats.length === 0 || stats.length !== shards.length) return undefined;
    const now: Baseline = {
      pairs,
      operations: sum(pairs.map(({ progress }) => progress.counters.operationsWritten)),
      unsure: sum(pairs.map(({ progress }) => progress.unsureTimes)),
      historyUuids: stats.map(({ historyUuid }) => historyUuid).join(),
      maxSeqNos: sum(stats.map(({ maxSeqNo }) => maxSeqNo)),
    };
    const before = this.#baseline;
    this.#baseline = now;
    const samePairs = before?.pairs.length === pairs.length && before.pairs.every((pair, at) => pair === pairs[at]);
    if (before === undefined || !samePairs) return undefined;
    if (before.historyUuids !== now.historyUuids) return 'rolled_back';
    if (before.unsure !== now.unsure) return undefined;
    const surplus = now.maxSeqNos - before.maxSeqNos - (now.operations - before.operations);
    if (surplus > 0) return 'foreign_write';
    return surplus < 0 ? 'rolled_back' : undefined;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
