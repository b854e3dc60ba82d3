import { failed, type Failure } from '../domain/failure.ts';
import type { FollowParameters } from '../domain/parameters.ts';
import type { Position } from '../domain/position.ts';
import { rangesDone, rangesProgress, splitRange } from '../domain/ranges.ts';
import { versionOf, type VersionScheme } from '../domain/version.ts';
import type { SearchPage, WireHit } from '../domain/wire/search-page.ts';
import type { Clock } from '../ports/clock.ts';
import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { LeaderCluster } from '../ports/leader-cluster.ts';
import type { Narrator } from '../ports/narrator.ts';
import type { Random } from '../ports/random.ts';
import type { View } from '../ports/search-cluster.ts';
import { BulkWriter, type DeleteLine } from './bulk-writer.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { ClusterWatcher, Observation } from './cluster-watcher.ts';
import { conflictVerdict } from './conflict-verdict.ts';
import { scanDeletes, type ScanReport } from './delete-scan.ts';
import { fencedStats, type FencedStats, type LeaderIdentity } from './leader-fence.ts';
import { PageReader } from './page-reader.ts';
import { PairProgress } from './pair-progress.ts';
import { countAligned, countUnaligned } from './recount.ts';
import type { Semaphore } from './semaphore.ts';

export interface ReplicatorPorts {
  readonly leader: LeaderCluster;
  readonly follower: FollowerCluster;
  readonly leaderWatcher: ClusterWatcher;
  readonly followerWatcher: ClusterWatcher;
  readonly clock: Clock;
  readonly random: Random;
  readonly narrator: Narrator;
  readonly budget: ByteBudget;
  /** Points in time are scarce: one pool for a leader cluster. */
  readonly views: Semaphore;
}

export interface ReplicatorSetup {
  readonly pair: string;
  readonly leader: LeaderIdentity;
  readonly followerIndex: string;
  readonly epoch: number;
  /** Shard n of both indices holds the same documents. */
  readonly aligned: boolean;
  readonly parameters: FollowParameters;
  /** The leader's `index.max_result_window`. */
  readonly resultWindow: number;
  /** After this long a request of ours has run or will never run. */
  readonly writeLifeMs: number;
  readonly position: Position | undefined;
  /** The follower was created a moment ago by this process: it is empty, and nothing of the past can be under way. */
  readonly fresh: boolean;
  /** Puts the follower's metadata in step with what the observation shows, before documents that need it are written. */
  readonly syncMetadata: (observation: Observation, signal: AbortSignal) => Promise<void>;
  /** Asks again, in a way that a cluster still starting cannot answer wrongly, whether the leader index is gone. */
  readonly leaderIsGone: (signal: AbortSignal) => Promise<boolean>;
  readonly traceId: () => string | undefined;
}

export interface StepResult {
  /** Something was applied, deleted or moved on. */
  readonly progress: boolean;
  /** There is more to do at once. */
  readonly more: boolean;
}

interface PageRead {
  readonly full: boolean;
  readonly total: number | undefined;
  /** Greatest `_seq_no` of the page, or `after` of an empty one. */
  readonly last: number;
  readonly applied: number;
}

const PAGE_BYTES_TARGET = 8 * 1024 * 1024;
/** A way longer than this is gone in parallel ranges. */
const RANGE_THRESHOLD = 20_000;
const RANGES = 3;
/** A step ends after about this long, so that it can be drained and its position saved. */
const STEP_MS = 5000;
const FENCE_WAIT_MS = 5000;
const FENCE_POLL_MS = 100;
const DAY_MS = 24 * 3600 * 1000;
const RECOUNT_RETRY_MS = 1000;

/** Moves one pair's data. `step` is one bounded piece of work and is never called twice at once. */
export class ShardReplicator {
  readonly progress = new PairProgress();
  readonly #ports: ReplicatorPorts;
  readonly #setup: ReplicatorSetup;
  readonly #writer: BulkWriter;
  readonly #reader: PageReader;
  readonly #scheme: VersionScheme;
  #leader: LeaderIdentity;
  #primaryTerm: number | undefined;
  /** A view has to be read to its end before ranges are used again, or deletes would never be seen under constant load. */
  #viewDue = true;
  #compareDue = false;
  #comparisons = 0;
  #compareAtMs: number;
  #scanAllowedAtMs = Number.NEGATIVE_INFINITY;
  #recountAtMs = Number.NEGATIVE_INFINITY;
  #massDeleteAllowed = false;
  #refreshedAtMs = Number.NEGATIVE_INFINITY;
  #rolledBack: Failure | undefined;
  #followerHistory: string | undefined;

