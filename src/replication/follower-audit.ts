import { failed, type Failed } from '../domain/failure.ts';
import type { Observation } from './cluster-watcher.ts';
import type { PairProgress } from './pair-progress.ts';

export interface AuditOptions {
  readonly progress: PairProgress;
  readonly cluster: string;
  readonly index: string;
  readonly shard: number;
  /** Of the follower index that was prepared. */
  readonly uuid: string;
  /** Only where the follower shard holds this pair's documents alone do its numbers tell of them. */
  readonly aligned: boolean;
  /** Of the shard when the position was saved. */
  readonly historyUuid: string | undefined;
}

/**
 * Reads the follower's own numbers, which are polled anyway: more operations than were acknowledged prove a foreign writer even when
 * counts agree; fewer, or another history, prove that the follower lost writes, and then the checkpoint is not to be trusted.
 */
export class FollowerAudit {
  readonly #options: AuditOptions;
  #historyUuid: string | undefined;
  #primaryTerms: string | undefined;
  /** Why the position is void; stays. */
  rolledBack: Failed | undefined;
  /**
   * The follower index was deleted or replaced, or one of its shards was started anew or failed over, since this replicator began; stays. Then only the saved position tells how far the copy
   * surely is, since a follower that bootstraps acknowledges without syncing.
   */
  restarted = false;

  constructor(options: AuditOptions) {
    this.#options = options;
    if (options.aligned) this.#historyUuid = options.historyUuid;
  }

  observed(observation: Observation): 'foreign_write' | undefined {
    const { progress, shard, index, aligned } = this.#options;
    // Gone, or another one of the same name: looked at before anything more is written.
    if (observation.versions?.uuid !== this.#options.uuid) this.restarted = true;
    const primaryTerms = observation.versions?.primaryTerms.join();
    this.#primaryTerms ??= primaryTerms;
    if (primaryTerms !== undefined && primaryTerms !== this.#primaryTerms) this.restarted = true;
    if (this.restarted) return undefined;
    const stats = aligned ? observation.shards.get(shard) : undefined;
    if (stats === undefined) return undefined;
    this.#historyUuid ??= stats.historyUuid;
    if (stats.historyUuid !== this.#historyUuid) {
      this.rollBack(`shard ${shard} of ${index} has history ${stats.historyUuid}, not ${this.#historyUuid}`);
      return undefined;
    }
    const verdict = progress.audit(stats.maxSeqNo, observation.startedAtMs);
    if (verdict === 'deficit') {
      this.rollBack(`shard ${shard} of ${index} has max_seq_no ${stats.maxSeqNo}, less than was acknowledged`);
    }
    return verdict === 'surplus' ? this.foreignWrite(observation.startedAtMs) : undefined;
  }

  /** Somebody else wrote: what was counted is not so any more. */
  foreignWrite(atMs: number): 'foreign_write' {
    const { progress } = this.#options;
    progress.counters.foreignWrites += 1;
    progress.unsure(atMs);
    return 'foreign_write';
  }

  rollBack(reason: string): void {
    this.rolledBack ??= failed('follower_rolled_back', {
      op: 'follower audit',
      cluster: this.#options.cluster,
      reason,
    });
  }
}
