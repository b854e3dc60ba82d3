/** The few numbers that the report is made of. */

/** The middle one, or the mean of the two in the middle. Throws without values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  if (low === undefined || high === undefined) throw new RangeError('no values, no median');
  return (low + high) / 2;
}

/** (max - min) / median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

/** Another one first in each round, so that none always runs on the heels of the same. */
export function rotated<T>(list: readonly T[], by: number): readonly T[] {
  const at = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

/** Above this spread of the floor the machine did something else as well, and no figure of the run is to be believed. */
export const NOISE_LIMIT = 0.25;

export interface NoiseVerdict {
  /** Null: one round cannot tell. */
  readonly noisy: boolean | null;
  readonly spread: number | null;
}

/** @param floorSeconds one for each round, all of the same variant of the floor */
export function noiseOf(floorSeconds: readonly number[]): NoiseVerdict {
  if (floorSeconds.length < 2) return { noisy: null, spread: null };
  const seen = spread(floorSeconds);
  return { noisy: seen > NOISE_LIMIT, spread: seen };
}
