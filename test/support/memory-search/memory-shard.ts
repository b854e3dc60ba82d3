/**
 * One shard as both servers behave: sequence numbers, internal and external versions, tombstones that are forgotten after `gcDeletesMs`, and
 * a searchable state that changes only with a refresh. What is modelled was seen on Elasticsearch 9.4.3.
 */
export interface StoredDocument {
  readonly id: string;
  readonly routing: string | undefined;
  readonly seqNo: number;
  readonly version: number;
  /** JSON text. */
  readonly source: string;
}

export interface WriteOutcome {
  readonly status: number;
  readonly result: 'created' | 'updated' | 'deleted' | 'not_found' | undefined;
  /** Undefined when the write took no sequence number. */
  readonly seqNo: number | undefined;
  readonly version: number | undefined;
  readonly errorType: string | undefined;
}

interface Tombstone {
  readonly version: number;
  readonly deletedAtMs: number;
}

export interface DocumentWrite {
  readonly id: string;
  readonly routing?: string | undefined;
  /** Undefined: a delete. */
  readonly source: string | undefined;
  /** With `version_type=external_gte`; undefined: internal versioning. */
  readonly version?: number | undefined;
  /** Only if the document was written by this operation. */
  readonly ifSeqNo?: number | undefined;
}

/** Documents in order of `seqNo`. Never changed once made: a view keeps it. */
export interface SearchableState {
  readonly bySeqNo: readonly StoredDocument[];
  byVersion?: readonly StoredDocument[];
}

/** One operation as the translog keeps it; without `id` it is a no-op. */
interface Operation {
  readonly seqNo: number;
  readonly id?: string;
  readonly routing?: string | undefined;
  readonly version?: number;
  readonly source?: string | undefined;
  readonly atMs?: number;
}

export class MemoryShard {
  /** In order of `seqNo`, unless operations overtook each other. */
  readonly #documents = new Map<string, StoredDocument>();
  readonly #tombstones = new Map<string, Tombstone>();
  #operations: Operation[] = [];
  /** Sequence numbers that were given and whose operations are not there yet. */
  readonly #inFlight = new Map<number, DocumentWrite>();
  #syncedSeqNo = -1;
  readonly #monotonicMs: () => number;
  #searchable: SearchableState = { bySeqNo: [] };
  #changed = false;
  #maxSeqNo = -1;
  /** Acknowledged before it is synced: the global checkpoint stays where the last sync left it. */
  asyncTranslog = false;
  gcDeletesMs = 60_000;
  historyUuid: string;
  /** Keeps the global checkpoint back, as an operation in flight does. */
  heldCheckpoint: number | undefined;

  /** Hears of every delete that found a document, before it runs. */
  onDelete: ((before: StoredDocument, write: DocumentWrite) => void) | undefined;

  constructor(options: { historyUuid: string; monotonicMs: () => number }) {
    this.historyUuid = options.historyUuid;
    this.#monotonicMs = options.monotonicMs;
  }

  get maxSeqNo(): number {
    return this.#maxSeqNo;
  }

