import type { PageWanted } from '../domain/commands.ts';
import { indexKey, type FollowerIndexRef } from '../domain/names.ts';
import { mayBeBehind } from '../domain/pages.ts';

/** What a kind of answer has of each index. */
export interface RowsOf<T> {
  readonly count: (index: T) => number;
  /** About; where it is wrong, pages are less full or more is made than told. */
  readonly sizeBytes: number;
}

export interface PageWindow<T> {
  readonly indices: readonly T[];
  /** How many rows each of them has. */
  readonly rows: ReadonlyMap<T, number>;
  /** Rows behind this key are for later pages; undefined: there are none. */
  readonly end: string | undefined;
}

/**
 * The indices that may come into a page, in order of names: those behind the cursor until they have about as many rows as it may hold, and one
 * more. At the name of that one the window ends, since rows of one index may stand behind the name of the next (`a-b` is before `a/0`).
 */
export function pageWindow<T extends { readonly follower: FollowerIndexRef }>(
  indices: readonly T[],
  { cursor, maxBytes }: PageWanted,
  { count, sizeBytes }: RowsOf<T>,
): PageWindow<T> {
  const behind = indices
    .map((index) => ({ index, key: indexKey(index.follower) }))
    .filter(({ key }) => mayBeBehind(key, cursor))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const rows = new Map<T, number>();
  let leftBytes = maxBytes;
  for (const [at, { index, key }] of behind.entries()) {
    const isLast = leftBytes <= 0 && (cursor === undefined || key > cursor) && at + 1 < behind.length;
    rows.set(index, count(index));
    if (isLast) return { indices: [...rows.keys()], rows, end: key };
    leftBytes -= (rows.get(index) ?? 0) * sizeBytes;
  }
  return { indices: [...rows.keys()], rows, end: undefined };
}
