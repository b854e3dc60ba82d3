import { type Failure, failureOf } from '../domain/failure.ts';
import type { Clock } from '../ports/clock.ts';
import type { CycleSpan, Narrator } from '../ports/narrator.ts';
import type { Random } from '../ports/random.ts';
import { DeleteScan, type ScanHands, type ScanReport, type ScanRequest } from './delete-scan.ts';
import type { PairProgress } from './pair-progress.ts';
import type { ReplicatorSetup } from './replicator-setup.ts';

/** An operator's word that one comparison may delete more than the allowed share of a shard. */
export interface MassDeleteAllowance {
  /** The command that gave it; undefined: there is none. */
  readonly allowedBy: string | undefined;
  /** The comparison that ran under it is over. */
  used(commandId: string, documents: number): void;
}

export interface ComparisonOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly narrator: Narrator;
  readonly progress: PairProgress;
  readonly pair: string;
  /** Share of time that searching may take: it costs time in proportion to the documents of both shards. */
  readonly scanShare: number;
  readonly deleteShareMax: number;
  readonly massDeletes: MassDeleteAllowance;
  readonly aligned: boolean;
  /** Told when a comparison found something other than the counts said. */
  readonly miscounted: () => void;
  readonly traceId: () => string | undefined;
}

/** What one comparison is given by the cycle whose view it looks at. */
export type ComparedView = Pick<ScanRequest, 'sides' | 'view' | 'globalCheckpoint' | 'upTo' | 'ended'>;

interface Running {
  readonly scan: DeleteScan;
  readonly span: CycleSpan;
  readonly expected: number;
  readonly whole: boolean;
  readonly exact: boolean;
  /** The allowance that it runs under. */
  readonly allowedBy: string | undefined;
  readonly startedAtMs: number;
  readonly atOnce: boolean;
}

const HOUR_MS = 3_600_000;
/** Both sides are compared whole this often, even if counts agree: those of pairs that share follower shards prove less. */
const DAY_MS = 24 * HOUR_MS;
/** With more of them in a shard, what a listing costs is not paid for nothing: nobody was seen to write to the follower. */
const EXACT_DOCUMENTS_MAX = 1_000_000;
/** Saved up while nothing is compared, so that deletes after a quiet time are found at once. */
const CREDIT_MAX_MS = 2000;
/** An exact comparison of many millions of documents must not keep deletes waiting for hours: ten minutes at the usual share. */
const DEBT_MAX_MS = 12_000;

/** When both sides are compared, and what follows from it. Due when deletes are outstanding, when asked for, and now and then. */
export class Comparison {
  readonly #options: ComparisonOptions;
  #whole = false;
  #exact = false;
  /** The next one does not wait for its share of time. */
  #atOnce = false;
  #running: Running | undefined;
  /** The last one could not read. The next is waited for within its step, so that what fails for good fails there again, and is backed off from. */
  #failedToRead = false;
  readonly #wholeEveryMs: number;
  #wholeAtMs: number;
  /** Time that may be spent on comparing now; grows by the share, and is overdrawn by what a comparison took. */
  #creditMs = CREDIT_MAX_MS;
  #creditAtMs: number;
  /** Whole comparisons that found nothing but what the counts said. */
  completed = 0;

  constructor(options: ComparisonOptions) {
    this.#options = options;
    this.#creditAtMs = options.clock.monotonic();
    this.#wholeEveryMs = options.aligned ? DAY_MS : HOUR_MS;
    // Spread over that time, so that pairs that start together do not compare together.
    this.#wholeAtMs = options.clock.monotonic() + this.#wholeEveryMs * (0.5 + options.random.next());
  }

  /**
   * The next view is compared whole, even if counts agree. `atOnce`: this one does not wait for its share of time. `exact`: document by
   * document, until nothing is found any more.
   */
  ask({ atOnce = false, exact = false }: { atOnce?: boolean; exact?: boolean } = {}): void {
    this.#whole = true;
    this.#exact ||= exact;
    this.#atOnce ||= atOnce;
  }