  get globalCheckpoint(): number {
    return Math.min(this.heldCheckpoint ?? this.#maxSeqNo, this.#maxSeqNo, this.syncedSeqNo, this.#firstInFlight() - 1);
  }

  /** What a crash cannot take. */
  get syncedSeqNo(): number {
    return this.asyncTranslog ? this.#syncedSeqNo : this.#maxSeqNo;
  }

  /** Version of the document as a crash now would leave it; undefined: it would not be there. */
  syncedVersionOf(id: string): number | undefined {
    const synced = this.#operations.filter((operation) => operation.id === id && operation.seqNo <= this.syncedSeqNo);
    const last = synced.toSorted((a, b) => a.seqNo - b.seqNo).at(-1);
    return last?.source === undefined ? undefined : last.version;
  }

  sync(): void {
    this.#syncedSeqNo = this.#maxSeqNo;
  }

  get inFlight(): ReadonlyMap<number, DocumentWrite> {
    return this.#inFlight;
  }

  isInFlight(id: string): boolean {
    return [...this.#inFlight.values()].some((write) => write.id === id);
  }

  get searchable(): SearchableState {
    return this.#searchable;
  }

  get size(): number {
    return this.#documents.size;
  }

  documents(): IterableIterator<StoredDocument> {
    return this.#documents.values();
  }

  get(id: string): StoredDocument | undefined {
    return this.#documents.get(id);
  }

  refresh(): void {
    for (const id of this.#tombstones.keys()) this.#livingTombstone(id);
    if (!this.#changed) return;
    this.#searchable = { bySeqNo: [...this.#documents.values()].sort((a, b) => a.seqNo - b.seqNo) };
    this.#changed = false;
  }

  write(write: DocumentWrite): WriteOutcome {
    const before = this.#documents.get(write.id);
    const known = before?.version ?? this.#livingTombstone(write.id)?.version;
    const outdated = write.version !== undefined && known !== undefined && known > write.version;
    if (outdated || (write.ifSeqNo !== undefined && write.ifSeqNo !== before?.seqNo)) {
      return {
        status: 409,
        result: undefined,
        seqNo: undefined,
        version: undefined,
        errorType: 'version_conflict_engine_exception',
      };
    }
    if (before !== undefined && write.source === undefined) this.onDelete?.(before, write);
    const version = write.version ?? (known ?? 0) + 1;
    const seqNo = this.#nextSeqNo();
    const { id, routing, source } = write;
    this.#record({ seqNo, id, routing, source, version, atMs: this.#monotonicMs() });
    const found = before !== undefined;
    const outcome = { seqNo, version, errorType: undefined };
    return source === undefined
      ? { ...outcome, status: found ? 200 : 404, result: found ? 'deleted' : 'not_found' }
      : { ...outcome, status: found ? 200 : 201, result: found ? 'updated' : 'created' };
  }

  /** Gives the write its number now and runs it when `complete` is called: others may overtake it. Nobody else may write the document meanwhile. */
  reserve(write: DocumentWrite): { readonly seqNo: number; readonly complete: () => void } {
    const seqNo = this.#nextSeqNo();
    this.#inFlight.set(seqNo, write);
    const complete = (): void => {
      // A failover may have taken the number away, and somebody else may have it now.
      if (this.#inFlight.get(seqNo) !== write) return;
      this.#inFlight.delete(seqNo);
      const known = this.#documents.get(write.id)?.version ?? this.#livingTombstone(write.id)?.version ?? 0;
      const { id, routing, source } = write;
      this.#record({ seqNo, id, routing, source, version: known + 1, atMs: this.#monotonicMs() });
    };
    return { seqNo, complete };
  }

  /** Numbers without documents, as a failover or a conflict leaves them. */
  leap(count: number): void {
    this.#maxSeqNo += count;
  }

  /**
   * Another copy takes over, or a snapshot is restored: operations above `seqNo` are gone, and so are those in flight. Gives what was lost. Their
   * numbers are given again. The next refresh shows it; views that are open keep what they saw.
   */
  rollBackTo(seqNo: number): readonly StoredDocument[] {
    const operations = this.#operations.filter((operation) => operation.seqNo <= seqNo);
    const lost = this.#operations.flatMap(({ seqNo: number, id, routing, version, source }) =>
      number > seqNo && id !== undefined && source !== undefined
        ? [{ id, routing, seqNo: number, version: version ?? 1, source }]
        : [],
    );
    this.#documents.clear();
    this.#tombstones.clear();
    this.#inFlight.clear();
    this.#operations = [];
    for (const operation of operations.sort((a, b) => a.seqNo - b.seqNo)) this.#record(operation);
    this.#maxSeqNo = Math.min(this.#maxSeqNo, seqNo);
    this.#syncedSeqNo = this.#maxSeqNo;
    this.heldCheckpoint = undefined;
    this.#changed = true;
    this.refresh();
    return lost;
  }

  #nextSeqNo(): number {
    this.#maxSeqNo += 1;
    return this.#maxSeqNo;
  }

  #firstInFlight(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const seqNo of this.#inFlight.keys()) first = Math.min(first, seqNo);
    return first;
  }

  #record(operation: Operation): void {
    this.#operations.push(operation);
    this.#changed = true;
    const { seqNo, id, routing, source, version = 1, atMs = 0 } = operation;
    if (id === undefined) return;
    this.#documents.delete(id);
    if (source === undefined) this.#tombstones.set(id, { version, deletedAtMs: atMs });
    else {
      this.#tombstones.delete(id);
      this.#documents.set(id, { id, routing, seqNo, version, source });
    }
  }

  #livingTombstone(id: string): Tombstone | undefined {
    const tombstone = this.#tombstones.get(id);
    if (tombstone === undefined || this.#monotonicMs() - tombstone.deletedAtMs <= this.gcDeletesMs) return tombstone;
    this.#tombstones.delete(id);
    return undefined;
  }
}

/** Position of the first document whose number is above `after`. */
export function firstAbove(documents: readonly StoredDocument[], field: 'seqNo' | 'version', after: number): number {
  let low = 0;
  let high = documents.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const value = documents[middle]?.[field];
    if (value !== undefined && value <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
