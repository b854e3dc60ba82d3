/** Damerau-Levenshtein distance (adjacent letters swapped count once), of short words. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j += 1) {
      const changed = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Infinity;
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, changed, swapped));
    }
  }
  return at(a.length, b.length);
}

const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_\s]/g, '');

/** The candidate somebody who typed `word` most likely meant; undefined when none is near. Case, `-` and `_` do not count. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const typed = plain(word).slice(0, 100);
  let best: { candidate: string; cost: number } | undefined;
  for (const candidate of candidates) {
    const meant = plain(candidate);
    const extends_ = typed.length >= 3 && (meant.startsWith(typed) || typed.startsWith(meant));
    const cost = extends_ ? Math.min(1, distance(typed, meant)) : distance(typed, meant);
    if (cost <= Math.max(1, Math.floor(meant.length / 3)) && (best === undefined || cost < best.cost))
      best = { candidate, cost };
  }
  return best?.candidate;
}

/** `; did you mean x?`, or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const meant = nearest(word, candidates);
  return meant === undefined ? '' : `; did you mean ${meant}?`;
}
