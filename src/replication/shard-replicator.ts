import { failed } from '../domain/failure.ts';
import type { VersionScheme } from '../domain/version.ts';
import type { SearchPage } from '../domain/wire/search-page.ts';
import type { View } from '../ports/search-cluster.ts';
import type { Observation, ObserveOptions } from './cluster-watcher.ts';
import { type Comparison, comparisonOf } from './comparison.ts';
import { type Corrected, resend, scanHands } from './correction.ts';
import { farBehind, refreshApartMs } from './far-behind.ts';
import { FollowerAudit } from './follower-audit.ts';
import {
  awaitCheckpoint,
  fencedStats,
  type FencedSight,
  type FencedStats,
  type LeaderIdentity,
} from './leader-fence.ts';
import { goLongWay } from './long-way.ts';
import { OpenedSides } from './opened-sides.ts';
import { type PageReader, pageReaderOf } from './page-reader.ts';
import { PairProgress } from './pair-progress.ts';
import { PairWriter } from './pair-writer.ts';
import { Recounts } from './recount.ts';
import { repairDocuments } from './repair-documents.ts';
import {
  type Moved,
  type PageRead,
  type ReplicatorPorts,
  type ReplicatorSetup,
  type ReplicatorStart,
  startFrom,
  type StepResult,
} from './replicator-setup.ts';

/** Changes that come meanwhile wait so long at most. */
const COMPARED_WAIT_MS = 300;

/** Moves one pair's data. `step` is one bounded piece of work and is never called twice at once. */
export class ShardReplicator {
  readonly progress: PairProgress;
  readonly #ports: ReplicatorPorts;
  readonly #setup: ReplicatorSetup;
  readonly #writer: PairWriter;
  /** An idle pair needs none. */
  #pages: PageReader | undefined;
  readonly #scheme: VersionScheme;
  readonly audit: FollowerAudit;
  readonly #comparison: Comparison;
  readonly #recounts: Recounts;
  #leader: LeaderIdentity;
  #primaryTerm: number | undefined;
  #viewDue = true;
  /** A view has to be read to its end before ranges are used again, or deletes would never be seen under constant load. */
  #rangesGone = false;
  #refreshedAtMs = Number.NEGATIVE_INFINITY;
  #refreshMs = 0;
  /** When the last step ended; infinite while one runs. */
  #steppedAtMs = Number.NEGATIVE_INFINITY;
  /** The last step. */
  #failed = false;

  constructor(ports: ReplicatorPorts, setup: ReplicatorSetup, start: ReplicatorStart) {
    this.#ports = ports;
    this.#setup = setup;
    this.progress = new PairProgress(start.counters);
    this.progress.quarantine = setup.quarantine;
    this.#leader = setup.leader;
    this.#scheme = { epoch: setup.epoch, leaderShards: setup.leader.shards, layout: setup.layout };
    this.#writer = new PairWriter(ports, setup, this.progress, this.#scheme);
    this.audit = new FollowerAudit({
      progress: this.progress,
      cluster: ports.follower.name,
      index: setup.followerIndex,
      uuid: setup.followerUuid,
      shard: setup.leader.shard,
      aligned: setup.aligned,
      historyUuid: start.position?.follower.historyUuids[setup.leader.shard],
    });
    this.#recounts = new Recounts(ports, setup, this.#scheme, this.progress);
    this.#comparison = comparisonOf(ports, setup, this.progress, () => this.#recounts.tell());
    startFrom(start, this.progress, setup, ports.clock.monotonic());
  }

  get historyUuid(): string | undefined {
    return this.#leader.historyUuid;
  }

  get bytesRead(): number {
    return this.#pages?.bytesRead ?? 0;
  }

  /** Nothing more comes of it. */
  close(): void {
    this.#comparison.drop();
  }

