interface Sample {
  readonly atMs: number;
  readonly total: number;
}

const WINDOW_MS = 5000;
const SPACING_MS = 500;

/** Rate of a growing total over the last few seconds of a monotonic clock. */
export class RateMeter {
  #samples: Sample[] = [];

  record(total: number, nowMs: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && nowMs - last.atMs < SPACING_MS) return;
    this.#samples = [...this.#samples.filter((sample) => nowMs - sample.atMs <= WINDOW_MS), { atMs: nowMs, total }];
  }

  perSecond(total: number, nowMs: number): number {
    const first = this.#samples[0];
    if (first === undefined || nowMs - first.atMs < SPACING_MS) return 0;
    return Math.max(0, ((total - first.total) * 1000) / (nowMs - first.atMs));
  }
}
