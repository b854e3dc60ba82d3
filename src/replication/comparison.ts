import { failureOf } from '../domain/failure.ts';
import type { Clock } from '../ports/clock.ts';
import type { Narrator } from '../ports/narrator.ts';
import type { Random } from '../ports/random.ts';
import { scanDeletes, type ScanReport, type ScanRequest } from './delete-scan.ts';
import type { PairProgress } from './pair-progress.ts';

export interface ComparisonOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly narrator: Narrator;
  readonly progress: PairProgress;
  readonly pair: string;
  /** Share of time that comparing may take: it costs time in proportion to the documents of both shards. */
  readonly scanShare: number;
  readonly deleteShareMax: number;
  readonly traceId: () => string | undefined;
}

/** What one comparison is given by the cycle whose view it looks at. */
export type ComparedView = Pick<
  ScanRequest,
  'sides' | 'view' | 'globalCheckpoint' | 'upTo' | 'writeDeletes' | 'resend' | 'quarantined' | 'release'
>;

const DAY_MS = 24 * 3600 * 1000;
/** Saved up while nothing is compared, so that deletes after a quiet time are found at once. */
const CREDIT_MAX_MS = 2000;

/** When both sides are compared, and what follows from it. Due when deletes are outstanding, when asked for, and once a day. */
export class Comparison {
  readonly #options: ComparisonOptions;
  #whole = false;
  #dailyAtMs: number;
  /** Time that may be spent on comparing now; grows by the share, and is overdrawn by what a comparison took. */
  #creditMs = CREDIT_MAX_MS;
  #creditAtMs: number;
  #massDeleteAllowed = false;
  /** Whole comparisons that found nothing but what the counts said. */
  completed = 0;

  constructor(options: ComparisonOptions) {
    this.#options = options;
    this.#creditAtMs = options.clock.monotonic();
    // Spread over the day, so that pairs that start together do not compare together.
    this.#dailyAtMs = options.clock.monotonic() + DAY_MS * (0.5 + options.random.next());
  }

  /** The next view is compared whole, even if counts agree. `atOnce`: this one does not wait for its share of time. */
  ask(options: { atOnce: boolean } = { atOnce: false }): void {
    this.#whole = true;
    if (options.atOnce) this.#creditMs = Math.max(this.#credit(this.#options.clock.monotonic()), 1);
  }

  get asked(): boolean {
    return this.#whole;
  }

  /** Lets the next scan pass the brake on mass deletes. */
  allowMassDelete(allowed: boolean): void {
    this.#massDeleteAllowed = allowed;
  }

  /** Whether the next cycle should be one that compares; not before the duty cycle allows it, and never while the count is unknown. */
  get due(): boolean {
    const { progress, clock } = this.#options;
    const now = clock.monotonic();
    if (now >= this.#dailyAtMs) {
      this.#whole = true;
      this.#dailyAtMs = now + DAY_MS;
    }
    if (progress.followerCount === undefined || this.#credit(now) <= 0) return false;
    return this.#whole || progress.outstandingDeletes > 0;
  }

  #credit(nowMs: number): number {
    const earnedMs = (nowMs - this.#creditAtMs) * this.#options.scanShare;
    this.#creditMs = Math.min(CREDIT_MAX_MS, this.#creditMs + earnedMs);
    this.#creditAtMs = nowMs;
    return this.#creditMs;
  }

  async run(compared: ComparedView, signal: AbortSignal): Promise<void> {
    const { progress, narrator, pair, clock, traceId, deleteShareMax } = this.#options;
    const { followerCount, outstandingDeletes: expected } = progress;
    if (followerCount === undefined) return;
    const span = narrator.span('delete-scan', pair, traceId());
    const startedAtMs = clock.monotonic();
    let tookMs = 0;
    const limits = { whole: this.#whole, deleteShareMax: this.#massDeleteAllowed ? 1 : deleteShareMax };
    try {
      const report = await scanDeletes({ ...compared, ...limits, followerCount, expected, clock }, signal);
      span.set({
        'slipstream.extras': report.extras,
        'slipstream.expected': expected,
        'slipstream.deleted': report.deleted,
        'slipstream.missing': report.missing,
      });
      span.end();
      tookMs = report.comparedMs;
      this.#conclude(report, expected);
    } catch (thrown) {
      tookMs = clock.monotonic() - startedAtMs;
      span.end(failureOf(thrown, 'delete scan'));
      throw thrown;
    } finally {
      this.#creditMs = this.#credit(clock.monotonic()) - tookMs;
    }
  }

  #conclude(report: ScanReport, expected: number): void {
    const { progress, narrator, pair, clock } = this.#options;
    progress.counters.deleteScans += 1;
    progress.counters.deletesFound += report.deleted;
    this.#massDeleteAllowed = false;
    const undeleted = report.extras - report.living - report.deleted;
    if (report.extras !== expected || report.missing > 0 || undeleted > 0) {
      progress.counters.scanSurprises += 1;
      narrator.log('warn', 'a comparison found something other than the counts said', { pair, expected, ...report });
      progress.followerCount = undefined;
      this.#whole = true;
      return;
    }
    if (this.#whole) this.completed += 1;
    this.#whole = false;
    if (progress.leaderCount !== undefined) progress.compared(progress.leaderCount, clock.monotonic());
  }
}