  get asked(): boolean {
    return this.#whole || this.#running?.whole === true;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  /** Whether the next cycle should be one that compares; not before the duty cycle allows it, and never while the count is unknown. */
  get due(): boolean {
    const { progress, clock } = this.#options;
    const now = clock.monotonic();
    if (now >= this.#wholeAtMs) {
      this.#whole = true;
      this.#exact ||= this.#options.aligned && progress.leaderDocumentsMax <= EXACT_DOCUMENTS_MAX;
      this.#wholeAtMs = now + this.#wholeEveryMs;
    }
    if (this.running || progress.followerCount === undefined) return false;
    if (this.#credit(now) <= 0 && !this.#atOnce) return false;
    return this.#whole || progress.outstandingDeletes > 0;
  }

  #credit(nowMs: number): number {
    const earnedMs = (nowMs - this.#creditAtMs) * this.#options.scanShare;
    this.#creditMs = Math.min(CREDIT_MAX_MS, this.#creditMs + earnedMs);
    this.#creditAtMs = nowMs;
    return this.#creditMs;
  }

  /** Compares from now on; `advance` acts upon what it finds. Throws `mass_delete`. */
  begin(compared: ComparedView, followerCount: number): void {
    const { progress, narrator, pair, clock, traceId, deleteShareMax, massDeletes } = this.#options;
    const { outstandingDeletes: expected } = progress;
    const { allowedBy } = massDeletes;
    const [whole, exact, atOnce] = [this.#whole, this.#exact, this.#atOnce];
    const limits = { whole, exact, deleteShareMax: allowedBy === undefined ? deleteShareMax : 1 };
    const scan = new DeleteScan({ ...compared, ...limits, followerCount, expected, clock });
    const span = narrator.span('delete-scan', pair, traceId());
    this.#running = { scan, span, expected, whole, exact, atOnce, allowedBy, startedAtMs: clock.monotonic() };
    // What is asked for from now on is for the next one.
    this.#whole = false;
    this.#exact = false;
    this.#atOnce = false;
  }

  /**
   * Acts upon what the comparison under way has found, waiting for it at most so long. `counted`: the leader was counted in this very step.
   * A view that has expired, or that nobody went on with, is no failure: it is due again.
   */
  async advance(
    hands: ScanHands,
    { patienceMs, counted }: { readonly patienceMs: number; readonly counted: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const { scan, span, expected, allowedBy } = running;
    try {
      const report = await scan.advance(hands, this.#failedToRead ? Number.POSITIVE_INFINITY : patienceMs, signal);
      if (report === undefined) return;
      this.#running = undefined;
      this.#failedToRead = false;
      // What stays would be listed again and again.
      this.#spent(report.deleted < report.extras ? report.comparedMs : report.searchedMs);
      span.set({
        'slipstream.extras': report.extras,
        'slipstream.expected': expected,
        'slipstream.deleted': report.deleted,
        'slipstream.missing': report.missing,
      });
      span.end();
      if (allowedBy !== undefined) this.#options.massDeletes.used(allowedBy, report.deleted);
      this.#conclude(report, running, counted);
    } catch (thrown) {
      const failure = failureOf(thrown, 'delete scan');
      const first = !this.#failedToRead;
      if (scan.failed) this.#failedToRead = true;
      this.drop(failure);
      if (failure.code !== 'view_expired' || !first || signal.aborted) throw thrown;
    }
  }

  /** Gives up what is under way; what it was asked for is still to be done. */
  drop(failure?: Failure): void {
    const running = this.#running;
    if (running === undefined) return;
    const { narrator, pair } = this.#options;
    this.#running = undefined;
    this.#spent(running.scan.times.comparedMs);
    running.scan.close();
    running.span.end(failure);
    narrator.log('info', 'a comparison was given up', { pair, reason: failure?.reason ?? 'the pair does other work' });
    this.#whole ||= running.whole;
    this.#exact ||= running.exact;
    this.#atOnce ||= running.atOnce;
  }

  /** The same for what failed while the pair itself could not go on, most likely for the same reason. */
  dropFailed(): void {
    if (this.#running?.scan.failed === true) this.drop();
  }

  #spent(tookMs: number): void {
    this.#creditMs = Math.max(this.#credit(this.#options.clock.monotonic()) - tookMs, -DEBT_MAX_MS);
  }

  #conclude(report: ScanReport, { expected, whole, exact, startedAtMs }: Running, counted: boolean): void {
    const { progress, narrator, pair, clock } = this.#options;
    progress.counters.deleteScans += 1;
    progress.counters.deletesFound += report.deleted;
    narrator.log('debug', 'both sides were compared', { pair, expected, ...report });
    const undeleted = report.extras - report.living - report.deleted;
    progress.counters.conflicts += undeleted;
    if (report.extras !== expected || report.missing > 0 || undeleted > 0) {
      progress.counters.scanSurprises += 1;
      narrator.log('warn', 'a comparison found something other than the counts said', { pair, expected, ...report });
      progress.followerCount = undefined;
      this.#whole = true;
      this.#exact ||= exact;
      this.#options.miscounted();
      return;
    }
    if (whole) this.completed += 1;
    if (counted && progress.leaderCount !== undefined) progress.compared(progress.leaderCount, clock.monotonic());
    progress.deletesApplied(report.deleted, { counted, startedAtMs });
  }
}

export function comparisonOf(
  { clock, random, narrator }: Pick<ComparisonOptions, 'clock' | 'random' | 'narrator'>,
  { pair, parameters, massDeletes, aligned, traceId }: ReplicatorSetup,
  progress: PairProgress,
  miscounted: () => void,
): Comparison {
  const { scan_share: scanShare, mass_delete_share: deleteShareMax } = parameters;
  const limits = { scanShare, deleteShareMax, massDeletes, aligned };
  return new Comparison({ clock, random, narrator, progress, pair, ...limits, miscounted, traceId });
}
