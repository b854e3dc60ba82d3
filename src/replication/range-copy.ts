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
    let more = true;
    while (more && !target.ended()) more = await copyPage(target, at, signal, apply);
  });
  // Nothing is in flight when this returns or throws.
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === 'rejected') throw outcome.reason;
  const end = progress.ranges.at(-1)?.to;
  if (end === undefined || !rangesDone(progress.ranges)) return;
  progress.ranges = [];
  progress.advance(end);
}

/** One page of one range; false when the range is done. */
async function copyPage(
  { progress, reader, wish }: RangeTarget,
  at: number,
  signal: AbortSignal,
  apply: (page: SearchPage) => Promise<void>,
): Promise<boolean> {
  const range = progress.ranges[at];
  if (range === undefined || range.next > range.to) return false;
  const request = { ...wish, after: range.next - 1, upTo: range.to, countTotal: false };
  const next = await reader.read(request, signal, async (page, full) => {
    await apply(page);
    const last = page.hits.at(-1);
    return full && last !== undefined ? last.seqNo + 1 : range.to + 1;
  });
  progress.ranges = progress.ranges.map((other, index) => (index === at ? { ...other, next } : other));
  return next <= range.to;
}
