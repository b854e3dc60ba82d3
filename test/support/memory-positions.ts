import { isDeepStrictEqual } from 'node:util';
import type { PositionRecord } from '../../src/domain/position.ts';
import type { PositionStore, StoredPosition } from '../../src/ports/position-store.ts';

export interface MemoryPositions extends PositionStore {
  readonly records: ReadonlyMap<string, StoredPosition>;
  /** Sees every record just before it is stored. */
  onSave: (record: PositionRecord) => void;
}

/** Positions with compare-and-set, as documents of an index keep them. What is stored is a copy. */
export function memoryPositions(): MemoryPositions {
  const records = new Map<string, StoredPosition>();
  let seqNo = -1;
  const store: MemoryPositions = {
    records,
    onSave: () => undefined,
    load: (pairs) =>
      Promise.resolve(
        new Map(
          pairs.flatMap((pair) => {
            const stored = records.get(pair);
            return stored === undefined ? [] : [[pair, structuredClone(stored)] as const];
          }),
        ),
      ),
    save: (writes) =>
      Promise.resolve(
        writes.map(({ record, token }) => {
          const stored = records.get(record.pair);
          // A write whose answer was lost is recognised by what it wrote.
          if (stored !== undefined && isDeepStrictEqual(stored.record, record))
            return { kind: 'saved', token: stored.token };
          if (stored?.token.seqNo !== token?.seqNo) return { kind: 'conflict' };
          store.onSave(record);
          seqNo += 1;
          records.set(record.pair, structuredClone({ record, token: { seqNo, primaryTerm: 1 } }));
          return { kind: 'saved', token: { seqNo, primaryTerm: 1 } };
        }),
      ),
    remove: (pairs) => {
      for (const pair of pairs) records.delete(pair);
      return Promise.resolve();
    },
  };
  return store;
}
