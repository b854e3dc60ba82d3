import { failed } from '../../domain/failure.ts';
import type { FollowParameters } from '../../domain/parameters.ts';
import {
  type QuarantinedDocument,
  quarantineLimit,
  type RefusalCode,
  refusedVersion,
} from '../../domain/quarantine.ts';
import { identityOf, shardNamedBy, type VersionScheme } from '../../domain/version.ts';
import type { Clock } from '../../ports/clock.ts';
import type { FollowerCluster } from '../../ports/follower-cluster.ts';
import type { Narrator } from '../../ports/narrator.ts';
import { SparseMap } from '../../domain/sparse-map.ts';
import type { QuarantineStore, QuarantineWrite } from '../../ports/quarantine-store.ts';
import type { DocumentKey, FoundDocument } from '../../ports/search-cluster.ts';

export interface QuarantineOptions {
  readonly store: QuarantineStore;
  readonly follower: FollowerCluster;
  readonly clock: Clock;
  readonly narrator: Narrator;
  readonly pair: string;
  readonly followerIndex: string;
  readonly shard: number;
  readonly scheme: VersionScheme;
  /** The follower's shard holds this pair's documents alone. */
  readonly aligned: boolean;
  readonly parameters: Pick<FollowParameters, 'quarantine_max_documents'>;
}

/** A document that was just refused. */
export interface RefusedDocument {
  readonly id: string;
  readonly routing: string | undefined;
  readonly seqNo: number;
  readonly code: RefusalCode;
  readonly reason: string;
  readonly content: string | undefined;
  readonly contentBytes: number;
}

const KEYS_AT_ONCE = 500;
/** Each is read by a search of its own. */
const RETRIED_AT_ONCE = 50;
/** A mapping that changes all the time must not have everything read again all the time. */
const RETRY_INTERVAL_MS = 10_000;
const RETRY_INTERVAL_EACH_MS = 100;

/** Shared by the thousands that never have any. */
const NONE: readonly number[] = [];

/**
 * The documents of one pair that the follower refuses. In memory for the counting equation, and in the follower cluster's index before any
 * position passes them. What leaves it leaves the index later: an entry that is there in vain is found out by the counts.
 */
