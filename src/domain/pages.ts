import type {
  IndexStatus,
  ListedIndex,
  Page,
  PageWanted,
  PairStatus,
  QuarantineEntry,
  QueryPages,
  WholeQueries,
} from './commands.ts';
import { indexKey } from './names.ts';

/** `end`: of what is behind this key not everything is known yet. */
export interface PageCut extends PageWanted {
  readonly end?: string | undefined;
}

/**
 * A cursor is the name of what came last, in the order of names (`cluster/index/shard`), so any supervisor can go on with it, and what comes
 * or goes meanwhile moves nothing else.
 */
export function listPage(indices: readonly ListedIndex[], wanted: PageCut): Page<ListedIndex> {
  const rows = indices.map((index) => ({
    key: indexKey(index.follower),
    sizeBytes: () => jsonBytes(index),
    item: index,
  }));
  const { taken, next } = cut(rows, wanted);
  return { items: taken.map(({ item }) => item), next };
}

/** One index may go over several pages, each with a part of its pairs. */
export function statusPage(indices: readonly IndexStatus[], wanted: PageCut): Page<IndexStatus> {
  const rows = indices.flatMap((index): Row<{ index: IndexStatus; pair: PairStatus | undefined }>[] => {
    const headBytes = jsonBytes({ ...index, pairs: [] });
    const key = indexKey(index.follower);
    if (index.pairs.length === 0) return [{ key, sizeBytes: () => headBytes, item: { index, pair: undefined } }];
    // Each pair counts its index as well: pages stay below the limit however they begin.
    return index.pairs.map((pair) => ({
      key: `${key}/${shardKey(pair.shard)}`,
      sizeBytes: () => headBytes + jsonBytes(pair),
      item: { index, pair },
    }));
  });
  const { taken, next } = cut(rows, wanted);
  const items: { index: IndexStatus; pairs: PairStatus[] }[] = [];
  for (const { item } of taken) {
    let part = items.at(-1);
    if (part?.index !== item.index) items.push((part = { index: item.index, pairs: [] }));
    if (item.pair !== undefined) part?.pairs.push(item.pair);
  }
  return { items: items.map(({ index, pairs }) => ({ ...index, pairs })), next };
}

/** In order of shard and sequence number; what comes or goes between two pages does no harm. */
export function quarantinePage(entries: readonly QuarantineEntry[], wanted: PageCut): Page<QuarantineEntry> {
  const rows = entries.map((entry) => ({
    key: `${indexKey(entry.follower)}/${shardKey(entry.shard)}/${String(entry.seqNo).padStart(16, '0')}`,
    sizeBytes: () => jsonBytes(entry),
    item: entry,
  }));
  const { taken, next } = cut(rows, wanted);
  return { items: taken.map(({ item }) => item), next };
}

/** Whether a page behind the cursor may hold anything of an index of this key. */
export function mayBeBehind(key: string, cursor: string | undefined): boolean {
  // What follows the slash begins with a digit.
  return cursor === undefined || `${key}/~` > cursor;
}

/** The other way round: pages in order, as one answer. */
export function wholeQueries(pages: QueryPages): WholeQueries {
  const whole = { maxBytes: Number.POSITIVE_INFINITY };
  return {
    status: async (query) => joinStatus(await everyPage((cursor) => pages.status(query, { ...whole, cursor }))),
    quarantine: (query) => everyPage((cursor) => pages.quarantine(query, { ...whole, cursor })),
    list: () => everyPage((cursor) => pages.list({ ...whole, cursor })),
  };
}

async function everyPage<T>(ask: (cursor: string | undefined) => Promise<Page<T>>): Promise<readonly T[]> {
  const all: T[] = [];
  let cursor: string | undefined;
  do {
    const { items, next } = await ask(cursor);
    all.push(...items);
    cursor = next;
  } while (cursor !== undefined);
  return all;
}

function joinStatus(parts: readonly IndexStatus[]): readonly IndexStatus[] {
  const joined: IndexStatus[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (last !== undefined && indexKey(last.follower) === indexKey(part.follower))
      joined[joined.length - 1] = { ...part, pairs: [...last.pairs, ...part.pairs] };
    else joined.push(part);
  }
  return joined;
}

interface Row<T> {
  readonly key: string;
  /** Asked only of rows that may come into the page. */
  readonly sizeBytes: () => number;
  readonly item: T;
}

/** At least one row, then as many as fit; of two with the same key the first. */
function cut<T>(
  rows: readonly Row<T>[],
  { cursor, maxBytes, end }: PageCut,
): { taken: readonly Row<T>[]; next: string | undefined } {
  const behind = rows
    .filter(({ key }) => (cursor === undefined || key > cursor) && (end === undefined || key <= end))
    .toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const taken: Row<T>[] = [];
  let usedBytes = 0;
  for (const row of behind) {
    const last = taken.at(-1);
    if (last?.key === row.key) continue;
    usedBytes += row.sizeBytes();
    if (last !== undefined && usedBytes > maxBytes) return { taken, next: last.key };
    taken.push(row);
  }
  return { taken, next: end };
}

/** Shard numbers in an order that text keeps. */
function shardKey(shard: number): string {
  return String(shard).padStart(4, '0');
}

/** In an answer, with what separates it from the next. */
export function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length + 1;
}
