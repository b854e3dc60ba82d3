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
}

/** Documents in order of `seqNo`. Never changed once made: a view keeps it. */
export interface SearchableState {
  readonly bySeqNo: readonly StoredDocument[];
  byVersion?: readonly StoredDocument[];
}

export class MemoryShard {
  /** In order of `seqNo`: every write puts its document last. */
  readonly #documents = new Map<string, StoredDocument>();
  readonly #tombstones = new Map<string, Tombstone>();
  readonly #monotonicMs: () => number;
  #searchable: SearchableState = { bySeqNo: [] };
  #changed = false;
  #maxSeqNo = -1;
  gcDeletesMs = 60_000;
  historyUuid: string;
  /** Keeps the global checkpoint back, as an operation in flight does. */
  heldCheckpoint: number | undefined;

  constructor(options: { historyUuid: string; monotonicMs: () => number }) {
    this.historyUuid = options.historyUuid;
    this.#monotonicMs = options.monotonicMs;
  }

  get maxSeqNo(): number {
    return this.#maxSeqNo;
  }

  get globalCheckpoint(): number {
    return Math.min(this.heldCheckpoint ?? this.#maxSeqNo, this.#maxSeqNo);
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
    if (!this.#changed) return;
    this.#searchable = { bySeqNo: [...this.#documents.values()] };
    this.#changed = false;
  }

  write(write: DocumentWrite): WriteOutcome {
    const before = this.#documents.get(write.id);
    const known = before?.version ?? this.#livingTombstone(write.id)?.version;
    if (write.version !== undefined && known !== undefined && known > write.version) {
      return {
        status: 409,
        result: undefined,
        seqNo: undefined,
        version: undefined,
        errorType: 'version_conflict_engine_exception',
      };
    }
    const version = write.version ?? (known ?? 0) + 1;
    const seqNo = (this.#maxSeqNo += 1);
    this.#changed = true;
    this.#documents.delete(write.id);
    if (write.source === undefined) {
      this.#tombstones.set(write.id, { version, deletedAtMs: this.#monotonicMs() });
      const found = before !== undefined;
      return {
        status: found ? 200 : 404,
        result: found ? 'deleted' : 'not_found',
        seqNo,
        version,
        errorType: undefined,
      };
    }
    this.#tombstones.delete(write.id);
    this.#documents.set(write.id, { id: write.id, routing: write.routing, seqNo, version, source: write.source });
    return {
      status: before === undefined ? 201 : 200,
      result: before === undefined ? 'created' : 'updated',
      seqNo,
      version,
      errorType: undefined,
    };
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