export class PairQuarantine {
  readonly #options: QuarantineOptions;
  readonly #documents = new SparseMap<string, QuarantinedDocument>();
  /** Not in quarantine any more, and perhaps still in the index: version by id. */
  readonly #left = new SparseMap<string, number>();
  readonly #arriving = new SparseMap<string, true>();
  /** Leader operations that a position has passed over and that the index does not hold. */
  #lost = NONE;
  /** Requests to the index follow each other. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Leader operations that are to be read again and sent. */
  #toRetry = NONE;
  #retriedAtMs = Number.NEGATIVE_INFINITY;
  /** When trying again was last asked for, by whoever, whether there was anything or not. */
  #askedAtMs = Number.NEGATIVE_INFINITY;
  /** Metadata of the follower under which everything was tried last. */
  #triedUnder: string | undefined;

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#documents.size;
  }

  /** Documents in quarantine of which the follower has no copy, not even an older one: the leader counts them and the follower does not. */
  get withoutCopy(): number {
    let count = 0;
    for (const { copyVersion } of this.#documents.values()) if (copyVersion === undefined) count += 1;
    return count;
  }

  /** What a position has to say of it. */
  get passedOver(): readonly number[] {
    return [...this.#documents.values().map(({ seqNo }) => seqNo), ...this.#lost].toSorted((a, b) => a - b);
  }

  get documents(): readonly QuarantinedDocument[] {
    return this.#documents.values();
  }

  get(id: string): QuarantinedDocument | undefined {
    return this.#documents.get(id);
  }

  // --- at the start ---------------------------------------------------------------------------------------------------------

  /** Everything is copied from the beginning: whatever is refused will be so again. */
  async clear(signal: AbortSignal): Promise<void> {
    const { store, pair } = this.#options;
    for (const { document, version } of await store.load(pair, signal)) this.#left.set(document.id, version);
    await this.flush(signal);
  }

  /**
   * Takes up what the index holds, and what a position has passed over: all of it is tried again. Documents that somebody deleted from the index come
   * back to it so.
   */
  async takeUp(passedOver: readonly number[], signal: AbortSignal): Promise<void> {
    const { store, pair, scheme } = this.#options;
    for (const { document, epoch, version } of await store.load(pair, signal)) {
      if (epoch === scheme.epoch) this.#documents.set(document.id, document);
      else this.#left.set(document.id, version);
    }
    const known = new Set(this.#documents.values().map(({ seqNo }) => seqNo));
    this.#lost = [...new Set(passedOver)].filter((seqNo) => !known.has(seqNo));
    await this.lookAtCopies(signal);
    this.askRetry();
  }

  // --- what comes and goes --------------------------------------------------------------------------------------------------

  /**
   * Resolves when every one of them is in the index, so that a position may pass it. `documents`: about how many the leader shard has. Throws
   * `too_many_quarantined`.
   *
   * @param sentAtMs when they were sent: what was asked for since is meant for them too.
   */
  async refuse(
    refused: readonly RefusedDocument[],
    { documents, sentAtMs }: { documents: number; sentAtMs: number },
    signal: AbortSignal,
  ): Promise<void> {
    // Two ranges may have read the same documents.
    const arriving = refused.map(({ id }) => id).filter((id) => !this.#documents.has(id) && !this.#arriving.has(id));
    this.#requireRoom(arriving.length, documents, refused[0]);
    for (const id of arriving) this.#arriving.set(id, true);
    try {
      await this.#inTurn(() => this.#take(refused, signal));
      if (sentAtMs < this.#askedAtMs) this.#toRetry = [...this.#toRetry, ...refused.map(({ seqNo }) => seqNo)];
    } finally {
      for (const id of arriving) this.#arriving.delete(id);
    }
  }

  #requireRoom(arriving: number, documents: number, example: RefusedDocument | undefined): void {
    const { parameters, follower } = this.#options;
    const limit = quarantineLimit(parameters.quarantine_max_documents, documents);
    const wanted = this.size + this.#arriving.size + arriving;
    if (arriving === 0 || wanted <= limit) return;
    throw failed('too_many_quarantined', {
      op: 'quarantine',
      cluster: follower.name,
      reason: `${wanted} documents of about ${documents} are refused, ${limit} may be in quarantine; the document at leader seq_no ${example?.seqNo ?? '?'}: ${example?.reason ?? ''}`,
    });
  }

  async #take(refused: readonly RefusedDocument[], signal: AbortSignal): Promise<void> {
    const { clock, narrator, pair } = this.#options;
    const now = clock.now();
    const unknown = refused.filter((document) => this.#inPlace(document) === undefined);
    const copies = new Map(await this.#copiesOf(unknown, signal));
    const taken = refused.flatMap(({ content, contentBytes, ...refusal }) => {
      const before = this.#documents.get(refusal.id);
      const inPlace = this.#inPlace(refusal);
      const document: QuarantinedDocument = {
        ...refusal,
        copyVersion: inPlace === undefined ? copies.get(refusal.id) : inPlace.copyVersion,
        firstRefusedAtMs: before?.firstRefusedAtMs ?? now,
        refusedAtMs: now,
        refusals: (before?.refusals ?? 0) + 1,
      };
      // Written under another mapping once, and not since: it is in step.
      return this.#isInStep(document) ? [] : [{ document, content, contentBytes }];
    });
    await this.#put(
      taken.map(({ document, content, contentBytes }) => ({ ...this.#writeOf(document), content, contentBytes })),
      signal,
    );
    for (const { document } of taken) {
      if (!this.#documents.has(document.id))
        narrator.log('warn', 'a document is in quarantine', {
          pair,
          seqNo: document.seqNo,
          code: document.code,
          olderCopy: document.copyVersion !== undefined,
        });
      this.#documents.set(document.id, document);
    }
  }

  /** The follower took a document, or the leader has it no more. */
  release(id: string): void {
    const document = this.#documents.get(id);
    if (document === undefined) return;
    this.#documents.delete(id);
    this.#left.set(id, this.#versionOf(document));
    this.#options.narrator.log('info', 'a document left the quarantine', { pair: this.#options.pair });
  }

  /** The older copy of a document was deleted from the follower. */
  copyDeleted(key: DocumentKey): void {
    const document = this.#inPlace(key);
    if (document !== undefined) this.#documents.set(key.id, { ...document, copyVersion: undefined });
  }

  /** What is known of this place on the follower: where shards do not align, a document under another routing lies elsewhere. */
  #inPlace({ id, routing }: DocumentKey): QuarantinedDocument | undefined {
    const known = this.#documents.get(id);
    return this.#options.aligned || known?.routing === routing ? known : undefined;
  }

  /** Takes what has left out of the index. */
  async flush(signal: AbortSignal): Promise<void> {
    if (this.#left.size === 0) return;
    await this.#inTurn(async () => {
      // What came back meanwhile stays.
      for (const [id] of this.#left.entries()) if (this.#documents.has(id)) this.#left.delete(id);
      const gone = this.#left.entries().map(([id, version]) => ({ id, version }));
      await this.#options.store.remove(this.#options.pair, gone, signal);
      for (const { id, version } of gone) if (this.#left.get(id) === version) this.#left.delete(id);
    });
  }

  /**
   * Asks the follower which copies it has: at the start, and whenever it was counted. A write whose answer was lost may have made one, or may
   * have been the document itself.
   */
  async lookAtCopies(signal: AbortSignal): Promise<void> {
    if (this.size === 0) return;
    for (const [id, copyVersion] of await this.#copiesOf(this.#documents.values(), signal)) {
      const before = this.#documents.get(id);
      if (before === undefined) continue;
      const document = { ...before, copyVersion };
      if (this.#isInStep(document)) this.release(id);
      // Not written to the index: whoever starts asks the follower again.
      else this.#documents.set(id, document);
    }
    await this.flush(signal);
  }

  // --- trying again ---------------------------------------------------------------------------------------------------------

  /** There is something to try again, or to take out of the index. */
  get pending(): boolean {
    return this.#toRetry.length > 0 || this.#left.size > 0;
  }

  get retrying(): boolean {
    return this.#toRetry.length > 0;
  }

  /** Everything in quarantine is to be read from the leader again and sent. */
  askRetry(): void {
    this.#askedAtMs = this.#options.clock.monotonic();
    this.#toRetry = this.passedOver;
    if (this.#toRetry.length > 0) this.#retriedAtMs = this.#askedAtMs;
  }

  /** Hears of the follower's metadata: what was refused under another mapping may be taken now. */
  metadataSeen(versions: { readonly mappingVersion: number; readonly settingsVersion: number } | undefined): void {
    if (versions === undefined) return;
    const seen = `${versions.mappingVersion}/${versions.settingsVersion}`;
    const changed = this.#triedUnder !== undefined && this.#triedUnder !== seen;
    const now = this.#options.clock.monotonic();
    const notBeforeMs = this.#retriedAtMs + RETRY_INTERVAL_MS + RETRY_INTERVAL_EACH_MS * this.size;
    if (changed && this.size > 0 && now < notBeforeMs) return;
    this.#triedUnder = seen;
    if (changed) this.askRetry();
  }

  /** One part of what was asked for; `resend` reads it again and writes what is still there. */
  async retry(resend: (seqNos: readonly number[]) => Promise<void>): Promise<void> {
    const asked = this.#toRetry;
    const next = asked.slice(0, RETRIED_AT_ONCE);
    await resend(next);
    const tried = new Set(next);
    this.#lost = this.#lost.filter((seqNo) => !tried.has(seqNo));
    // Asked for again meanwhile: from the beginning.
    if (this.#toRetry === asked) this.#toRetry = asked.slice(RETRIED_AT_ONCE);
  }

  // --- the follower and the index -------------------------------------------------------------------------------------------

  #isInStep(document: QuarantinedDocument): boolean {
    return (document.copyVersion ?? -1) >= this.#versionOf(document);
  }

  #versionOf(document: QuarantinedDocument): number {
    const { scheme, shard } = this.#options;
    return refusedVersion(document, scheme, shard);
  }

  async #copiesOf(
    keys: readonly DocumentKey[],
    signal: AbortSignal,
  ): Promise<readonly (readonly [id: string, copyVersion: number | undefined])[]> {
    const { follower, followerIndex } = this.#options;
    const copies: (readonly [string, number | undefined])[] = [];
    for (let at = 0; at < keys.length; at += KEYS_AT_ONCE) {
      const asked = keys.slice(at, at + KEYS_AT_ONCE);
      const found = await follower.multiGet(followerIndex, asked, signal);
      for (const [position, key] of asked.entries()) {
        const copy = found[position];
        copies.push([key.id, copy !== undefined && this.#isOlder(key, copy) ? copy.version : undefined]);
      }
    }
    return copies;
  }

  /**
   * Where shards do not align, a document of the same id may be another leader shard's, or one of this shard from before it moved to another routing,
   * which is to be deleted like any that the leader has no more.
   */
  #isOlder(key: DocumentKey, { version, routing }: FoundDocument): boolean {
    const { aligned, scheme, shard } = this.#options;
    if (version === undefined) return false;
    return aligned || (shardNamedBy(scheme, version) === shard && routing === key.routing);
  }

  #writeOf(document: QuarantinedDocument): QuarantineWrite {
    const { pair, scheme } = this.#options;
    const copy = document.copyVersion === undefined ? undefined : identityOf(scheme, document.copyVersion);
    return {
      pair,
      epoch: scheme.epoch,
      version: this.#versionOf(document),
      document,
      copySeqNo: copy?.kind === 'leader-op' ? copy.seqNo : undefined,
      content: undefined,
      contentBytes: undefined,
    };
  }

  async #put(writes: readonly QuarantineWrite[], signal: AbortSignal): Promise<void> {
    if (writes.length === 0) return;
    const { store } = this.#options;
    const { created } = await store.put(writes, signal);
    if (!created || this.size === 0) return;
    // Somebody deleted the index.
    const put = new Set(writes.map(({ document }) => document.id));
    const others = this.#documents.values().filter(({ id }) => !put.has(id));
    await store.put(
      others.map((document) => this.#writeOf(document)),
      signal,
    );
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    await turn;
  }
}
