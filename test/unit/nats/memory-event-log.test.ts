import { testEventLog } from '../../conformance/event-log.suite.ts';
import { memoryJournal } from '../../support/memory-event-log.ts';

testEventLog('in memory', async () => {
  const journal = memoryJournal('memory-journal', () => Date.now());
  return {
    log: journal.open(),
    another: async () => journal.open(),
    loseNextAck: () => journal.failNextAppend('lost-ack'),
    loseServerAfterNextAppend: () => journal.failNextAppend('lost-after'),
    loseServerBeforeNextAppend: () => journal.failNextAppend('lost-before'),
    storeText: async (subject, text) => journal.storeText(subject, text),
    [Symbol.asyncDispose]: async () => undefined,
  };
});
