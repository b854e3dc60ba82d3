import { failed } from '../../../src/domain/failure.ts';
import type { View } from '../../../src/ports/search-cluster.ts';
import { type MemoryCluster, shardAt } from './memory-cluster.ts';
import type { SearchableState } from './memory-shard.ts';

/** Points in time of one cluster. */
export class MemoryViews {
  readonly #cluster: MemoryCluster;
  readonly #states = new Map<string, SearchableState>();
  #opened = 0;

  constructor(cluster: MemoryCluster) {
    this.#cluster = cluster;
  }

  /** A test asserts that it is 0 at the end. */
  get size(): number {
    return this.#states.size;
  }

  open({ index, shard }: { readonly index: string; readonly shard: number }): View {
    const id = `view-${(this.#opened += 1)}`;
    this.#states.set(id, shardAt(this.#cluster.index(index, 'open view'), shard).searchable);
    return { index, shard, id };
  }

  close({ id }: View): void {
    this.#states.delete(id);
  }

  /** As if all had expired. */
  expire(): void {
    this.#states.clear();
  }

  stateOf({ id }: View, op: string): SearchableState {
    const state = this.#states.get(id);
    const { name } = this.#cluster;
    if (state === undefined)
      throw failed('view_expired', { op, reason: `no search context for ${id}`, cluster: name, status: 404 });
    return state;
  }
}
