import { rangesProgress } from '../domain/ranges.ts';
import {
  acknowledged,
  recounted,
  UNKNOWN_LEDGER,
  verdictOf,
  type Ledger,
  type LedgerVerdict,
} from '../domain/ledger.ts';
import type { RangeCursor } from '../domain/position.ts';
import type { WriteTally } from './bulk-writer.ts';

interface Sample {
  readonly checkpoint: number;
  readonly atMs: number;
}

const SAMPLES_MAX = 256;

/** Counters of a pair since its actor started, for status and metrics. */
export interface PairCounters {
  operationsWritten: number;
  conflicts: number;
  deleteScans: number;
  deletesFound: number;
  /** Scans whose finds were not the difference of the counts. */
  scanSurprises: number;
  foreignWrites: number;
  /** Documents that somebody else had changed on the follower so that the leader's was refused, and that were overwritten. */
  overwritten: number;
  retries: number;
}

export function newCounters(): PairCounters {
  return {
    operationsWritten: 0,
    conflicts: 0,
    deleteScans: 0,
    deletesFound: 0,
    scanSurprises: 0,
    foreignWrites: 0,
    overwritten: 0,
    retries: 0,
  };
}

/** As far as the counting equation and the operator's eyes are concerned. */
export interface QuarantineCount {
  readonly size: number;
  readonly withoutCopy: number;
}

/** How far the leader was read. */
export interface Reach {
  readonly checkpoint: number;
  readonly ranges: readonly RangeCursor[];
}

/** What is known of one pair's data, and how far it is. Times are of the monotonic clock, in ms. */
export class PairProgress {
  /** C: every leader operation at or below is applied. */
  checkpoint = -1;
  /** Unfinished ranges of a long way to go; empty in normal following. */
  ranges: readonly RangeCursor[] = [];
  /**
   * What of this no failover of the leader can make untrue. An operation above the global checkpoint, a delete above all, hides the document that it
   * replaces; when it is taken back, that document is there again, below a checkpoint that has passed it.
   */
  safe: Reach = { checkpoint: -1, ranges: [] };
  #unproven: { readonly reach: Reach; readonly maxSeqNo: number } | undefined;
  /** Applied operations above C, if there are any. */
  #appliedAbove: Set<number> | undefined;
  /** Live documents of this pair on the follower; undefined: unknown until recounted. */
  followerCount: number | undefined;
  leaderCount: number | undefined;
  /** Documents that the leader has and the follower refuses. */
  quarantine: QuarantineCount = { size: 0, withoutCopy: 0 };
  outstandingDeletes = 0;
  ledger: Ledger = UNKNOWN_LEDGER;
  /** When a write of unknown effect was last in flight. */
  unsureAtMs: number | undefined;
  /** How often the effect of a write became unknown. */
  unsureTimes = 0;
  lastWriteEndedAtMs = Number.NEGATIVE_INFINITY;
  #writing = 0;
  #deletesNoticedAtMs: number | undefined;
  #samples: Sample[] = [];
  #leaderReach = -1;
  readonly counters: PairCounters;

  constructor(counters: PairCounters = newCounters()) {
    this.counters = counters;
  }

  beginWrite(): void {
    this.#writing += 1;
  }

  endWrite(nowMs: number): void {
    this.#writing -= 1;
    this.lastWriteEndedAtMs = nowMs;
  }

  get writing(): boolean {
    return this.#writing > 0;
  }

  /** No write of ours was under way at or after this moment. */
  quietSince(startedAtMs: number): boolean {
    return !this.writing && this.lastWriteEndedAtMs < startedAtMs;
  }

  answered(tally: WriteTally): void {
    if (this.followerCount !== undefined) this.followerCount += tally.created - tally.deleted;
    // A delete that found nothing says that the count is not what we believe.
    if (tally.absent > 0) this.followerCount = undefined;
    this.ledger = acknowledged(this.ledger, tally.sequenced);
    this.counters.operationsWritten += tally.sequenced;
  }

  unsure(nowMs: number): void {
    this.unsureTimes += 1;
    this.followerCount = undefined;
    this.ledger = UNKNOWN_LEDGER;
    this.unsureAtMs = nowMs;
  }

  recounted(count: number, maxSeqNo: number | undefined): void {
    this.followerCount = count;
    this.ledger = maxSeqNo === undefined ? UNKNOWN_LEDGER : recounted(maxSeqNo);
    this.unsureAtMs = undefined;
  }

  /** `maxSeqNo` as seen by requests that started at `startedAtMs`; undefined when a write of ours was under way meanwhile. */
  audit(maxSeqNo: number, startedAtMs: number): LedgerVerdict | undefined {
    if (!this.quietSince(startedAtMs)) return undefined;
    return verdictOf(this.ledger, maxSeqNo);
  }

