import { backoffMs } from '../domain/backoff.ts';
import { bulkVerdict, reasonWithoutContent } from '../domain/bulk-verdict.ts';
import { Failed, failed } from '../domain/failure.ts';
import type { BufferPool } from '../domain/wire/buffer-pool.ts';
import { tooLargeAlone, tooLargeText } from '../domain/too-large.ts';
import { bulkIndexSizeBytes } from '../domain/wire/bulk-body.ts';
import type { BulkItem } from '../domain/wire/bulk-answer.ts';
import type { SearchPage, WireHit } from '../domain/wire/search-page.ts';
import type { Clock } from '../ports/clock.ts';
import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { Random } from '../ports/random.ts';
import {
  type Batch,
  chosen,
  deleteBatch,
  type DeleteLine,
  hitBatch,
  type HitEvents,
  type Refusal,
} from './bulk-batch.ts';
import { Semaphore } from './semaphore.ts';

export interface WriterLimits {
  readonly operationsMax: number;
  readonly bytesMax: number;
  readonly outstandingMax: number;
  readonly retryDelayMaxMs: number;
}

/** What known answers said; reported as each answer comes, so that what is known stays known when a later request fails. */
export interface WriteTally {
  readonly created: number;
  readonly deleted: number;
  /** Operations that took a sequence number on the follower. */
  readonly sequenced: number;
  /** Deletes that found nothing. */
  readonly absent: number;
  readonly bytes: number;
}

export interface WriterEvents {
  answered(tally: WriteTally): void;
  /** The effect of a request is unknown from now on. */
  unsure(): void;
  retried(): void;
}

/** A conflict is told with what is needed to look the document up. */
export interface Conflict {
  readonly hit: WireHit;
  readonly page: SearchPage;
}

export interface RefusedHit extends Refusal {
  readonly hit: WireHit;
}

export interface WrittenHits {
  readonly conflicts: readonly Conflict[];
  readonly refused: readonly RefusedHit[];
}

/** Positions in the first batch. */
interface Sent {
  readonly conflicts: number[];
  readonly refused: { readonly position: number; readonly refusal: Refusal }[];
}

const ATTEMPTS_MAX = 7;
/** Bulk requests of 5 to 15 MB index fastest; larger ones only cost memory on the follower. */
const BATCH_BYTES_TARGET = 8 * 1024 * 1024;
const BATCH_OPERATIONS_MIN = 32;

/** Sends pages and deletes as bulk requests, several at once, and gives account of every item. */
export class BulkWriter {
  readonly #follower: FollowerCluster;
  readonly #index: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limits: WriterLimits;
  readonly #events: WriterEvents;
  readonly #outstanding: Semaphore;
  readonly #buffers: BufferPool;
  #operationsTarget: number;

  constructor(options: {
    follower: FollowerCluster;
    index: string;
    clock: Clock;
    random: Random;
    limits: WriterLimits;
    events: WriterEvents;
    buffers: BufferPool;
  }) {
    this.#buffers = options.buffers;
    this.#follower = options.follower;
    this.#index = options.index;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#limits = options.limits;
    this.#events = options.events;
    this.#outstanding = new Semaphore(options.limits.outstandingMax);
    this.#operationsTarget = options.limits.operationsMax;
  }

