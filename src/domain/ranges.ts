import type { RangeCursor } from './position.ts';

/** Splits (after, to] into at most `parts` ranges of nearly equal width, in order. Empty when there is nothing. */
export function splitRange(after: number, to: number, parts: number): readonly RangeCursor[] {
  const width = to - after;
  if (width <= 0) return [];
  const count = Math.min(parts, width);
  return Array.from({ length: count }, (_, part) => {
    const from = after + 1 + Math.floor((width * part) / count);
    return { from, to: after + Math.floor((width * (part + 1)) / count), next: from };
  });
}

/**
 * Halves what is left of the range with most left, for whoever is done with its own; `from` is that of the new range. The first `kept` numbers, one at least, stay
 * where they are: about as many as are being read. Undefined: too little is left anywhere. Finished neighbours become one, so that there are
 * never more than twice as many ranges, and one, as there are unfinished ones.
 */
export function shareRange(
  ranges: readonly RangeCursor[],
  kept: number,
): { readonly ranges: readonly RangeCursor[]; readonly from: number } | undefined {
  const longest = ranges.toSorted((a, b) => left(b) - left(a))[0];
  if (longest === undefined || left(longest) < 2 * kept) return undefined;
  const from = longest.next + kept + Math.floor((left(longest) - kept) / 2);
  const shared: RangeCursor[] = [];
  for (const range of ranges) {
    const before = shared.at(-1);
    if (range === longest) shared.push({ ...range, to: from - 1 }, { from, to: range.to, next: from });
    else if (before !== undefined && left(before) === 0 && left(range) === 0)
      shared[shared.length - 1] = { from: before.from, to: range.to, next: range.next };
    else shared.push(range);
  }
  return { ranges: shared, from };
}

function left({ next, to }: RangeCursor): number {
  return Math.max(0, to - next + 1);
}

export function rangesDone(ranges: readonly RangeCursor[]): boolean {
  return ranges.every((range) => range.next > range.to);
}

/** Share of the sequence numbers of the ranges that were passed: 0..1. */
export function rangesProgress(ranges: readonly RangeCursor[]): number {
  const width = ranges.reduce((sum, range) => sum + range.to - range.from + 1, 0);
  return width === 0 ? 1 : ranges.reduce((sum, range) => sum + range.next - range.from, 0) / width;
}
