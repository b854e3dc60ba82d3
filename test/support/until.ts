import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 50;

/** Asks again and again until there is an answer. Throws after `withinMs`, with what was waited for and what was seen last. */
export async function until<T>(
  what: string,
  withinMs: number,
  look: () => Promise<T | undefined>,
  last: () => string = () => '',
  pollMs = POLL_MS,
): Promise<T> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadlineMs) throw new Error(`gave up on: ${what}, after ${withinMs / 1000} s\n${last()}`);
    await delay(pollMs);
  }
}
