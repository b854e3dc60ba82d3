export interface CycleSampling {
  /** Share of cycles that become traces, 0..1. */
  readonly ratio: number;
  /** At most so many sampled cycles a second, in all pairs together. */
  readonly perSecondMax: number;
  /** Failed cycles are always told, up to this many a second. */
  readonly failuresPerSecondMax: number;
}

export const DEFAULT_CYCLE_SAMPLING: CycleSampling = { ratio: 0.01, perSecondMax: 5, failuresPerSecondMax: 10 };

export interface CycleSampler {
  sample(): boolean;
  sampleFailure(): boolean;
}

export function cycleSampler(sampling: CycleSampling, random: () => number, monotonicMs: () => number): CycleSampler {
  const cycles = perSecond(sampling.perSecondMax, monotonicMs);
  const failures = perSecond(sampling.failuresPerSecondMax, monotonicMs);
  return { sample: () => random() < sampling.ratio && cycles(), sampleFailure: failures };
}

function perSecond(max: number, monotonicMs: () => number): () => boolean {
  let second = Number.NEGATIVE_INFINITY;
  let taken = 0;
  return () => {
    const now = Math.floor(monotonicMs() / 1000);
    if (now !== second) {
      second = now;
      taken = 0;
    }
    taken += 1;
    return taken <= max;
  };
}
