import { present } from '../../../src/domain/assert.ts';
import { failed } from '../../../src/domain/failure.ts';
import type { IndexShardStats, IndexVersions, ShardStats } from '../../../src/domain/shard-stats.ts';
import type {
  ClusterState,
  DocumentKey,
  FoundDocument,
  Histogram,
  HistogramRequest,
  RangeCountRequest,
  ListedDocument,
} from '../../../src/ports/search-cluster.ts';
import {
  type DocumentWrite,
  MemoryShard,
  type SearchableState,
  type StoredDocument,
  type WriteOutcome,
} from './memory-shard.ts';

/** `mod`: hash mod shards (indices made by Elasticsearch 9). `ranges`: the older formula, which places most documents elsewhere. */
export type RoutingFormula = 'mod' | 'ranges';

export interface MemoryIndex {
  readonly name: string;
  readonly uuid: string;
  readonly shards: readonly MemoryShard[];
  readonly formula: RoutingFormula;
  primaryTerms: number[];
  /** Shards whose primary does not answer: missing in the statistics. */
  readonly unassigned: Set<number>;
  state: 'open' | 'close';
  mappingVersion: number;
  settingsVersion: number;
  aliasesVersion: number;
}

export interface MemoryCall {
  readonly cluster: string;
  readonly operation: string;
  readonly index: string;
}

const ROUTING_SHARDS = 1_024;
const NODE_ID = 'memory-node';

/**
 * Indices of one cluster in memory. `around` is where a test or a simulation adds delays and faults: it decides when (and whether) `run` happens, and
 * may throw before it (the request never arrived) or after it (the answer was lost).
 */
export class MemoryCluster {
  readonly name: string;
  readonly #indices = new Map<string, MemoryIndex>();
  readonly #monotonicMs: () => number;
  #made = 0;
  around: <T>(call: MemoryCall, run: () => T) => Promise<T> = (_call, run) => Promise.resolve().then(run);

  constructor(options: { name: string; monotonicMs?: () => number }) {
    this.name = options.name;
    this.#monotonicMs = options.monotonicMs ?? (() => 0);
  }

