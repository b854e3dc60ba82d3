import { backoffMs } from '../domain/backoff.ts';
import { failureOf } from '../domain/failure.ts';
import type { SupervisorPorts } from './cluster-access.ts';

const RETRY_MAX_MS = 5000;

/** Asks the journal until it answers: what has happened has to be recorded, however long it is away. Throws what is no passing failure. */
export async function untilReached<T>(
  { clock, random, narrator }: Pick<SupervisorPorts, 'clock' | 'random' | 'narrator'>,
  pair: string,
  ask: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (thrown) {
      const failure = failureOf(thrown, 'journal');
      if (failure.kind !== 'transient' || signal.aborted) throw thrown;
      if (attempt === 1) narrator.log('warn', 'waiting for the journal', { pair, failure });
      await clock.sleep(backoffMs(attempt, RETRY_MAX_MS, random.next()), signal);
    }
  }
}
