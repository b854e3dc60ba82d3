/** How long a run will take, on two quiet cores: told at the start, so that nobody waits in the dark. */
import { CITIES } from './corpus.ts';
import { LIVE_SECONDS, LIVE_WARM_UP_SECONDS } from './live.ts';
import { type BenchOptions, groupOf, GROUPS, type Variant } from './options.ts';

/** Per million documents, as seen; the fastest variant of a group stands for it after the first round. */
const SECONDS_PER_MILLION: Readonly<Record<Variant, number>> = {
  slipstream: 25,
  reindex: 35,
  'reindex-ranges-1': 28,
  'reindex-ranges-2': 22,
  'reindex-ranges-4': 20,
  elasticdump: 28,
  'floor-2': 20,
  'floor-4': 18,
  'floor-8': 18,
  'floor-reading': 22,
};
const LOAD_SECONDS_PER_MILLION = 40;
const RUN_OVERHEAD_SECONDS = 6;
const START_SECONDS = 60;
/** Cities that the price phase indexes in each run. */
export const PRICE_COPIES = 8;
const PRICE_SECONDS_PER_MILLION = 40;
const CYCLE_SECONDS = 60;

/** The cities so many times in the big phase: 37 for 8. */
export function bigCopies(copies: number): number {
  return Math.ceil((copies * 37) / 8);
}

export function estimatedMinutes({ variants, phases, rounds, copies }: BenchOptions): number {
  const millions = (copies * CITIES) / 1e6;
  const run = (variant: Variant): number => SECONDS_PER_MILLION[variant] * millions + RUN_OVERHEAD_SECONDS;
  const each = GROUPS.map((group) => variants.filter((variant) => groupOf(variant) === group).map(run));
  const first = each.flat().reduce((sum, seconds) => sum + seconds, 0);
  // Two of three variants are usually close to each other.
  const later = each.reduce(
    (sum, own) =>
      sum +
      own
        .toSorted((a, b) => a - b)
        .slice(0, 2)
        .reduce((all, seconds) => all + seconds, 0),
    0,
  );
  let seconds = START_SECONDS + 3 * LOAD_SECONDS_PER_MILLION * millions + first + later * (rounds - 1);
  if (phases.includes('live')) seconds += run('slipstream') + LIVE_WARM_UP_SECONDS + LIVE_SECONDS + 60;
  if (phases.includes('price')) {
    const priceMillions = (Math.min(copies, PRICE_COPIES) * CITIES) / 1e6;
    seconds += (rounds + 1) * 2 * (PRICE_SECONDS_PER_MILLION * priceMillions + 2 * RUN_OVERHEAD_SECONDS);
  }
  if (phases.includes('big')) {
    const perMillion = LOAD_SECONDS_PER_MILLION + SECONDS_PER_MILLION.slipstream;
    seconds += (((copies + bigCopies(copies)) * CITIES) / 1e6) * perMillion + 2 * CYCLE_SECONDS;
  }
  return Math.ceil(seconds / 60);
}