  constructor(ports: ReplicatorPorts, setup: ReplicatorSetup) {
    this.#ports = ports;
    this.#setup = setup;
    this.#leader = setup.leader;
    this.#scheme = { epoch: setup.epoch, leaderShards: setup.leader.shards };
    const { parameters } = setup;
    this.#reader = new PageReader({
      leader: ports.leader,
      budget: ports.budget,
      limits: {
        documentsMax: Math.min(parameters.max_read_request_operation_count, setup.resultWindow),
        bytesTarget: Math.min(parameters.max_read_request_size_bytes, PAGE_BYTES_TARGET),
      },
    });
    this.#compareAtMs = ports.clock.monotonic() + DAY_MS * (0.5 + ports.random.next());
    this.#writer = new BulkWriter({
      follower: ports.follower,
      index: setup.followerIndex,
      clock: ports.clock,
      random: ports.random,
      limits: {
        operationsMax: parameters.max_write_request_operation_count,
        bytesMax: parameters.max_write_request_size_bytes,
        outstandingMax: Math.min(parameters.max_outstanding_write_requests, 4),
        retryDelayMaxMs: parameters.max_retry_delay_ms,
      },
      events: {
        answered: (tally) => this.progress.answered(tally),
        unsure: () => this.progress.unsure(ports.clock.monotonic()),
        retried: () => {
          this.progress.counters.retries += 1;
        },
      },
    });
    this.#restore(setup.position);
  }

  #restore(position: Position | undefined): void {
    const { progress } = this;
    if (position !== undefined) {
      progress.checkpoint = position.checkpoint;
      progress.ranges = position.ranges;
      if (this.#setup.aligned) this.#followerHistory = position.follower.historyUuids[this.#leader.shard];
    }
    const maxSeqNo = position?.follower.maxSeqNos[this.#leader.shard];
    if (this.#setup.fresh) progress.recounted(0, this.#setup.aligned ? -1 : undefined);
    else if (position?.clean === true && position.followerCount !== null) progress.recounted(position.followerCount, this.#setup.aligned ? maxSeqNo : undefined);
    // Whoever wrote before may have left a request that still runs.
    else progress.unsure(this.#ports.clock.monotonic());
  }

  get historyUuid(): string | undefined {
    return this.#leader.historyUuid;
  }

  get bytesRead(): number {
    return this.#reader.bytesRead;
  }

  get bootstrapProgress(): number {
    return this.progress.ranges.length > 0 ? rangesProgress(this.progress.ranges) : this.progress.checkpoint < 0 ? 0 : 1;
  }

  /** True once every document of a whole view is there, and the counts say so. */
  get settled(): boolean {
    const { progress } = this;
    return progress.ranges.length === 0 && !this.#viewDue && progress.followerCount !== undefined && progress.outstandingDeletes === 0 && !this.#compareDue;
  }

  /** Both sides were compared by content, not only by count, since the start. */
  get comparedOnce(): boolean {
    return this.#comparisons > 0;
  }

  /** The next whole view is compared by content of both sides even if counts agree. */
  compareNext(): void {
    this.#compareDue = true;
  }

  /** Lets the next delete scan pass the brake. */
  allowMassDelete(): void {
    this.#massDeleteAllowed = true;
  }

  /** Listens to the passive observations of the leader, for the lag. */
  leaderObserved(observation: Observation): void {
    const stats = observation.shards.get(this.#leader.shard);
    if (stats !== undefined) this.progress.sampled(stats.globalCheckpoint, this.#ports.clock.monotonic());
  }

  /** Listens to the passive observations of the follower: a foreign write or a rollback shows in its numbers. */
  followerObserved(observation: Observation): void {
    if (!this.#setup.aligned) return;
    const stats = observation.shards.get(this.#leader.shard);
    if (stats === undefined) return;
    this.#followerHistory ??= stats.historyUuid;
    if (stats.historyUuid !== this.#followerHistory) {
      this.#rollBack(`shard ${this.#leader.shard} of ${this.#setup.followerIndex} has history ${stats.historyUuid}, not ${this.#followerHistory}`);
      return;
    }
    const verdict = this.progress.audit(stats.maxSeqNo, observation.startedAtMs);
    if (verdict === 'surplus') {
      this.progress.counters.foreignWrites += 1;
      this.progress.unsure(observation.startedAtMs);
      this.#compareDue = true;
      this.#ports.narrator.log('warn', 'foreign_write: somebody else wrote to the follower', { pair: this.#setup.pair, followerMaxSeqNo: stats.maxSeqNo });
    } else if (verdict === 'deficit') {
      this.#rollBack(`shard ${this.#leader.shard} of ${this.#setup.followerIndex} has max_seq_no ${stats.maxSeqNo}, less than was acknowledged`);
    }
  }

  #rollBack(reason: string): void {
    this.#rolledBack = failed('follower_rolled_back', { op: 'follower audit', cluster: this.#ports.follower.name, reason }).failure;
  }

  /** Whether a step has anything to do, given what was last seen of the leader. An idle pair says no until its daily comparison. */
  needsStep(observation: Observation | undefined): boolean {
    if (observation === undefined) return false;
    const { progress } = this;
    const now = this.#ports.clock.monotonic();
    // The leader is refreshed for us at most this often.
    if (now < this.#refreshedAtMs + this.#setup.parameters.refresh_interval_min_ms) return false;
    const stats = observation.shards.get(this.#leader.shard);
    if (stats === undefined || observation.versions === undefined || observation.versions.uuid !== this.#leader.uuid) return true;
    if (stats.historyUuid !== this.#leader.historyUuid || observation.versions.state !== 'open') return true;
    return (
      stats.maxSeqNo > progress.checkpoint ||
      progress.ranges.length > 0 ||
      this.#viewDue ||
      this.#rolledBack !== undefined ||
      now >= this.#compareAtMs ||
      (progress.followerCount === undefined && this.#recountPossible(now)) ||
      ((progress.outstandingDeletes > 0 || this.#compareDue) && progress.followerCount !== undefined && now >= this.#scanAllowedAtMs)
    );
  }

  async step(signal: AbortSignal): Promise<StepResult> {
    if (this.#rolledBack !== undefined) throw failed('follower_rolled_back', this.#rolledBack);
    const now = this.#ports.clock.monotonic();
    if (now >= this.#compareAtMs) {
      this.#compareDue = true;
      this.#compareAtMs = now + DAY_MS;
    }
    if (this.progress.followerCount === undefined && this.#recountPossible(now)) await this.#recount(signal);
    const { stats, observation } = await this.#observe({ refresh: true }, signal);
    this.#adopt(stats);
    this.#refreshedAtMs = this.#ports.clock.monotonic();
    this.progress.sampled(stats.globalCheckpoint, this.#ports.clock.monotonic());
    await this.#setup.syncMetadata(observation, signal);
    if (this.progress.ranges.length > 0 || (!this.#viewDue && stats.globalCheckpoint - this.progress.checkpoint > RANGE_THRESHOLD)) return this.#copyRanges(stats, signal);
    if (this.progress.checkpoint < 0 && stats.globalCheckpoint > RANGE_THRESHOLD) return this.#copyRanges(stats, signal);
    return this.#readView(stats, signal);
  }

  #adopt(stats: FencedStats): void {
    if (this.#leader.historyUuid === undefined) this.#leader = { ...this.#leader, historyUuid: stats.historyUuid };
    // After a failover numbers above the checkpoint may be given anew.
    if (this.#primaryTerm !== stats.primaryTerm) this.progress.appliedAbove.clear();
    this.#primaryTerm = stats.primaryTerm;
  }

  async #observe(options: { refresh: boolean }, signal: AbortSignal): Promise<{ stats: FencedStats; observation: Observation }> {
    const observation = await this.#ports.leaderWatcher.observe(this.#leader.index, options, signal);
    if (observation.versions === undefined && !(await this.#setup.leaderIsGone(signal))) {
      throw failed('shard_unavailable', { op: 'watch leader', cluster: this.#leader.cluster, reason: `the cluster state does not list ${this.#leader.index} yet` });
    }
    return { stats: fencedStats(observation, this.#leader), observation };
  }

  // --- a long way: ranges ---------------------------------------------------------------------------------------------------

  /**
   * Parallel ranges of (C, G0]. Every document at or below G0 that still lives is in any later view, so each page is a fresh search;
   * the next view closes the window.
   */
  async #copyRanges(stats: FencedStats, signal: AbortSignal): Promise<StepResult> {
    const { progress } = this;
    if (progress.ranges.length === 0) progress.ranges = splitRange(progress.checkpoint, stats.globalCheckpoint, RANGES);
    const deadline = this.#ports.clock.monotonic() + STEP_MS;
    const work = progress.ranges.map(async (_, at) => {
      do if (!(await this.#copyRangePage(at, stats, signal))) return;
      while (this.#ports.clock.monotonic() < deadline);
    });
    for (const outcome of await Promise.allSettled(work)) if (outcome.status === 'rejected') throw outcome.reason;
    if (rangesDone(progress.ranges)) {
      const end = progress.ranges.at(-1)?.to ?? progress.checkpoint;
      progress.ranges = [];
      progress.advance(end);
      this.#viewDue = true;
    }
    return { progress: true, more: true };
  }

  /** One page of one range; false when the range is done. */
  async #copyRangePage(at: number, stats: FencedStats, signal: AbortSignal): Promise<boolean> {
    const range = this.progress.ranges[at];
    if (range === undefined || range.next > range.to) return false;
    const next = await this.#reader.read({ ...this.#wish(stats), after: range.next - 1, upTo: range.to, countTotal: false }, signal, async (page, full) => {
      const fence = await this.#observe({ refresh: false }, signal);
      await this.#setup.syncMetadata(fence.observation, signal);
      await this.#write(page, page.hits, signal);
      const last = page.hits.at(-1);
      return full && last !== undefined ? last.seqNo + 1 : range.to + 1;
    });
    this.progress.ranges = this.progress.ranges.map((other, index) => (index === at ? { ...other, next } : other));
    return next <= range.to;
  }

  // --- the cycle: one view --------------------------------------------------------------------------------------------------

  async #readView(stats: FencedStats, signal: AbortSignal): Promise<StepResult> {
    const scan = this.#scanWanted();
    if (scan) return this.#withView(stats, true, signal);
    const before = this.progress.checkpoint;
    const first = await this.#viewPage(stats, before, undefined, signal);
    if (first === 'moved') return { progress: false, more: true };
    if (first.full) return this.#withView(stats, false, signal);
    return this.#closeView(stats, first.total, before, first.applied, signal);
  }

  #scanWanted(): boolean {
    const { progress } = this;
    if (progress.followerCount === undefined || this.#ports.clock.monotonic() < this.#scanAllowedAtMs) return false;
    return progress.outstandingDeletes > 0 || this.#compareDue;
  }

  /** The same with a point in time: for views of more than a page, and for comparing both sides. */
  async #withView(stats: FencedStats, scan: boolean, signal: AbortSignal): Promise<StepResult> {
    const { leader, views } = this.#ports;
    return views.use(signal, async () => {
      const view = await leader.openView({ index: this.#leader.index, shard: this.#leader.shard, nodeId: stats.nodeId }, signal);
      try {
        const before = this.progress.checkpoint;
        let after = before;
        let total: number | undefined;
        let applied = 0;
        for (;;) {
          const page = await this.#viewPage(stats, after, view, signal);
          if (page === 'moved') return { progress: false, more: true };
          total ??= page.total;
          applied += page.applied;
          after = page.last;
          if (!page.full) break;
        }
        const result = await this.#closeView(stats, total, before, applied, signal);
        if (scan && this.#scanWanted()) await this.#scan(stats, view, after, signal);
        return result;
      } finally {
        await leader.closeView(view);
      }
    });
  }

  /** Reads one page of a view above `after`, waits until nothing in it can be rolled back, and writes it. */
  async #viewPage(stats: FencedStats, after: number, view: View | undefined, signal: AbortSignal): Promise<PageRead | 'moved'> {
    const countTotal = view === undefined || after === this.progress.checkpoint;
    return this.#reader.read({ ...this.#wish(stats), after, countTotal, view }, signal, async (page, full) => {
      const last = page.hits.at(-1)?.seqNo ?? after;
      const hits = page.hits.filter((hit) => !this.progress.appliedAbove.has(hit.seqNo));
      // Where nothing is new, nothing has to be safe.
      if (hits.length > 0) {
        if (!(await this.#fence(stats, last, signal))) return 'moved';
        await this.#write(page, hits, signal);
        for (const hit of hits) if (hit.seqNo > stats.globalCheckpoint) this.progress.appliedAbove.add(hit.seqNo);
        this.progress.advance(Math.min(last, stats.globalCheckpoint));
      }
      return { full, total: page.total, last, applied: hits.length };
    });
  }

  #wish(stats: FencedStats): { index: string; shard: number; nodeId: string } {
    return { index: this.#leader.index, shard: this.#leader.shard, nodeId: stats.nodeId };
  }

  /** The whole view is on the follower: the checkpoint moves to G0, and the counts tell whether deletes are outstanding. */
  async #closeView(stats: FencedStats, total: number | undefined, before: number, applied: number, signal: AbortSignal): Promise<StepResult> {
    const { progress } = this;
    progress.advance(stats.globalCheckpoint);
    this.#viewDue = false;
    const known = progress.outstandingDeletes;
    const difference = total === undefined ? undefined : progress.compared(total, this.#ports.clock.monotonic());
    if (difference !== undefined && difference < 0) {
      // Never normal: count again, and look at both sides.
      progress.counters.scanSurprises += this.#compareDue ? 0 : 1;
      progress.followerCount = undefined;
      this.#compareDue = true;
      await this.#recount(signal);
      if (total !== undefined) progress.compared(total, this.#ports.clock.monotonic());
    }
    const moved = progress.checkpoint > before || applied > 0;
    return { progress: moved || progress.outstandingDeletes !== known, more: moved || this.#scanWanted() };
  }

  /**
   * Waits until the shard's global checkpoint is at or above `last`, with the same history and term as the view's: only then is there
   * nothing in it that a failover could roll back. False: the view is to be dropped.
   */
  async #fence(stats: FencedStats, last: number, signal: AbortSignal): Promise<boolean> {
    const deadline = this.#ports.clock.monotonic() + FENCE_WAIT_MS;
    for (let round = 0; ; round += 1) {
      // A leader with an asynchronous translog moves its global checkpoint late; a refresh moves it.
      const now = await this.#observe({ refresh: round > 0 && round % 10 === 0 }, signal);
      if (now.stats.primaryTerm !== stats.primaryTerm) return false;
      if (now.stats.globalCheckpoint >= last) {
        await this.#setup.syncMetadata(now.observation, signal);
        return true;
      }
      if (this.#ports.clock.monotonic() >= deadline) return false;
      await this.#ports.clock.sleep(FENCE_POLL_MS, signal);
    }
  }

  // --- reading and writing --------------------------------------------------------------------------------------------------

  async #write(page: SearchPage, hits: readonly WireHit[], signal: AbortSignal): Promise<void> {
    if (hits.length === 0) return;
    const { shard } = this.#leader;
    const conflicts = await this.#writing(() => this.#writer.writeHits(page, hits, (hit) => versionOf(this.#scheme, hit.seqNo, shard), signal));
    if (conflicts.length === 0) return;
    this.progress.counters.conflicts += conflicts.length;
    const { followerIndex: index, aligned } = this.#setup;
    throw await conflictVerdict({ follower: this.#ports.follower, index, scheme: this.#scheme, shard, aligned }, conflicts, signal);
  }

  async #deleting(lines: readonly DeleteLine[], signal: AbortSignal): Promise<readonly number[]> {
    const conflicts = await this.#writing(() => this.#writer.writeDeletes(lines, signal));
    this.progress.counters.conflicts += conflicts.length;
    return conflicts;
  }

  async #writing<T>(work: () => Promise<T>): Promise<T> {
    this.progress.beginWrite();
    try {
      return await work();
    } finally {
      this.progress.endWrite(this.#ports.clock.monotonic());
    }
  }

  // --- counting and deletes -------------------------------------------------------------------------------------------------

  #recountPossible(now: number): boolean {
    const since = this.progress.unsureAtMs;
    return now >= this.#recountAtMs && (since === undefined || now >= since + this.#setup.writeLifeMs);
  }

  async #recount(signal: AbortSignal): Promise<void> {
    const { follower, followerWatcher, narrator, clock } = this.#ports;
    const { followerIndex: index, pair, aligned } = this.#setup;
    const span = narrator.span('recount', pair, this.#setup.traceId());
    this.#recountAtMs = clock.monotonic() + RECOUNT_RETRY_MS;
    const { shard } = this.#leader;
    const counted = aligned
      ? await countAligned({ follower, index, shard, stats: async () => (await followerWatcher.observe(index, { refresh: false }, signal)).shards }, signal)
      : await countUnaligned({ follower, index, shard, scheme: this.#scheme }, signal);
    if (counted !== undefined) this.progress.recounted(counted.count, counted.maxSeqNo);
    span.set({ 'slipstream.count': counted?.count ?? -1 });
    span.end();
  }

  async #scan(stats: FencedStats, view: View, upTo: number, signal: AbortSignal): Promise<void> {
    const { progress } = this;
    const { clock, narrator, leader, follower } = this.#ports;
    const { pair, aligned, followerIndex, parameters } = this.#setup;
    if (progress.followerCount === undefined) return;
    const expected = progress.outstandingDeletes;
    const startedAtMs = clock.monotonic();
    const span = narrator.span('delete-scan', pair, this.#setup.traceId());
    const report = await scanDeletes(
      {
        sides: { leader, leaderIndex: this.#leader.index, follower, followerIndex, shard: this.#leader.shard, scheme: this.#scheme, aligned },
        view,
        globalCheckpoint: stats.globalCheckpoint,
        upTo,
        followerCount: progress.followerCount,
        expected,
        whole: this.#compareDue,
        deleteShareMax: this.#massDeleteAllowed ? 1 : parameters.mass_delete_share,
        writeDeletes: (lines) => this.#deleting(lines, signal),
        resend: (seqNos) => this.#resend(seqNos, stats, signal),
      },
      signal,
    );
    this.#scanned(report, expected);
    const tookMs = clock.monotonic() - startedAtMs;
    // The duty cycle: a scan costs time in proportion to the documents, so it may use only a share of it.
    this.#scanAllowedAtMs = clock.monotonic() + tookMs * (1 / Math.max(parameters.scan_share, 0.0001) - 1);
    span.set({ 'slipstream.extras': report.extras, 'slipstream.expected': expected, 'slipstream.deleted': report.deleted, 'slipstream.missing': report.missing });
    span.end();
    narrator.count('slipstream.delete_scan.milliseconds', tookMs, { pair });
  }

  #scanned(report: ScanReport, expected: number): void {
    const { progress } = this;
    progress.counters.deleteScans += 1;
    progress.counters.deletesFound += report.deleted;
    this.#massDeleteAllowed = false;
    if (report.extras !== expected || report.missing > 0) {
      progress.counters.scanSurprises += 1;
      const { pair } = this.#setup;
      this.#ports.narrator.log('warn', 'delete scan found something other than the counts said', { pair, expected, ...report });
      progress.followerCount = undefined;
      this.#compareDue = true;
      return;
    }
    if (this.#compareDue) this.#comparisons += 1;
    this.#compareDue = false;
    if (progress.leaderCount !== undefined) progress.compared(progress.leaderCount, this.#ports.clock.monotonic());
  }

  /** Reads these leader operations again and writes them; those that are gone by now are the next cycle's. */
  async #resend(seqNos: readonly number[], stats: FencedStats, signal: AbortSignal): Promise<void> {
    for (const seqNo of seqNos) {
      const page = await this.#ports.leader.readPage({ index: this.#leader.index, shard: this.#leader.shard, nodeId: stats.nodeId, after: seqNo - 1, upTo: seqNo, size: 1, countTotal: false }, signal);
      await this.#write(page, page.hits, signal);
    }
  }
}
