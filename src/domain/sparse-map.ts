/** A map that takes no memory while nothing is in it: each of ten thousand pairs has some, most of them empty for ever. */
export class SparseMap<K, V> {
  #entries: Map<K, V> | undefined;

  get size(): number {
    return this.#entries?.size ?? 0;
  }

  has(key: K): boolean {
    return this.#entries?.has(key) === true;
  }

  get(key: K): V | undefined {
    return this.#entries?.get(key);
  }

  set(key: K, value: V): void {
    (this.#entries ??= new Map()).set(key, value);
  }

  delete(key: K): void {
    this.#entries?.delete(key);
    if (this.#entries?.size === 0) this.#entries = undefined;
  }

  /** As it is now: what is added or removed meanwhile does not show. */
  values(): readonly V[] {
    return [...(this.#entries?.values() ?? [])];
  }

  /** As it is now. */
  entries(): readonly (readonly [K, V])[] {
    return [...(this.#entries ?? [])];
  }
}
