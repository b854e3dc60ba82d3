import { failureOf } from '../domain/failure.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventLog, Retention } from '../ports/event-log.ts';
import type { Narrator } from '../ports/narrator.ts';

export interface JournalKeeperOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly narrator: Narrator;
  readonly retention: Omit<Retention, 'pauseMs'>;
  /** Asked before each round. */
  readonly mayRemove?: (() => boolean) | undefined;
}

/** The first round comes when a start has settled. */
const FIRST_AFTER_MS = 60_000;
const EVERY_MS = 3_600_000;
/** At most 20 removals a second. */
const PAUSE_MS = 50;

/** Removes old history of the journal, round after round, until it is aborted. */
export async function keepJournal(options: JournalKeeperOptions, signal: AbortSignal): Promise<void> {
  const { log, clock, narrator, retention, mayRemove = () => true } = options;
  try {
    for (let waitMs = FIRST_AFTER_MS; ; waitMs = EVERY_MS) {
      await clock.sleep(waitMs, signal);
      if (!mayRemove()) continue;
      try {
        const removed = await log.purge({ ...retention, pauseMs: PAUSE_MS }, signal);
        if (removed > 0) narrator.log('info', 'old history was removed from the journal', { events: removed });
      } catch (thrown) {
        signal.throwIfAborted();
        narrator.log('warn', 'old history was not removed; the next round comes in an hour', {
          failure: failureOf(thrown, 'purge journal'),
        });
      }
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
}