  createIndex(name: string, options: { shards: number; formula?: RoutingFormula; gcDeletesMs?: number }): MemoryIndex {
    const uuid = `${this.name}-${name}-${(this.#made += 1)}`;
    const shards = Array.from({ length: options.shards }, (_, number) => {
      const shard = new MemoryShard({ historyUuid: `${uuid}-history-${number}`, monotonicMs: this.#monotonicMs });
      shard.gcDeletesMs = options.gcDeletesMs ?? shard.gcDeletesMs;
      return shard;
    });
    const index: MemoryIndex = {
      name,
      uuid,
      shards,
      formula: options.formula ?? 'mod',
      primaryTerms: shards.map(() => 1),
      unassigned: new Set(),
      state: 'open',
      mappingVersion: 1,
      settingsVersion: 1,
      aliasesVersion: 1,
    };
    this.#indices.set(name, index);
    return index;
  }

  deleteIndex(name: string): void {
    this.#indices.delete(name);
  }

  find(name: string): MemoryIndex | undefined {
    return this.#indices.get(name);
  }

  get names(): readonly string[] {
    return [...this.#indices.keys()];
  }

  /** Another one whenever any metadata is. */
  get stateVersion(): string {
    return [...this.#indices.values()]
      .map((index) => [
        index.uuid,
        index.state,
        index.mappingVersion,
        index.settingsVersion,
        index.aliasesVersion,
        ...index.primaryTerms,
      ])
      .join(';');
  }

  index(name: string, op: string): MemoryIndex {
    const index = this.#indices.get(name);
    if (index === undefined)
      throw failed('index_deleted', { op, reason: `no such index [${name}]`, cluster: this.name, status: 404 });
    if (index.state === 'close')
      throw failed('index_closed', { op, reason: `closed index [${name}]`, cluster: this.name, status: 400 });
    return index;
  }

  /** What a user of the cluster does, at once and without `around`. */
  write(name: string, write: DocumentWrite): WriteOutcome {
    const index = this.index(name, 'write');
    return shardOf(index, write).write(write);
  }
}

export function shardNumberOf(index: MemoryIndex, key: { id: string; routing?: string | undefined }): number {
  return shardNumberFor({ formula: index.formula, shards: index.shards.length }, key);
}

export function shardNumberFor(
  { formula, shards }: { formula: RoutingFormula; shards: number },
  key: { id: string; routing?: string | undefined },
): number {
  let hash = 0x811c9dc5;
  for (const character of key.routing ?? key.id) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193) >>> 0;
  hash = (hash ^ (hash >>> 15)) >>> 0;
  return formula === 'mod' ? hash % shards : Math.floor((hash % ROUTING_SHARDS) / (ROUTING_SHARDS / shards));
}

export function shardOf(index: MemoryIndex, key: { id: string; routing?: string | undefined }): MemoryShard {
  return shardAt(index, shardNumberOf(index, key));
}

export function shardAt(index: MemoryIndex, shard: number): MemoryShard {
  return present(index.shards[shard], `shard ${shard} of ${index.name} exists`);
}

/** The part of both ports that asks for the state of indices. */
export function memoryClusterState(cluster: MemoryCluster): ClusterState {
  const around = <T>(operation: string, index: string, run: () => T): Promise<T> =>
    cluster.around({ cluster: cluster.name, operation, index }, run);
  return {
    name: cluster.name,
    stateVersion: () => around('stateVersion', '', () => cluster.stateVersion),
    indexVersions: (names) =>
      around('indexVersions', names.join(), () => {
        const versions = new Map<string, IndexVersions>();
        for (const name of names) {
          const index = cluster.find(name);
          if (index === undefined) continue;
          const { uuid, state, primaryTerms, mappingVersion, settingsVersion, aliasesVersion } = index;
          versions.set(name, {
            uuid,
            state,
            primaryTerms: [...primaryTerms],
            mappingVersion,
            settingsVersion,
            aliasesVersion,
          });
        }
        return versions;
      }),
    shardStats: (names) =>
      around('shardStats', names.join(), () => {
        const stats = new Map<string, IndexShardStats>();
        for (const name of names) {
          const index = cluster.find(name);
          if (index === undefined || index.state === 'close') continue;
          const answering = index.shards.map((shard, number): [number, ShardStats] => [number, statsOf(shard)]);
          stats.set(name, new Map(answering.filter(([number]) => !index.unassigned.has(number))));
        }
        return stats;
      }),
    refresh: (name) =>
      around('refresh', name, () => {
        for (const shard of cluster.index(name, 'refresh').shards) shard.refresh();
      }),
  };
}

function statsOf(shard: MemoryShard): ShardStats {
  return {
    globalCheckpoint: shard.globalCheckpoint,
    maxSeqNo: shard.maxSeqNo,
    historyUuid: shard.historyUuid,
    nodeId: NODE_ID,
  };
}

export function listed(document: StoredDocument): ListedDocument {
  const { id, routing, seqNo, version } = document;
  return { id, routing, seqNo, version };
}

/** By version; several documents may carry one (written by somebody else). */
export function inOrderOfListing(a: StoredDocument, b: StoredDocument): number {
  return a.version - b.version || a.seqNo - b.seqNo;
}

export function byVersion(state: SearchableState): readonly StoredDocument[] {
  state.byVersion ??= state.bySeqNo.toSorted(inOrderOfListing);
  return state.byVersion;
}

export function multiGet(index: MemoryIndex, keys: readonly DocumentKey[]): readonly FoundDocument[] {
  return keys.map((key) => {
    const document = shardOf(index, key).get(key.id);
    if (document === undefined) return { found: false, seqNo: undefined, version: undefined };
    return { found: true, seqNo: document.seqNo, primaryTerm: 1, version: document.version, routing: document.routing };
  });
}

export function rangeCountsOf(documents: readonly StoredDocument[], request: RangeCountRequest): readonly number[] {
  const values = documents.map(({ seqNo, version }) => (request.field === '_seq_no' ? seqNo : version));
  return request.ranges.map(({ from, to }) => values.filter((value) => value >= from && value <= to).length);
}

export function histogramOf(documents: readonly StoredDocument[], request: Omit<HistogramRequest, 'shard'>): Histogram {
  const buckets = new Map<number, number>();
  for (const document of documents) {
    const value = request.field === '_seq_no' ? document.seqNo : document.version;
    if (value < request.min || value > request.max) continue;
    const key = Math.floor((value - request.offset) / request.interval) * request.interval + request.offset;
    buckets.set(key, (buckets.get(key) ?? 0) + 1);
  }
  return buckets;
}