  restore({ checkpoint, ranges }: Reach): void {
    this.safe = { checkpoint, ranges };
    this.rewind();
  }

  /** Of a first copy, 0 to 1. */
  get copiedShare(): number {
    if (this.ranges.length > 0) return rangesProgress(this.ranges);
    return this.checkpoint < 0 ? 0 : 1;
  }

  get reach(): Reach {
    return { checkpoint: this.checkpoint, ranges: this.ranges };
  }

  /** Of the leader under the same term as when all of `reach` was read, by requests that started afterwards. True: more is safe than before. */
  proven(
    { globalCheckpoint, maxSeqNo }: { globalCheckpoint: number; maxSeqNo: number },
    reach: Reach = this.reach,
  ): boolean {
    const before = this.safe;
    if (this.#unproven !== undefined && globalCheckpoint >= this.#unproven.maxSeqNo) {
      this.safe = this.#unproven.reach;
      this.#unproven = undefined;
    }
    if (this.allSafe) this.#unproven = undefined;
    else {
      if (globalCheckpoint >= maxSeqNo) this.safe = reach;
      else this.#unproven ??= { reach, maxSeqNo };
    }
    return this.safe !== before;
  }

  get allSafe(): boolean {
    return this.safe.checkpoint === this.checkpoint && this.safe.ranges === this.ranges;
  }

  /** After a failover of the leader: numbers above the safe checkpoint may be given anew, and what was hidden may be there again. */
  rewind(): void {
    this.checkpoint = this.safe.checkpoint;
    this.ranges = this.safe.ranges;
    this.#unproven = undefined;
    this.#appliedAbove = undefined;
  }

  /** An operation above C is on the follower. */
  appliedAbove(seqNo: number): void {
    (this.#appliedAbove ??= new Set()).add(seqNo);
  }

  isAppliedAbove(seqNo: number): boolean {
    return this.#appliedAbove?.has(seqNo) === true;
  }

  advance(checkpoint: number): void {
    if (checkpoint <= this.checkpoint) return;
    this.checkpoint = checkpoint;
    for (const seqNo of this.#appliedAbove ?? []) if (seqNo <= checkpoint) this.#appliedAbove?.delete(seqNo);
    if (this.#appliedAbove?.size === 0) this.#appliedAbove = undefined;
    this.#samples = this.#samples.filter((sample) => sample.checkpoint > checkpoint);
  }

  /** About how many documents the leader has; too many where they were updated. */
  get leaderDocumentsMax(): number {
    return this.leaderCount ?? this.#leaderReach + 1;
  }

  sampled(leaderGlobalCheckpoint: number, nowMs: number): void {
    this.#leaderReach = Math.max(this.#leaderReach, leaderGlobalCheckpoint);
    const last = this.#samples.at(-1);
    if (leaderGlobalCheckpoint <= Math.max(this.checkpoint, last?.checkpoint ?? -1)) return;
    // The oldest samples are the ones that tell the lag; when there are too many, every second one goes.
    if (this.#samples.length >= SAMPLES_MAX) this.#samples = this.#samples.filter((_, at) => at % 2 === 0);
    this.#samples.push({ checkpoint: leaderGlobalCheckpoint, atMs: nowMs });
  }

  /** Documents on the follower, and those that it refuses without having an older copy, beyond those of the leader. */
  compared(leaderCount: number, nowMs: number): number | undefined {
    this.leaderCount = leaderCount;
    if (this.followerCount === undefined) return undefined;
    const difference = this.followerCount + this.quarantine.withoutCopy - leaderCount;
    this.outstandingDeletes = Math.max(0, difference);
    this.#deletesNoticedAtMs = difference > 0 ? (this.#deletesNoticedAtMs ?? nowMs) : undefined;
    return difference;
  }

  /** A comparison that began then has dealt with all it looked for: what is outstanding still was deleted later. */
  deletesApplied(deleted: number, { counted, startedAtMs }: { counted: boolean; startedAtMs: number }): void {
    if (!counted) this.outstandingDeletes = Math.max(0, this.outstandingDeletes - deleted);
    if (this.#deletesNoticedAtMs === undefined) return;
    const later = Math.max(this.#deletesNoticedAtMs, startedAtMs);
    this.#deletesNoticedAtMs = this.outstandingDeletes > 0 ? later : undefined;
  }

  /** Age of the oldest change that is known and not applied. 0: none. */
  lagMs(nowMs: number): number {
    const oldest = Math.min(this.#samples[0]?.atMs ?? nowMs, this.#deletesNoticedAtMs ?? nowMs);
    return Math.max(0, nowMs - oldest);
  }
}