  get #reader(): PageReader {
    this.#pages ??= pageReaderOf(this.#ports, this.#setup);
    return this.#pages;
  }

  /** True once every document of a whole view is there. Deletes are outstanding all the time where they come all the time. */
  get settled(): boolean {
    const { progress } = this;
    return (
      progress.ranges.length === 0 && !this.#viewDue && progress.followerCount !== undefined && !this.#comparison.asked
    );
  }

  /** Both sides were compared by content, not only by count, since the start. */
  get comparedOnce(): boolean {
    return this.#comparison.completed > 0;
  }

  /** The next whole view is compared by content of both sides even if counts agree; `exact`: document by document. */
  compareNext({ exact = false }: { exact?: boolean } = {}): void {
    this.#comparison.ask({ atOnce: true, exact });
  }

  /** Listens to the passive observations of the leader, for the lag and for what is safe. True: there is more to save. */
  leaderObserved({ shards, versions, startedAtMs }: Observation): boolean {
    const stats = shards.get(this.#leader.shard);
    if (stats === undefined) return false;
    this.progress.sampled(stats.globalCheckpoint, this.#ports.clock.monotonic());
    const sameTerm = versions?.primaryTerms[this.#leader.shard] === this.#primaryTerm;
    return sameTerm && startedAtMs >= this.#steppedAtMs && this.progress.proven(stats);
  }

  /** Listens to the passive observations of the follower: a foreign write or a rollback shows in its numbers. */
  followerObserved(observation: Observation): void {
    if (this.audit.observed(observation) !== undefined) this.#foreignWrite();
    this.#setup.quarantine.metadataSeen(observation.versions);
  }

  /** The same as seen by the audit of an index whose shards do not align. */
  indexAudited(verdict: 'foreign_write' | 'rolled_back', atMs: number): void {
    if (verdict === 'rolled_back')
      return this.audit.rollBack(`${this.#setup.followerIndex} lost acknowledged operations`);
    this.audit.foreignWrite(atMs);
    this.#foreignWrite();
  }

  /** Another pair of the index found that the counts of them all may be wrong. */
  miscounted(beforeMs: number): void {
    this.#recounts.miscounted(beforeMs);
  }

  #foreignWrite(): void {
    this.#comparison.ask({ exact: true });
    this.#ports.narrator.log('warn', 'foreign_write: somebody else wrote to the follower', { pair: this.#setup.pair });
  }

  /** Whether a step has anything to do, given what was last seen of the leader. An idle pair says no until its daily comparison. */
  needsStep(observation: Observation | undefined): boolean {
    if (observation === undefined) return false;
    const { progress } = this;
    const now = this.#ports.clock.monotonic();
    const stats = observation.shards.get(this.#leader.shard);
    // The leader is refreshed for us at most this often.
    const { refresh_interval_min_ms: leastMs } = this.#setup.parameters;
    const refreshedForMs = now - this.#refreshedAtMs;
    if (refreshedForMs < leastMs) return false;
    if (stats === undefined || observation.versions === undefined || observation.versions.uuid !== this.#leader.uuid)
      return true;
    if (stats.historyUuid !== this.#leader.historyUuid || observation.versions.state !== 'open') return true;
    const operationsBehind = stats.maxSeqNo - progress.checkpoint;
    const spared = refreshedForMs < refreshApartMs({ operationsBehind, refreshMs: this.#refreshMs, leastMs });
    return (
      (!spared && (operationsBehind > 0 || this.#viewDue)) ||
      progress.ranges.length > 0 ||
      (!progress.allSafe && observation.versions.primaryTerms[this.#leader.shard] !== this.#primaryTerm) ||
      this.audit.rolledBack !== undefined ||
      this.#setup.quarantine.pending ||
      this.#setup.repairs.pending ||
      (progress.followerCount === undefined && this.#recounts.possible(now)) ||
      this.#comparison.running ||
      (this.#comparison.due && this.#ports.comparisons.free)
    );
  }

  /** `brief`: it shall show soon that it works. */
  async step(signal: AbortSignal, { brief = false }: { brief?: boolean } = {}): Promise<StepResult> {
    this.#steppedAtMs = Number.POSITIVE_INFINITY;
    try {
      // What was being compared when the step before failed has failed for the same reason.
      if (this.#failed) this.#comparison.dropFailed();
      this.#failed = true;
      const result = await this.#step(brief, signal);
      this.#failed = false;
      return result;
    } finally {
      this.#steppedAtMs = this.#ports.clock.monotonic();
    }
  }

  async #step(brief: boolean, signal: AbortSignal): Promise<StepResult> {
    if (this.audit.rolledBack !== undefined) throw this.audit.rolledBack;
    const now = this.#ports.clock.monotonic();
    if (this.progress.followerCount === undefined && this.#recounts.possible(now)) await this.#recounts.run(signal);
    const sight = await this.#firstSight(signal);
    if (sight === undefined) return { progress: false, more: false };
    const { stats, observation } = sight;
    this.#adopt(stats);
    this.#refreshedAtMs = this.#ports.clock.monotonic();
    this.#refreshMs = observation.refreshMs ?? 0;
    this.progress.sampled(stats.globalCheckpoint, this.#ports.clock.monotonic());
    await this.#setup.syncMetadata(observation, signal);
    const { quarantine, repairs } = this.#setup;
    if (repairs.pending) await repairs.run((keys) => repairDocuments(this.#corrected(stats, signal), keys, signal));
    await quarantine.flush(signal);
    // Whoever asked hears of it after the step.
    const retried = quarantine.retrying;
    if (retried) await quarantine.retry((seqNos) => resend(this.#corrected(stats, signal), seqNos, signal));
    const far = farBehind(stats.globalCheckpoint - this.progress.checkpoint);
    const long = this.progress.ranges.length > 0 || (far && !this.#rangesGone);
    const result = await (long ? this.#goLongWay(stats, brief || retried, signal) : this.#readView(stats, signal));
    return this.#compareOn(stats, result, signal);
  }

  #adopt(stats: FencedStats): void {
    if (this.#leader.historyUuid === undefined) this.#leader = { ...this.#leader, historyUuid: stats.historyUuid };
    const failedOver = this.#primaryTerm !== undefined && this.#primaryTerm !== stats.primaryTerm;
    this.#primaryTerm = stats.primaryTerm;
    if (!failedOver) this.progress.proven(stats);
    else {
      this.progress.rewind();
      this.#comparison.drop();
      this.#viewDue = true;
    }
  }

  /** Undefined: the pair drains before the leader was refreshed. */
  async #firstSight(signal: AbortSignal): Promise<FencedSight | undefined> {
    const { draining: until } = this.#setup;
    try {
      return await this.#observe({ refresh: true, until }, signal);
    } catch (thrown) {
      // The watcher's own end is told in the same way, and is no reason to wait.
      if (signal.aborted || !until() || !(thrown instanceof DOMException)) throw thrown;
      return undefined;
    }
  }

  async #observe(options: ObserveOptions, signal: AbortSignal): Promise<FencedSight> {
    const observation = await this.#ports.leaderWatcher.observe(this.#leader.index, options, signal);
    if (observation.versions === undefined && !(await this.#setup.leaderIsGone(signal))) {
      throw failed('shard_unavailable', {
        op: 'watch leader',
        cluster: this.#leader.cluster,
        reason: `the cluster state does not list ${this.#leader.index} yet`,
      });
    }
    return { stats: fencedStats(observation, this.#leader), observation };
  }

  async #goLongWay(stats: FencedStats, brief: boolean, signal: AbortSignal): Promise<Moved> {
    const { progress } = this;
    const way = {
      ports: this.#ports,
      setup: this.#setup,
      audit: this.audit,
      progress,
      reader: this.#reader,
      wish: this.#wish(stats),
      look: () => this.#observe({ refresh: false }, signal),
      write: (page: SearchPage) => this.#writer.write(page, page.hits, signal),
      // A comparison is dealt with between steps only.
      brief: brief || this.#comparison.running,
    };
    const dropped = await goLongWay(way, stats, signal);
    // The next view closes the window.
    if (progress.ranges.length === 0) {
      this.#viewDue = true;
      this.#rangesGone = true;
    }
    return { progress: true, more: true, dropped };
  }

  // --- the cycle: one view --------------------------------------------------------------------------------------------------

  async #readView(stats: FencedStats, signal: AbortSignal): Promise<Moved> {
    const giveBack = this.#comparison.due ? this.#ports.comparisons.tryTake() : undefined;
    if (giveBack !== undefined) return this.#viewToCompare(stats, giveBack, signal);
    const before = this.progress.checkpoint;
    const first = await this.#viewPage(stats, before, undefined, signal);
    if (first === 'moved') return { progress: false, more: true, dropped: true };
    if (!first.full) return this.#closeView(stats, first.total, before, first.applied, signal);
    const { leader, views } = this.#ports;
    return views.use(signal, async () => {
      const view = await leader.openView(this.#wish(stats), signal);
      try {
        return (await this.#readThrough(stats, view, signal)).result;
      } finally {
        await leader.closeView(view);
      }
    });
  }

  /** Reads a view, and begins to compare it with what the follower holds then. Other steps go on meanwhile. */
  async #viewToCompare(stats: FencedStats, giveBack: () => void, signal: AbortSignal): Promise<StepResult> {
    const opened = new OpenedSides(this.#ports, giveBack);
    try {
      const view = await opened.leader(this.#wish(stats), signal);
      const { result, upTo } = await this.#readThrough(stats, view, signal);
      const { followerCount } = this.progress;
      if (upTo === undefined || followerCount === undefined || !this.#comparison.due) return result;
      const sides = await opened.sides(this.#setup, { leader: this.#leader, scheme: this.#scheme }, signal);
      const { globalCheckpoint } = stats;
      const ended = (): Promise<void> => opened.close();
      this.#comparison.begin({ sides, view, globalCheckpoint, upTo, ended }, followerCount);
      opened.keep();
      return result;
    } finally {
      await opened.closeUnlessKept();
    }
  }

  /** `upTo`: greatest `_seq_no` of the view, which is on the follower then; undefined: it was not read to its end. */
  async #readThrough(
    stats: FencedStats,
    view: View,
    signal: AbortSignal,
  ): Promise<{ readonly result: Moved; readonly upTo?: number }> {
    const before = this.progress.checkpoint;
    let after = before;
    let total: number | undefined;
    let applied = 0;
    for (;;) {
      const page = await this.#viewPage(stats, after, view, signal);
      if (page === 'moved') return { result: { progress: false, more: true, dropped: true } };
      total ??= page.total;
      applied += page.applied;
      after = page.last;
      if (!page.full) break;
      this.#setup.moved();
      if (this.#setup.draining()) return { result: { progress: true, more: true } };
    }
    return { result: await this.#closeView(stats, total, before, applied, signal), upTo: after };
  }

  /** Nothing else to do: the comparison is waited for. Without a view of the follower nothing may be written before it has ended. */
  async #compareOn(stats: FencedStats, moved: Moved, signal: AbortSignal): Promise<StepResult> {
    const { progress, more, dropped = false, counted = false } = moved;
    if (!this.#comparison.running || dropped) return { progress, more };
    const patienceMs = this.#setup.aligned ? (progress ? 0 : COMPARED_WAIT_MS) : Number.POSITIVE_INFINITY;
    const hands = scanHands(this.#corrected(stats, signal), signal);
    await this.#comparison.advance(hands, { patienceMs, counted }, signal);
    return { progress: true, more: true };
  }

  /** Reads one page of a view above `after`, waits until nothing in it can be rolled back, and writes it. */
  async #viewPage(
    stats: FencedStats,
    after: number,
    view: View | undefined,
    signal: AbortSignal,
  ): Promise<PageRead | 'moved'> {
    const countTotal = view === undefined || after === this.progress.checkpoint;
    return this.#reader.read({ ...this.#wish(stats), after, countTotal, view }, signal, async (page, full) => {
      const last = page.hits.at(-1)?.seqNo ?? after;
      const hits = page.hits.filter((hit) => !this.progress.isAppliedAbove(hit.seqNo));
      // Where nothing is new, nothing has to be safe.
      if (hits.length > 0) {
        if (!(await this.#fence(stats, last, signal))) return 'moved';
        await this.#writer.write(page, hits, signal);
        for (const hit of hits) if (hit.seqNo > stats.globalCheckpoint) this.progress.appliedAbove(hit.seqNo);
        this.progress.advance(Math.min(last, stats.globalCheckpoint));
      }
      return { full, total: page.total, last, applied: hits.length };
    });
  }

  #wish(stats: FencedStats): { index: string; shard: number; nodeId: string } {
    return { index: this.#leader.index, shard: this.#leader.shard, nodeId: stats.nodeId };
  }

  /** The whole view is on the follower: the checkpoint moves to G0, and the counts tell whether deletes are outstanding. */
  async #closeView(
    stats: FencedStats,
    total: number | undefined,
    before: number,
    applied: number,
    signal: AbortSignal,
  ): Promise<Moved> {
    const { progress } = this;
    progress.advance(stats.globalCheckpoint);
    this.#viewDue = false;
    this.#rangesGone = false;
    const known = progress.outstandingDeletes;
    const difference = total === undefined ? undefined : progress.compared(total, this.#ports.clock.monotonic());
    if (difference !== undefined && difference < 0) {
      // Never normal: count again, and look at both sides.
      progress.followerCount = undefined;
      this.#comparison.ask();
      this.#recounts.tell();
      await this.#recounts.run(signal);
      if (total !== undefined) progress.compared(total, this.#ports.clock.monotonic());
    }
    const moved = progress.checkpoint > before || applied > 0;
    return {
      progress: moved || progress.outstandingDeletes !== known,
      more: moved || this.#comparison.due,
      counted: true,
    };
  }

  /** False: the view is to be dropped. */
  async #fence(stats: FencedStats, last: number | 'all', signal: AbortSignal): Promise<boolean> {
    const look = async (refresh: boolean): Promise<FencedSight> => this.#observe({ refresh, urgent: true }, signal);
    const safe = await awaitCheckpoint(
      look,
      { primaryTerm: stats.primaryTerm, last, clock: this.#ports.clock },
      signal,
    );
    if (safe !== undefined) await this.#setup.syncMetadata(safe, signal);
    return safe !== undefined;
  }

  #corrected(stats: FencedStats, signal: AbortSignal): Corrected {
    return {
      ports: this.#ports,
      setup: this.#setup,
      leader: this.#leader,
      scheme: this.#scheme,
      writer: this.#writer,
      stats,
      fence: (last) => this.#fence(stats, last, signal),
      refresh: () => this.#observe({ refresh: true, urgent: true }, signal),
    };
  }
}
