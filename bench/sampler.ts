/** Looks again and again at the follower until it shows what was acknowledged by the leader, and notes how long that took. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Percentiles, percentiles } from '../demo/visibility.ts';

export interface Sampled {
  readonly samples: Percentiles;
  /** Not seen before the end. */
  readonly unseen: number;
}

export interface Sampler {
  watch(id: string, acknowledgedMs: number): void;
  waiting(): number;
  /** Ends at once. */
  stop(): Promise<Sampled>;
}

export interface SamplerOptions {
  /** Times are up to this much, and one look, too long. */
  readonly pollMs: number;
  /** Which of these it shows now. */
  readonly look: (ids: readonly string[]) => Promise<ReadonlySet<string>>;
}

/** Of the oldest so many at once. */
const LOOKED_AT_MAX = 500;

export function startSampler({ pollMs, look }: SamplerOptions): Sampler {
  const waiting = new Map<string, number>();
  const tookMs: number[] = [];
  let stopped = false;
  const lookOnce = async (): Promise<void> => {
    const seen = await look([...waiting.keys()].slice(0, LOOKED_AT_MAX));
    const nowMs = performance.now();
    for (const id of seen) {
      tookMs.push(nowMs - (waiting.get(id) ?? nowMs));
      waiting.delete(id);
    }
  };
  const polling = (async () => {
    while (!stopped) {
      const startedMs = performance.now();
      if (waiting.size > 0) await lookOnce();
      await delay(Math.max(1, pollMs - (performance.now() - startedMs)));
    }
  })();
  // Told when it is stopped.
  polling.catch(() => undefined);
  return {
    watch: (id, acknowledgedMs) => void waiting.set(id, acknowledgedMs),
    waiting: () => waiting.size,
    async stop() {
      stopped = true;
      await polling;
      return { samples: percentiles(tookMs), unseen: waiting.size };
    },
  };
}
