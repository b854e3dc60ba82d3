import type { CommandResult, IndexStatus, PairStatus, QuarantineEntry } from '../domain/commands.ts';
import { indexKey } from '../domain/names.ts';

/** Answers are cut into pages of at most this, so that one message carries them and no other waits long behind it. */
export const MAX_PAGE_BYTES = 512 * 1024;

export interface Page<T> {
  readonly items: readonly T[];
  /** Cursor of the page behind; undefined for the last. */
  readonly next: string | undefined;
}

type Listed = Omit<IndexStatus, 'pairs'>;

/**
 * A cursor is the name of what came last, in the order of names (`cluster/index/shard`), so any supervisor can go on with it, and what comes
 * or goes meanwhile moves nothing else.
 */
export function listPage(indices: readonly Listed[], cursor: string | undefined, maxBytes: number): Page<Listed> {
  const rows = indices.map((index) => ({
    key: indexKey(index.follower),
    sizeBytes: () => jsonBytes(index),
    item: index,
  }));
  const { taken, next } = cut(rows, cursor, maxBytes);
  return { items: taken.map(({ item }) => item), next };
}

/** One index may go over several pages, each with a part of its pairs. */
export function statusPage(
  indices: readonly IndexStatus[],
  cursor: string | undefined,
  maxBytes: number,
): Page<IndexStatus> {
  const rows = indices.flatMap((index): Row<{ index: IndexStatus; pair: PairStatus | undefined }>[] => {
    const headBytes = (): number => jsonBytes({ ...index, pairs: [] });
    const key = indexKey(index.follower);
    if (index.pairs.length === 0) return [{ key, sizeBytes: headBytes, item: { index, pair: undefined } }];
    // Each pair counts its index as well: pages stay below the limit however they begin.
    return index.pairs.map((pair) => ({
      key: `${key}/${shardKey(pair.shard)}`,
      sizeBytes: () => headBytes() + jsonBytes(pair),
      item: { index, pair },
    }));
  });
  const { taken, next } = cut(rows, cursor, maxBytes);
  const items: { index: IndexStatus; pairs: PairStatus[] }[] = [];
  for (const { item } of taken) {
    let part = items.at(-1);
    if (part?.index !== item.index) items.push((part = { index: item.index, pairs: [] }));
    if (item.pair !== undefined) part?.pairs.push(item.pair);
  }
  return { items: items.map(({ index, pairs }) => ({ ...index, pairs })), next };
}

/** In order of shard and sequence number; what comes or goes between two pages does no harm. */
export function quarantinePage(
  entries: readonly QuarantineEntry[],
  cursor: string | undefined,
  maxBytes: number,
): Page<QuarantineEntry> {
  const rows = entries.map((entry) => ({
    key: `${indexKey(entry.follower)}/${shardKey(entry.shard)}/${String(entry.seqNo).padStart(16, '0')}`,
    sizeBytes: () => jsonBytes(entry),
    item: entry,
  }));
  const { taken, next } = cut(rows, cursor, maxBytes);
  return { items: taken.map(({ item }) => item), next };
}

/** The other way round: pages in order, as one answer. */
export function joinStatus(pages: readonly (readonly IndexStatus[])[]): readonly IndexStatus[] {
  const joined: IndexStatus[] = [];
  for (const part of pages.flat()) {
    const last = joined.at(-1);
    if (last !== undefined && indexKey(last.follower) === indexKey(part.follower))
      joined[joined.length - 1] = { ...part, pairs: [...last.pairs, ...part.pairs] };
    else joined.push(part);
  }
  return joined;
}

/** The answer to a command, in pages; each tells the whole outcome and a part of the pairs. The cursor of a page is its number. */
export function resultPages(result: CommandResult, maxBytes: number): readonly Page<CommandResult>[] {
  const parts: CommandResult['pairs'][number][][] = [[]];
  let usedBytes = 0;
  for (const pair of result.pairs) {
    const sizeBytes = jsonBytes(pair);
    const part = parts.at(-1) ?? [];
    if (part.length > 0 && usedBytes + sizeBytes > maxBytes) {
      parts.push([pair]);
      usedBytes = sizeBytes;
    } else {
      part.push(pair);
      usedBytes += sizeBytes;
    }
  }
  return parts.map((pairs, at) => ({
    items: [{ ...result, pairs }],
    next: at + 1 < parts.length ? String(at + 1) : undefined,
  }));
}

interface Row<T> {
  readonly key: string;
  /** Asked only of rows that may come into the page. */
  readonly sizeBytes: () => number;
  readonly item: T;
}

/** At least one row, then as many as fit. */
function cut<T>(
  rows: readonly Row<T>[],
  cursor: string | undefined,
  maxBytes: number,
): { taken: readonly Row<T>[]; next: string | undefined } {
  const behind = rows
    .filter(({ key }) => cursor === undefined || key > cursor)
    .toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  let usedBytes = 0;
  let taken = 0;
  for (const row of behind) {
    usedBytes += row.sizeBytes();
    if (taken > 0 && usedBytes > maxBytes) break;
    taken += 1;
  }
  return { taken: behind.slice(0, taken), next: taken < behind.length ? behind[taken - 1]?.key : undefined };
}

/** Shard numbers in an order that text keeps. */
function shardKey(shard: number): string {
  return String(shard).padStart(4, '0');
}

function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length + 1;
}
