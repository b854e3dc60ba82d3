import { readFileSync } from 'node:fs';
import { parsePeakMib } from '../../bench/process-cost.ts';

const LOOK_EVERY_MS = 250;

/** The greatest resident memory of a process that is replaced by others in time; null where there is no /proc. */
export function watchMemory(pidOf: () => number | undefined): { stop(): number | null } {
  let peakMib: number | null = null;
  const look = (): void => {
    try {
      peakMib = Math.max(peakMib ?? 0, parsePeakMib(readFileSync(`/proc/${pidOf()}/status`, 'utf8')));
    } catch {
      // It has ended, or there is no /proc.
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      look();
      return peakMib;
    },
  };
}
