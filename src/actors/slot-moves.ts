import type { Clock } from '../ports/clock.ts';

/** Slots that move between living supervisors, all together: each costs its pairs a pause. */
const MOVES = 16;
const WITHIN_MS = 10_000;

export interface MovesAllowance {
  /** A slot was given up, by us or by another. */
  given(byUs: boolean): void;
  /** How many more we may begin to give, while so many of ours are under way and so many supervisors have something to give. */
  allowed(underWay: number, givers: number): number;
}

/** Counts what was given up, as everybody sees it; those that have something to give divide the rest by their number. */
export function movesAllowance(clock: Clock): MovesAllowance {
  let seen: { readonly atMs: number; readonly byUs: boolean }[] = [];
  const forget = (): void => {
    const sinceMs = clock.monotonic() - WITHIN_MS;
    seen = seen.filter(({ atMs }) => atMs > sinceMs);
  };
  return {
    given(byUs) {
      forget();
      seen.push({ atMs: clock.monotonic(), byUs });
    },
    allowed(underWay, givers) {
      forget();
      const ours = underWay + seen.filter(({ byUs }) => byUs).length;
      const quota = Math.max(1, Math.floor(MOVES / Math.max(1, givers)));
      return Math.max(0, Math.min(quota - ours, MOVES - seen.length - underWay));
    },
  };
}
