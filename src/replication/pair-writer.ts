import { type Failed, failureOf } from '../domain/failure.ts';
import { versionOf, type VersionScheme } from '../domain/version.ts';
import { decodeText } from '../domain/wire/bulk-answer.ts';
import type { SearchPage, WireHit } from '../domain/wire/search-page.ts';
import type { DeleteLine } from './bulk-batch.ts';
import { BulkWriter, type Conflict, type RefusedHit } from './bulk-writer.ts';
import { conflictVerdict } from './conflict-verdict.ts';
import { refuseCollisions } from './id-collision.ts';
import { overwrite } from './overwrite.ts';
import type { PairProgress } from './pair-progress.ts';
import type { PairQuarantine, RefusedDocument } from './quarantine/pair-quarantine.ts';
import type { ReplicatorPorts, ReplicatorSetup } from './replicator-setup.ts';

export interface WrittenPart {
  readonly page: SearchPage;
  readonly hits: readonly WireHit[];
}

/** Fewer conflicts at once are overwritten whatever their share of the shard is. */
const OVERWRITE_FLOOR = 100;
const TOLD_MAX = 20;

/** Writes one pair's documents and deletes under their versions, and keeps account of them in its progress. */
export class PairWriter {
  readonly #ports: ReplicatorPorts;
  readonly #setup: ReplicatorSetup;
  readonly #progress: PairProgress;
  readonly #scheme: VersionScheme;
  readonly #quarantine: PairQuarantine;
  /** A pair that has nothing to write needs none. */
  #bulkWriter: BulkWriter | undefined;

  constructor(ports: ReplicatorPorts, setup: ReplicatorSetup, progress: PairProgress, scheme: VersionScheme) {
    this.#ports = ports;
    this.#setup = setup;
    this.#progress = progress;
    this.#scheme = scheme;
    this.#quarantine = setup.quarantine;
  }

  get #bulk(): BulkWriter {
    const { follower, clock, random, budget } = this.#ports;
    const { parameters, followerIndex } = this.#setup;
    const progress = this.#progress;
    this.#bulkWriter ??= new BulkWriter({
      follower,
      index: followerIndex,
      clock,
      random,
      buffers: budget.buffers,
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
    return this.#bulkWriter;
  }

  /**
   * Resolves when each of them is on the follower or, refused by it for what it is, durably in quarantine. Throws `Failed` otherwise, and for
   * every conflict that is not to be overwritten by policy, or since an operator asked for it.
   */
  async write(page: SearchPage, hits: readonly WireHit[], signal: AbortSignal): Promise<void> {
    await this.writeAll([{ page, hits }], signal);
  }

  /** The same for several pages, one after the other; conflicts are overwritten together. `asked`: whatever the policy. */
  async writeAll(
    parts: readonly WrittenPart[],
    signal: AbortSignal,
    { asked = false }: { asked?: boolean } = {},
  ): Promise<void> {
    const conflicts: Conflict[] = [];
    for (const { page, hits } of parts) {
      if (hits.length === 0) continue;
      conflicts.push(...(await this.#send(page, hits, signal)));
      if (this.#scheme.layout === 'by-shard') await this.#refuseCollisions(page, hits, signal);
    }
    if (conflicts.length === 0) return;
    this.#progress.counters.conflicts += conflicts.length;
    const verdict = await this.#judge(conflicts, signal);
    if (verdict.failure.code !== 'follower_newer' || !(asked || this.#overwrites(conflicts.length))) throw verdict;
    await this.#overwrite(conflicts, signal);
  }

  /** Gives the conflicts. */
  async #send(page: SearchPage, hits: readonly WireHit[], signal: AbortSignal): Promise<readonly Conflict[]> {
    const on = {
      versionOfHit: (hit: WireHit) => versionOf(this.#scheme, hit.seqNo, this.#setup.leader.shard),
      written: (hit: WireHit) => {
        if (this.#quarantine.size > 0) this.#quarantine.release(decodeText(page.body, hit.idStart, hit.idEnd));
      },
    };
    const sentAtMs = this.#ports.clock.monotonic();
    const { conflicts, refused } = await this.#account(() => this.#bulk.writeHits(page, hits, on, signal));
    if (refused.length > 0) await this.#refused(page, { refused, sentAtMs }, signal);
    await this.#quarantine.flush(signal);
    return conflicts;
  }

  #judge(conflicts: readonly Conflict[], signal: AbortSignal): Promise<Failed> {
    const { followerIndex: index, aligned, leader } = this.#setup;
    const { follower } = this.#ports;
    return conflictVerdict({ follower, index, scheme: this.#scheme, shard: leader.shard, aligned }, conflicts, signal);
  }

  /** Many at once are somebody's work: an operator decides, as about mass deletes. */
  #overwrites(documents: number): boolean {
    const { on_divergence: policy, mass_delete_share: share } = this.#setup.parameters;
    return (
      policy === 'repair' && (documents <= OVERWRITE_FLOOR || documents <= this.#progress.leaderDocumentsMax * share)
    );
  }

  async #overwrite(conflicts: readonly Conflict[], signal: AbortSignal): Promise<void> {
    const { followerIndex, leader: source, forgettingDeletes, pair } = this.#setup;
    const { leader, follower, clock, narrator } = this.#ports;
    const done = await overwrite(
      conflicts,
      {
        leader,
        follower,
        leaderIndex: source.index,
        followerIndex,
        clock,
        versionOf: ({ hit }) => versionOf(this.#scheme, hit.seqNo, source.shard),
        remove: (lines) => this.remove(lines, signal),
        write: async (again) => {
          const refused: Conflict[] = [];
          for (const [page, part] of Map.groupBy(again, (one) => one.page))
            refused.push(
              ...(await this.#send(
                page,
                part.map(({ hit }) => hit),
                signal,
              )),
            );
          return refused;
        },
        forgettingDeletes,
      },
      signal,
    );
    this.#progress.counters.overwritten += done.length;
    narrator.log('warn', 'documents that somebody else changed on the follower were overwritten', {
      pair,
      documents: done.length,
      seqNos: done.slice(0, TOLD_MAX).map(({ hit }) => hit.seqNo),
    });
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
    const conflicts = await this.removeFound(lines, signal);
    this.#progress.counters.conflicts += conflicts.length;
    return conflicts;
  }

  /** The same for what a comparison found a while ago: whether a newer document is a conflict is for it to say. */
  removeFound(lines: readonly DeleteLine[], signal: AbortSignal): Promise<readonly number[]> {
    const written = (line: DeleteLine): void => this.#quarantine.copyDeleted(line);
    return this.#account(() => this.#bulk.writeDeletes(lines, written, signal));
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