  /**
   * Writes the hits; resolves when the follower has acknowledged every one of them. Conflicts, and documents that the follower refuses for what
   * they are, are given back for the caller to judge. Throws `Failed` when one cannot be written; all requests have ended then.
   */
  async writeHits(
    page: SearchPage,
    hits: readonly WireHit[],
    on: HitEvents,
    signal: AbortSignal,
  ): Promise<WrittenHits> {
    const conflicts: Conflict[] = [];
    const refused: RefusedHit[] = [];
    const batches = this.#split(hits).map((part) => async (): Promise<void> => {
      const sent = await this.#send(hitBatch({ page, hits: part, on, buffers: this.#buffers }), signal);
      for (const hit of chosen(part, sent.conflicts)) conflicts.push({ hit, page });
      for (const { position, refusal } of sent.refused)
        for (const hit of chosen(part, [position])) refused.push({ ...refusal, hit });
    });
    await allEnded(batches.map((send) => this.#outstanding.use(signal, send)));
    return { conflicts, refused };
  }

  /** Positions of deletes that met a newer document. `written` hears of those that found their document or nothing. */
  async writeDeletes(
    lines: readonly DeleteLine[],
    written: (line: DeleteLine) => void,
    signal: AbortSignal,
  ): Promise<readonly number[]> {
    if (lines.length === 0) return [];
    return (await this.#outstanding.use(signal, () => this.#send(deleteBatch(lines, written), signal))).conflicts;
  }

  #split(hits: readonly WireHit[]): readonly (readonly WireHit[])[] {
    const bytesTarget = Math.min(BATCH_BYTES_TARGET, this.#limits.bytesMax);
    const parts: WireHit[][] = [];
    let part: WireHit[] = [];
    let bytes = 0;
    for (const hit of hits) {
      const size = bulkIndexSizeBytes(hit);
      if (part.length > 0 && (part.length >= this.#operationsTarget || bytes + size > bytesTarget)) {
        parts.push(part);
        part = [];
        bytes = 0;
      }
      part.push(hit);
      bytes += size;
    }
    if (part.length > 0) parts.push(part);
    return parts;
  }

  /** Sends until nothing is rejected any more for the follower's being busy. */
  async #send(first: Batch, signal: AbortSignal): Promise<Sent> {
    const sent: Sent = { conflicts: [], refused: [] };
    let batch = first;
    let positions = Array.from({ length: first.operations }, (_, position) => position);
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#attempt(batch, signal);
      if (answer === 'split') {
        const half = Math.ceil(positions.length / 2);
        for (const part of [positions.slice(0, half), positions.slice(half)]) {
          const { conflicts, refused } = await this.#send(first.pick(part), signal);
          for (const at of conflicts) sent.conflicts.push(part[at] ?? at);
          for (const { position, refusal } of refused)
            sent.refused.push({ position: part[position] ?? position, refusal });
        }
        return sent;
      }
      const again: number[] = [];
      if (answer === 'busy') again.push(...positions.keys());
      else if ('code' in answer) sent.refused.push({ position: positions[0] ?? 0, refusal: answer });
      else {
        // Whoever answered for every operation has read all of them; after any other end the bytes may still be on their way.
        this.#buffers.give(batch.body);
        this.#account(answer, batch, positions, sent, again);
      }
      if (again.length === 0) {
        this.#operationsTarget = Math.min(this.#limits.operationsMax, Math.ceil(this.#operationsTarget * 1.1));
        return sent;
      }
      if (attempt >= ATTEMPTS_MAX) {
        throw failed('cluster_busy', {
          op: 'bulk',
          cluster: this.#follower.name,
          reason: `${again.length} operations were rejected ${attempt} times (429)`,
        });
      }
      this.#operationsTarget = Math.max(BATCH_OPERATIONS_MIN, Math.floor(this.#operationsTarget / 2));
      this.#events.retried();
      await this.#clock.sleep(backoffMs(attempt + 2, this.#limits.retryDelayMaxMs, this.#random.next()), signal);
      positions = again.map((at) => positions[at] ?? at);
      if (attempt > 1 && positions.length > 1) {
        const largest = first.largestOf(positions);
        if (await this.#probe(first, largest, sent, signal)) positions = positions.filter((at) => at !== largest);
      }
      batch = first.pick(positions);
    }
  }

  /**
   * Whether it is overload or one document that never fits shows only when that travels alone. Where the largest fits, so do all. True: it is
   * settled, and need not be sent again.
   */
  async #probe(first: Batch, position: number, sent: Sent, signal: AbortSignal): Promise<boolean> {
    const alone = first.pick([position]);
    const answer = await this.#attempt(alone, signal);
    const again: number[] = [];
    if (answer === 'busy' || answer === 'split') return false;
    if ('code' in answer) sent.refused.push({ position, refusal: answer });
    else this.#account(answer, alone, [position], sent, again);
    return again.length === 0;
  }

  /** A refusal of the whole is that of its only operation. */
  async #attempt(batch: Batch, signal: AbortSignal): Promise<readonly BulkItem[] | Refusal | 'busy' | 'split'> {
    try {
      return await this.#follower.bulk({ index: this.#index, body: batch.body, operations: batch.operations }, signal);
    } catch (thrown) {
      const failure = thrown instanceof Failed ? thrown.failure : undefined;
      // Elasticsearch 9 runs large bodies in parts while they arrive: a refusal of the whole does not prove that nothing ran.
      if (failure === undefined || failure.ambiguous === true) this.#events.unsure();
      if (failure?.status === 413 && batch.operations > 1) return 'split';
      const refusal = failure?.status === undefined ? undefined : tooLarge(batch, failure.status, failure.reason);
      if (refusal !== undefined && batch.mayBeRefused) return refusal;
      if (refusal !== undefined) throw this.refusal(refusal, batch.describe(0));
      if (failure?.code === 'cluster_busy' && failure.ambiguous !== true) return 'busy';
      throw thrown;
    }
  }

  #account(items: readonly BulkItem[], batch: Batch, positions: readonly number[], sent: Sent, again: number[]): void {
    let [created, deleted, sequenced, absent] = [0, 0, 0, 0];
    let failure: Failed | undefined;
    let unsure = false;
    for (const [at, item] of items.entries()) {
      const verdict = bulkVerdict(item);
      if (verdict === 'written' || verdict === 'absent') {
        sequenced += 1;
        if (item.result === 'created') created += 1;
        else if (item.result === 'deleted') deleted += 1;
        if (verdict === 'absent') absent += 1;
        batch.written(at);
      } else if (verdict === 'conflict') sent.conflicts.push(positions[at] ?? at);
      else if (verdict === 'busy' || verdict === 'rejected' || verdict === 'too-large') {
        const refusal = refusalOf(item, verdict, batch);
        if (refusal === undefined) again.push(at);
        else if (batch.mayBeRefused) sent.refused.push({ position: positions[at] ?? at, refusal });
        else failure ??= this.refusal(refusal, batch.describe(at));
      } else {
        unsure ||= verdict === 'unsure';
        failure ??= this.#failure(verdict, item, batch.describe(at));
      }
    }
    this.#events.answered({ created, deleted, sequenced, absent, bytes: batch.body.length });
    if (unsure) this.#events.unsure();
    if (failure !== undefined) throw failure;
  }

  /** A refusal as what ends the pair. */
  refusal({ code, status, reason }: Refusal, what: string): Failed {
    return failed(code, { op: 'bulk', cluster: this.#follower.name, status, reason: `${what}: ${reason}` });
  }

  #failure(verdict: 'unsure' | 'blocked' | 'gone' | 'forbidden', item: BulkItem, what: string): Failed {
    const details = {
      op: 'bulk',
      cluster: this.#follower.name,
      status: item.status,
      reason: `${what}: ${reasonWithoutContent(item)}`,
    };
    switch (verdict) {
      case 'unsure':
        return failed('shard_unavailable', { ...details, ambiguous: true });
      case 'blocked':
        return failed(item.errorType === 'index_closed_exception' ? 'index_closed' : 'blocked', details);
      case 'gone':
        return failed('index_deleted', details);
      case 'forbidden':
        return failed('forbidden', details);
    }
  }
}

/** Waits for every one, then throws the first failure: nothing is in flight when this returns. */
async function allEnded(work: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === 'rejected') throw outcome.reason;
}

/** Undefined: the follower was only busy. */
function refusalOf(item: BulkItem, verdict: 'busy' | 'rejected' | 'too-large', batch: Batch): Refusal | undefined {
  const { status } = item;
  if (verdict === 'rejected') return { code: 'document_rejected', status, reason: reasonWithoutContent(item) };
  const refusal = tooLarge(batch, status, item.errorReason ?? '');
  if (refusal !== undefined || verdict === 'busy') return refusal;
  return { code: 'too_large_for_follower', status, reason: reasonWithoutContent(item) };
}

/** What was said of a request with one operation, if it says that this one never fits. */
function tooLarge(batch: Batch, status: number, reason: string): Refusal | undefined {
  if (batch.operations > 1) return undefined;
  const found = tooLargeAlone({ status, reason, bodyBytes: batch.body.length });
  return found === undefined ? undefined : { code: 'too_large_for_follower', status, reason: tooLargeText(found) };
}
