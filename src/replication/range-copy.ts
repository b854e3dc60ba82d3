import { rangesDone } from '../domain/ranges.ts';
import type { SearchPage } from '../domain/wire/search-page.ts';
import type { PageReader } from './page-reader.ts';
import type { PairProgress } from './pair-progress.ts';

export interface RangeTarget {
  readonly reader: PageReader;
  readonly progress: PairProgress;
  readonly wish: { readonly index: string; readonly shard: number; readonly nodeId: string };
  /** Asked before every page. */
  readonly ended: () => boolean;
}

/**
 * Goes all ranges of `progress` in parallel until they are done or `ended` says so. Every document at or below
 * the ranges' end that still lives is in any later view, so each page is a fresh search and no view is held open, however long it takes.
 * A cursor moves when `apply` has resolved; when all are done, so has the checkpoint.
 */
export async function copyRanges(
  target: RangeTarget,
  signal: AbortSignal,
  apply: (page: SearchPage) => Promise<void>,
): Promise<void> {
  const { progress } = target;
  const work = progress.ranges.map(async (_, at) => {
    // Sequence numbers are dense where nothing was updated, which is known only after a page.
    let density: number | undefined = 1;
    while (density !== undefined && !target.ended()) density = await copyPage(target, { at, density }, signal, apply);
  });
  // Nothing is in flight when this returns or throws.
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === 'rejected') throw outcome.reason;
  const end = progress.ranges.at(-1)?.to;
  if (end === undefined || !rangesDone(progress.ranges)) return;
  progress.ranges = [];
  progress.advance(end);
}

/** One page of one range. Gives how many documents there were for each sequence number; undefined when the range is done. */
async function copyPage(
  { progress, reader, wish }: RangeTarget,
  { at, density }: { readonly at: number; readonly density: number },
  signal: AbortSignal,
  apply: (page: SearchPage) => Promise<void>,
): Promise<number | undefined> {
  const range = progress.ranges[at];
  if (range === undefined || range.next > range.to) return undefined;
  const request = { ...wish, after: range.next - 1, upTo: range.to, countTotal: false, density };
  let seen = 0;
  const next = await reader.readRange(request, signal, async (page, upTo) => {
    await apply(page);
    seen = page.hits.length;
    return upTo + 1;
  });
  progress.ranges = progress.ranges.map((other, index) => (index === at ? { ...other, next } : other));
  return next <= range.to ? seen / (next - range.next) : undefined;
}
