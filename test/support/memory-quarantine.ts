import type { QuarantineStore, QuarantineWrite, StoredQuarantine } from '../../src/ports/quarantine-store.ts';

export interface MemoryQuarantine extends QuarantineStore {
  /** What the index holds of a pair, by id. */
  readonly of: (pair: string) => ReadonlyMap<string, QuarantineWrite>;
  /** Somebody deletes the index. */
  readonly drop: () => void;
}

/** Documents of an index by pair and id. What is stored is a copy. */
export function memoryQuarantine(): MemoryQuarantine {
  const pairs = new Map<string, Map<string, QuarantineWrite>>();
  let exists = false;
  return {
    of: (pair) => pairs.get(pair) ?? new Map(),
    drop: () => {
      pairs.clear();
      exists = false;
    },
    load: (pair) => {
      const found = [...(pairs.get(pair)?.values() ?? [])].map(({ epoch, version, document }): StoredQuarantine => ({
        epoch,
        version,
        document: structuredClone(document),
      }));
      return Promise.resolve(found.toSorted((a, b) => a.document.seqNo - b.document.seqNo));
    },
    put: (writes) => {
      const created = !exists;
      exists = true;
      for (const write of writes) {
        const known = pairs.get(write.pair) ?? new Map<string, QuarantineWrite>();
        pairs.set(write.pair, known);
        if ((known.get(write.document.id)?.version ?? -1) > write.version) continue;
        known.set(write.document.id, structuredClone(write));
      }
      return Promise.resolve({ created });
    },
    remove: (pair, removed) => {
      const known = pairs.get(pair);
      for (const { id, version } of removed) if ((known?.get(id)?.version ?? -1) <= version) known?.delete(id);
      return Promise.resolve();
    },
  };
}
