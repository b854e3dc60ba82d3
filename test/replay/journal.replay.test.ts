/**
 * Journals as they were once written. They fold for ever, and the machine of today still goes where they say it went. A fixture is never
 * changed: what a later version writes is recorded beside it.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { initialTransition, transition } from 'xstate';
import { evolve, type IndexSnapshot, type Lifecycle, type PairSnapshot } from '../../src/domain/journal.ts';
import { decodeEvent } from '../../src/infra/nats/journal-codec.ts';
import { lifecycleOf, shardPairMachine } from '../../src/machines/shard-pair.ts';
import type { StoredEvent } from '../../src/ports/event-log.ts';
import { machineEvent } from '../support/machine-event.ts';

const FOLDER = join(import.meta.dirname, 'fixtures');
const fixtures = globSync('*.ndjson', { cwd: FOLDER }).toSorted();

function recorded(file: string): readonly StoredEvent[] {
  const lines = readFileSync(join(FOLDER, file), 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const { subject, seq, event }: { subject: string; seq: number; event: unknown } = JSON.parse(line);
    return decodeEvent(subject, seq, JSON.stringify(event));
  });
}

const states = new Set<Lifecycle>();
const kinds = new Set<string>();

for (const file of fixtures) {
  describe(`the journal ${basename(file, '.ndjson')}`, () => {
    test('folds to the state of its last events', () => {
      const folded = new Map<string, PairSnapshot | IndexSnapshot>();
      for (const { subject, event } of recorded(file)) folded.set(subject, evolve(folded.get(subject), event));
      const last = new Map(recorded(file).map(({ subject, event }) => [subject, event.result]));
      assert.deepEqual(folded, last);
      assert.ok(folded.size >= 2);
    });

    test('each event begins where the one before it ended, in the order of the log', () => {
      const before = new Map<string, Lifecycle>();
      let newest = 0;
      for (const { subject, seq, event } of recorded(file)) {
        assert.ok(seq > newest);
        newest = seq;
        if (event.entity !== 'pair') continue;
        assert.equal(event.from, before.get(subject) ?? 'none');
        before.set(subject, event.result.state);
        states.add(event.result.state);
        kinds.add(event.fact.type);
      }
    });

    test('the machine of today goes where it went', () => {
      const before = new Map<string, PairSnapshot>();
      let policy: 'fail' | 'rebootstrap' = 'fail';
      for (const { subject, event } of recorded(file)) {
        if (event.entity === 'index') {
          policy = event.result.parameters.on_missing_history;
          continue;
        }
        const input = { snapshot: before.get(subject), onMissingHistory: policy, delayMs: 0 };
        const [start] = initialTransition(shardPairMachine, input);
        const told = machineEvent(event.fact);
        before.set(subject, event.result);
        if (told === undefined) continue;
        const [after] = transition(shardPairMachine, start, told);
        const { resumeTo, desired, epoch, raiseEpoch } = after.context;
        const { result } = event;
        assert.deepEqual(
          { state: lifecycleOf(after.value), resumeTo, desired, epoch, raiseEpoch },
          {
            state: result.state,
            resumeTo: result.resumeTo,
            desired: result.desired,
            epoch: result.epoch,
            raiseEpoch: result.raiseEpoch ?? false,
          },
          `${event.from} ${event.fact.type}`,
        );
      }
    });
  });
}

test('the recorded journals were in every state and hold nearly every event', () => {
  assert.deepEqual(states, new Set<Lifecycle>(['bootstrapping', 'following', 'retrying', 'paused', 'fatal']));
  for (const type of ['STARTED', 'BOOTSTRAPPED', 'FAILED', 'RECOVERED', 'PAUSE', 'PAUSED', 'RESUME'])
    assert.ok(kinds.has(type), type);
  for (const type of [
    'HISTORY_GONE',
    'EPOCH_RAISED',
    'ROLLED_BACK',
    'QUARANTINED',
    'QUARANTINE_RETRY',
    'REPAIR',
    'MASS_DELETE_USED',
    'TAKEN_OVER',
  ])
    assert.ok(kinds.has(type), type);
});
