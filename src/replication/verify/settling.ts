import type { Copy } from './copies.ts';
import { type Doubt, endingOf, findingOf, isAheadOfLeader, newDoubt, recordDifference } from './doubts.ts';
import { type Fence, statsOf } from './fence.ts';
import { compareAgreed, lookAt } from './looks.ts';
import type { Tally } from './report.ts';
import type { KnownRefusal, VerifyLimits, VerifyRequest } from './request.ts';

export interface SettlingOptions {
  readonly request: VerifyRequest;
  readonly limits: VerifyLimits;
  readonly tally: Tally;
  /** Before each round of looks. */
  readonly onRound: (open: number) => void;
}

const ROUND_GROWTH = 1.5;
const ROUND_GROWTH_MAX = 10;
/** Pause in multiples of the last round's own time, so that many doubtful documents do not load the clusters. */
const PAUSE_SHARE = 2;

/** The doubtful documents, looked at until each is in step, different or undecided. */
export class Settling {
  readonly #options: SettlingOptions;
  readonly #open = new Map<string, Doubt>();
  #fresh: Doubt[] = [];
  /** Leader operations that the follower refuses, by id. */
  #refused: ReadonlyMap<string, readonly KnownRefusal[]> | undefined;
  #stopped: ReadonlySet<number> | undefined;

  constructor(options: SettlingOptions) {
    this.#options = options;
  }

  get open(): number {
    return this.#open.size;
  }

  /** Remembers a document; looks at the new ones once they fill a batch, and waits while too many are open. */
  async doubt(
    copy: Copy,
    seen: { side: 'leader' | 'follower'; fence: Fence; sharesVersion?: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const { request, limits } = this.#options;
    const { side, fence, sharesVersion = false } = seen;
    const known = this.#open.get(keyOf(copy));
    if (known !== undefined) {
      if (side === 'leader') known.leaderShard = copy.shard;
      else known.followerShard = copy.shard;
      known.sharesVersion ||= sharesVersion;
      return;
    }
    const doubt = newDoubt({
      copy,
      side,
      aligned: request.aligned,
      fence,
      sharesVersion,
      nowMs: request.clock.monotonic(),
    });
    this.#open.set(keyOf(copy), doubt);
    this.#fresh.push(doubt);
    if (this.#fresh.length >= limits.batchDocuments) await this.#lookAtFresh(signal);
    if (this.#open.size >= limits.doubtsMax) await this.settle(Math.floor(limits.doubtsMax / 2), signal);
  }

  /** Looks again until at most `openMax` are left. */
  async settle(openMax: number, signal: AbortSignal): Promise<void> {
    const { request, limits, onRound } = this.#options;
    const { clock } = request;
    await this.#lookAtFresh(signal);
    await this.#endOverdue(signal);
    let pauseMs = limits.roundMs;
    let roundTookMs = 0;
    while (this.#open.size > openMax) {
      onRound(this.#open.size);
      await clock.sleep(Math.max(pauseMs, roundTookMs * PAUSE_SHARE), signal);
      pauseMs = Math.min(pauseMs * ROUND_GROWTH, limits.roundMs * ROUND_GROWTH_MAX);
      const startedMs = clock.monotonic();
      const doubts = [...this.#open.values()];
      for (let at = 0; at < doubts.length; at += limits.batchDocuments)
        await this.#look(doubts.slice(at, at + limits.batchDocuments), signal);
      roundTookMs = clock.monotonic() - startedMs;
      await this.#endOverdue(signal);
    }
  }

  async #lookAtFresh(signal: AbortSignal): Promise<void> {
    const doubts = this.#fresh;
    this.#fresh = [];
    if (doubts.length > 0) await this.#look(doubts, signal);
  }

  async #look(doubts: readonly Doubt[], signal: AbortSignal): Promise<void> {
    const { request, limits, tally } = this.#options;
    const { contents } = request;
    const { equal, overtaken } = await lookAt(doubts, request, signal);
    tally.overtaken += overtaken.length;
    for (const doubt of overtaken) this.#agree(doubt);
    const { held = [], absent = [] } = Object.groupBy(equal, (one) => (one.follower.found ? 'held' : 'absent'));
    for (const one of contents === undefined ? equal : absent) this.#agree(one.doubt);
    if (contents === undefined || held.length === 0) return;
    const { same, different } = await compareAgreed(
      held,
      request,
      { contents, pageDocuments: limits.pageDocuments },
      signal,
    );
    for (const doubt of different) {
      tally.differing.add({ ...findingOf(doubt), cause: 'content' });
      this.#open.delete(keyOf(doubt.key));
    }
    for (const doubt of same) this.#agree(doubt);
  }

  /** Once, when there is the first doubt: what is refused only later is a difference like any other. */
  async #refusals(signal: AbortSignal): Promise<ReadonlyMap<string, readonly KnownRefusal[]>> {
    if (this.#open.size === 0) return new Map();
    const known = (await this.#options.request.quarantined?.(signal)) ?? [];
    return Map.groupBy(known, ({ id }) => id);
  }

  #isRefused({ key, leaderSeqNo, leaderShard }: Doubt): boolean {
    const known = this.#refused?.get(key.id) ?? [];
    return known.some(({ seqNo, shard }) => seqNo === leaderSeqNo && (leaderShard ?? shard) === shard);
  }

  #agree(doubt: Doubt): void {
    if (this.#open.delete(keyOf(doubt.key))) this.#options.tally.compared += 1;
  }

  async #endOverdue(signal: AbortSignal): Promise<void> {
    const { request, limits, tally } = this.#options;
    const { leader, leaderIndex, scheme, clock } = request;
    const nowMs = clock.monotonic();
    const overdue: Doubt[] = [];
    this.#refused ??= await this.#refusals(signal);
    if (this.#open.size > 0) this.#stopped ??= (await request.stopped?.(signal)) ?? new Set();
    for (const [key, doubt] of this.#open) {
      // Nothing to wait for.
      if (doubt.looks > 0 && this.#isRefused(doubt)) {
        this.#open.delete(key);
        tally.quarantined.add(findingOf(doubt));
        continue;
      }
      const onItsWay = doubt.leaderShard === undefined || this.#stopped?.has(doubt.leaderShard) !== true;
      const ending = endingOf(doubt, scheme, { nowMs, patienceMs: onItsWay ? limits.patienceMs : 0 });
      if (ending === 'later') continue;
      this.#open.delete(key);
      if (ending === 'different') recordDifference(doubt, scheme, tally);
      else overdue.push(doubt);
    }
    if (overdue.length === 0) return;
    const stats = await statsOf(leader, leaderIndex, signal);
    for (const doubt of overdue) {
      if (isAheadOfLeader(doubt, scheme, stats)) recordDifference(doubt, scheme, tally);
      else tally.undecided.add(findingOf(doubt));
    }
  }
}

function keyOf({ id, routing }: { id: string; routing: string | undefined }): string {
  return routing === undefined ? id : JSON.stringify([id, routing]);
}
