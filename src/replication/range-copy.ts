import { rangesDone, shareRange } from '../domain/ranges.ts';
import type { SearchPage } from '../domain/wire/search-page.ts';
import type { PageReader } from './page-reader.ts';
import type { PairProgress } from './pair-progress.ts';

export interface RangeTarget {
  readonly reader: PageReader;
  readonly progress: PairProgress;
  readonly wish: { readonly index: string; readonly shard: number; readonly nodeId: string };
  /** So many ranges are gone at a time. */
  readonly hands: number;
  /** Asked before every page. */
  readonly ended: () => boolean;
  /** Told once, when the first of the hands has nothing left to do: the others are at their last pages. */
  readonly nearlyDone: () => void;
}

/**
 * Goes the ranges of `progress`, several at a time, until they are done or `ended` says so. Every document at or below the ranges' end that
 * still lives is in any later view, so each page is a fresh search and no view is held open, however long it takes.
 * A cursor moves when `apply` has resolved; when all are done, so has the checkpoint.
 *
 * Whoever is done takes half of what the slowest has left: else the last of four would go alone, with one core idle.
 * What a page on its way holds behind the cut is written twice, in the same version.
 */
export async function copyRanges(
  target: RangeTarget,
  signal: AbortSignal,
  apply: (page: SearchPage) => Promise<void>,
): Promise<void> {
  const { progress } = target;
  const taken = new Set<number>();
  let failed = false;
  let told = false;
  const ended = (): boolean => failed || target.ended();
  const goOn = async (): Promise<void> => {
    while (!ended()) {
      const from = takeRange(target, taken);
      if (from === undefined) break;
      // Sequence numbers are dense where nothing was updated, which is known only after a page.
      let density: number | undefined = 1;
      while (density !== undefined && !ended()) density = await copyPage(target, { from, density }, signal, apply);
    }
    if (ended()) return;
    if (!told) target.nearlyDone();
    told = true;
  };
  const work = Array.from({ length: target.hands }, () =>
    goOn().catch((thrown: unknown) => {
      failed = true;
      throw thrown;
    }),
  );
  // Nothing is in flight when this returns or throws.
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === 'rejected') throw outcome.reason;
  const end = progress.ranges.at(-1)?.to;
  if (end === undefined || !rangesDone(progress.ranges)) return;
  progress.ranges = [];
  progress.advance(end);
}

/** Gives where a range begins that nobody goes; undefined: there is nothing worth sharing. */
function takeRange({ progress, reader }: RangeTarget, taken: Set<number>): number | undefined {
  let from = progress.ranges.find((range) => range.next <= range.to && !taken.has(range.from))?.from;
  if (from === undefined) {
    const shared = shareRange(progress.ranges, reader.documents);
    if (shared === undefined) return undefined;
    progress.ranges = shared.ranges;
    from = shared.from;
  }
  taken.add(from);
  return from;
}

/** One page of one range. Gives how many documents there were for each sequence number; undefined when the range is done. */
async function copyPage(
  { progress, reader, wish }: RangeTarget,
  { from, density }: { readonly from: number; readonly density: number },
  signal: AbortSignal,
  apply: (page: SearchPage) => Promise<void>,
): Promise<number | undefined> {
  const range = progress.ranges.find((one) => one.from === from);
  if (range === undefined || range.next > range.to) return undefined;
  const request = { ...wish, after: range.next - 1, upTo: range.to, countTotal: false, density };
  let seen = 0;
  const next = await reader.readRange(request, signal, async (page, upTo) => {
    await apply(page);
    seen = page.hits.length;
    return upTo + 1;
  });
  // Its end may have come nearer meanwhile.
  progress.ranges = progress.ranges.map((one) =>
    one.from === from ? { ...one, next: Math.min(next, one.to + 1) } : one,
  );
  return next <= range.to ? seen / (next - range.next) : undefined;
}
