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

export function rangesDone(ranges: readonly RangeCursor[]): boolean {
  return ranges.every((range) => range.next > range.to);
}

/** Share of the sequence numbers of the ranges that were passed: 0..1. */
export function rangesProgress(ranges: readonly RangeCursor[]): number {
  const width = ranges.reduce((sum, range) => sum + range.to - range.from + 1, 0);
  return width === 0 ? 1 : ranges.reduce((sum, range) => sum + range.next - range.from, 0) / width;
}
