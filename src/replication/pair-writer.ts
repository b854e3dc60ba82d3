import { failureOf } from '../domain/failure.ts';
import { versionOf, type VersionScheme } from '../domain/version.ts';
import { decodeText } from '../domain/wire/bulk-answer.ts';
import type { SearchPage, WireHit } from '../domain/wire/search-page.ts';
import type { DeleteLine } from './bulk-batch.ts';
import { BulkWriter, type RefusedHit } from './bulk-writer.ts';
import { conflictVerdict } from './conflict-verdict.ts';
import { refuseCollisions } from './id-collision.ts';
import type { PairProgress } from './pair-progress.ts';
import type { PairQuarantine, RefusedDocument } from './quarantine/pair-quarantine.ts';
import type { ReplicatorPorts, ReplicatorSetup } from './replicator-setup.ts';

/** Writes one pair's documents and deletes under their versions, and keeps account of them in its progress. */
export class PairWriter {
  readonly #ports: Pick<ReplicatorPorts, 'leader' | 'follower' | 'clock'>;
  readonly #setup: ReplicatorSetup;
  readonly #progress: PairProgress;
  readonly #scheme: VersionScheme;
  readonly #quarantine: PairQuarantine;
  readonly #bulk: BulkWriter;

  constructor(ports: ReplicatorPorts, setup: ReplicatorSetup, progress: PairProgress, scheme: VersionScheme) {
    const { follower, clock, random } = ports;
    const { parameters } = setup;
    this.#ports = ports;
    this.#setup = setup;
    this.#progress = progress;
    this.#scheme = scheme;
    this.#quarantine = setup.quarantine;
    this.#bulk = new BulkWriter({
      follower,
      index: setup.followerIndex,
      clock,
      random,
      buffers: ports.budget.buffers,
      limits: {
        operationsMax: parameters.max_write_request_operation_count,
        bytesMax: parameters.max_write_request_size_bytes,
        outstandingMax: Math.min(parameters.max_outstanding_write_requests, 4),
        retryDelayMaxMs: parameters.max_retry_delay_ms,
      },
      events: {
        answered: (tally) => progress.answered(tally),
        unsure: () => progress.unsure(clock.monotonic()),
        retried: () => {
          progress.counters.retries += 1;
        },
      },
    });
  }

  /**
   * Resolves when each of them is on the follower or, refused by it for what it is, durably in quarantine. Throws `Failed` otherwise, and for
   * every conflict.
   */
  async write(page: SearchPage, hits: readonly WireHit[], signal: AbortSignal): Promise<void> {
    if (hits.length === 0) return;
    const { followerIndex: index, aligned, leader } = this.#setup;
    const { shard } = leader;
    const on = {
      versionOfHit: (hit: WireHit) => versionOf(this.#scheme, hit.seqNo, shard),
      written: (hit: WireHit) => {
        if (this.#quarantine.size > 0) this.#quarantine.release(decodeText(page.body, hit.idStart, hit.idEnd));
      },
    };
    const sentAtMs = this.#ports.clock.monotonic();
    const { conflicts, refused } = await this.#account(() => this.#bulk.writeHits(page, hits, on, signal));
    if (refused.length > 0) await this.#refused(page, { refused, sentAtMs }, signal);
    await this.#quarantine.flush(signal);
    if (this.#scheme.layout === 'by-shard') await this.#refuseCollisions(page, hits, signal);
    if (conflicts.length === 0) return;
    this.#progress.counters.conflicts += conflicts.length;
    throw await conflictVerdict(
      { follower: this.#ports.follower, index, scheme: this.#scheme, shard, aligned },
      conflicts,
      signal,
    );
  }

  async #refused(
    page: SearchPage,
    { refused, sentAtMs }: { refused: readonly RefusedHit[]; sentAtMs: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { on_document_rejected: policy, quarantine_content_bytes: keptBytes } = this.#setup.parameters;
    const [first] = refused;
    if (policy === 'fail' && first !== undefined)
      throw this.#bulk.refusal(first, `the document at leader seq_no ${first.hit.seqNo}`);
    const documents = refused.map((one) => refusedDocument(page, one, keptBytes));
    await this.#quarantine.refuse(documents, { documents: this.#progress.leaderDocumentsMax, sentAtMs }, signal);
  }

  async #refuseCollisions(page: SearchPage, hits: readonly WireHit[], signal: AbortSignal): Promise<void> {
    const { leader: source, followerIndex, resultWindow, miscounted } = this.#setup;
    const { leader, follower } = this.#ports;
    const target = {
      leader,
      follower,
      followerIndex,
      resultWindow,
      leaderIndex: source.index,
      shard: source.shard,
      scheme: this.#scheme,
    };
    try {
      await refuseCollisions(target, page, hits, signal);
    } catch (thrown) {
      // What was replaced counts for its pair no more.
      if (failureOf(thrown, 'bulk').code === 'id_collision') miscounted(this.#ports.clock.monotonic());
      throw thrown;
    }
  }

  /** Positions of deletes that met a newer document. */
  async remove(lines: readonly DeleteLine[], signal: AbortSignal): Promise<readonly number[]> {
    const written = (line: DeleteLine): void => this.#quarantine.copyDeleted(line);
    const conflicts = await this.#account(() => this.#bulk.writeDeletes(lines, written, signal));
    this.#progress.counters.conflicts += conflicts.length;
    return conflicts;
  }

  async #account<T>(work: () => Promise<T>): Promise<T> {
    this.#progress.beginWrite();
    try {
      return await work();
    } finally {
      this.#progress.endWrite(this.#ports.clock.monotonic());
    }
  }
}

function refusedDocument({ body }: SearchPage, { hit, code, reason }: RefusedHit, keptBytes: number): RefusedDocument {
  const { seqNo, idStart, idEnd, routingStart, routingEnd, sourceStart, sourceEnd } = hit;
  const kept = body.subarray(sourceStart, Math.min(sourceEnd, sourceStart + keptBytes));
  return {
    id: decodeText(body, idStart, idEnd),
    routing: routingStart < 0 ? undefined : decodeText(body, routingStart, routingEnd),
    seqNo,
    code,
    reason,
    // `stream`: a character that the cut goes through is left out.
    content: keptBytes === 0 ? undefined : new TextDecoder().decode(kept, { stream: true }),
    contentBytes: sourceEnd - sourceStart,
  };
}
