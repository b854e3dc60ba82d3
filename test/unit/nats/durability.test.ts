import assert from 'node:assert/strict';
import { it } from 'node:test';
import { clockFinding } from '../../../src/app/findings.ts';
import { durabilityWarning } from '../../../src/app/nats-diagnosis.ts';
import { tellingTrouble } from '../../../src/app/own-nats.ts';
import { Failed, failed } from '../../../src/domain/failure.ts';
import type { EventLog } from '../../../src/ports/event-log.ts';
import { startedEvent } from '../../support/journal-events.ts';

it('a power cut is warned of where a journal stands on one server of which nothing better is known', () => {
  assert.match(durabilityWarning({}, 1)?.detail ?? '', /one replica .* power cut there may lose the decisions/);
  assert.match(durabilityWarning({}, 2)?.detail ?? '', /2 replicas/);
  assert.equal(durabilityWarning({}, 3), undefined);
  assert.equal(durabilityWarning({ syncAlways: true }, 1), undefined);
  assert.equal(durabilityWarning({ own: { dataFolder: '/d' } }, 1), undefined);
});

it('clocks are called apart only where that is certain', () => {
  assert.equal(clockFinding('nats', 1_900, 0).outcome, 'ok');
  assert.equal(clockFinding('nats', -2_500, 600).outcome, 'ok');
  assert.equal(clockFinding('nats', -2_500, 400).outcome, 'warn');
  assert.match(clockFinding('nats', -2_500, 400).detail, /2500 ms behind/);
});

it('a time-out of an append is told with the trouble of our own server behind it, and anything else as it is', async () => {
  const thrown = failed('journal_unreachable', { op: 'append', reason: 'no answer in time', ambiguous: true });
  const conflict = failed('journal_conflict', { op: 'append', reason: 'somebody else' });
  const full = failed('journal_full', { op: 'write journal', reason: 'no space left' }).failure;
  const appendFails = async (error: Failed, trouble: typeof full | undefined) => {
    const log: Pick<EventLog, 'append'> = { append: () => Promise.reject(error) };
    const signal = new AbortController().signal;
    return tellingTrouble(log as EventLog, () => trouble)
      .append('pair.a.b.0', startedEvent('e1'), 0, signal)
      .then(
        () => assert.fail('it was appended'),
        (told: unknown) => (told instanceof Failed ? told.failure : undefined),
      );
  };
  assert.deepEqual(await appendFails(thrown, full), {
    ...full,
    op: 'append',
    ambiguous: true,
    reason: 'no space left (no answer in time)',
  });
  assert.equal(await appendFails(thrown, undefined), thrown.failure);
  assert.equal(await appendFails(conflict, full), conflict.failure);
});
