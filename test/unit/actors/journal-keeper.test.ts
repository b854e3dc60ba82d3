import assert from 'node:assert/strict';
import { it } from 'node:test';
import { keepJournal } from '../../../src/actors/journal-keeper.ts';
import { failed } from '../../../src/domain/failure.ts';
import { memoryJournal } from '../../support/memory-event-log.ts';
import { memoryNarrator } from '../../support/memory-narrator.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

it('removes old history an hour after the other, also after a round that failed, until it is stopped', async () => {
  const clock = new VirtualClock();
  const rounds: number[] = [];
  const log = {
    ...memoryJournal().open(),
    purge: async () => {
      rounds.push(clock.monotonic());
      if (rounds.length === 1) throw failed('journal_unreachable', { op: 'purge journal', reason: 'away' });
      return 3;
    },
  };
  const stop = new AbortController();
  const narrator = memoryNarrator();
  const kept = keepJournal({ log, clock, narrator, retention: { ageMs: 1, events: 1 } }, stop.signal);
  const look = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  for (await look(); rounds.length < 3; await look()) clock.runNext();
  stop.abort(new Error('enough'));
  await kept;
  const [first = 0] = rounds;
  assert.deepEqual(rounds, [first, first + 3_600_000, first + 7_200_000]);
});
