/** Every state under every event, against a table written by hand, and under random events. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { initialTransition, type SnapshotFrom, transition } from 'xstate';
import { PairMachine, type StateWorker } from '../../../src/actors/pair-machine.ts';
import { failed } from '../../../src/domain/failure.ts';
import type { Lifecycle, PairSnapshot } from '../../../src/domain/journal.ts';
import {
  lifecycleOf,
  type PairInput,
  type PairMachineEvent,
  shardPairMachine,
  type WorkerInput,
} from '../../../src/machines/shard-pair.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

type Snapshot = SnapshotFrom<typeof shardPairMachine>;
type Policy = PairInput['onMissingHistory'];

const failure = failed('cluster_unreachable', { op: 'test', reason: 'refused' }).failure;
const gone = failed('history_changed', { op: 'test', reason: 'restored' }).failure;
const run = { traceId: 'a'.repeat(32), startedAtMs: 0, transitions: 1 };

const EVENTS: Readonly<Record<string, PairMachineEvent>> = {
  STARTED: { type: 'STARTED' },
  BOOTSTRAPPED: { type: 'BOOTSTRAPPED' },
  FAILED: { type: 'FAILED', failure, delayMs: 100 },
  RECOVERED: { type: 'RECOVERED' },
  FATAL: { type: 'FATAL', failure },
  HISTORY_GONE: { type: 'HISTORY_GONE', failure: gone },
  LEASE_EXPIRED: { type: 'LEASE_EXPIRED', failure: gone },
  ROLLED_BACK: { type: 'ROLLED_BACK', failure },
  EPOCH_RAISED: { type: 'EPOCH_RAISED', epoch: 9 },
  PAUSE: { type: 'PAUSE' },
  PAUSED: { type: 'PAUSED' },
  RESUME: { type: 'RESUME', rebootstrap: false },
  REBOOTSTRAP: { type: 'RESUME', rebootstrap: true },
};

/** Where a machine can be; the second word of `following draining` says what is wanted, not a state of the machine. */
const PLACES: Readonly<Record<string, readonly PairMachineEvent['type'][]>> = {
  new: [],
  'bootstrapping running': ['STARTED'],
  'bootstrapping draining': ['STARTED', 'PAUSE'],
  'following running': ['STARTED', 'BOOTSTRAPPED'],
  'following draining': ['STARTED', 'BOOTSTRAPPED', 'PAUSE'],
  'waiting to bootstrap': ['STARTED', 'FAILED'],
  'waiting to follow': ['STARTED', 'BOOTSTRAPPED', 'FAILED'],
  'retry draining': ['STARTED', 'BOOTSTRAPPED', 'FAILED', 'PAUSE'],
  'paused bootstrap': ['STARTED', 'PAUSE', 'PAUSED'],
  paused: ['STARTED', 'BOOTSTRAPPED', 'PAUSE', 'PAUSED'],
  'fatal bootstrap': ['STARTED', 'FATAL'],
  fatal: ['STARTED', 'BOOTSTRAPPED', 'FATAL'],
};

/**
 * `.` nothing changes; otherwise the state that results. `b f p x` are bootstrapping, following, paused and fatal, `w a d` retrying while
 * waiting, attempting and draining; `x|b` is fatal under the policy `fail` and bootstrapping under `rebootstrap`. `*`: the state is the
 * same and what is remembered changes.
 */
const TABLE = `
                       STARTED BOOTSTRAPPED FAILED RECOVERED FATAL HISTORY_GONE LEASE_EXPIRED ROLLED_BACK EPOCH_RAISED PAUSE PAUSED RESUME REBOOTSTRAP
new                    b       .            .      .         .     .            .             .           *            .     .      .      .
bootstrapping running  .       f            w      .         x     x|b          x|b           b           *            b     b      .      b
bootstrapping draining .       f            d      .         x     x|b          x|b           b           *            .     p      b      b
following running      .       .            w      .         x     x|b          x|b           b           *            f     f      .      b
following draining     .       .            d      .         x     x|b          x|b           b           *            .     p      f      b
waiting to bootstrap   .       f            .      b         x     x|b          x|b           b           *            d     w      a      b
waiting to follow      .       f            .      f         x     x|b          x|b           b           *            d     w      a      b
retry draining         .       f            .      f         x     x|b          x|b           b           *            .     p      a      b
paused bootstrap       .       .            .      .         .     .            .             .           *            .     .      b      b
paused                 .       .            .      .         .     .            .             .           *            .     .      f      b
fatal bootstrap        .       .            .      .         .     .            .             .           *            p     .      b      b
fatal                  .       .            .      .         .     .            .             .           *            p     .      f      b
`;

const VALUES: Readonly<Record<string, Snapshot['value']>> = {
  b: 'bootstrapping',
  f: 'following',
  p: 'paused',
  x: 'fatal',
  w: { retrying: 'waiting' },
  a: { retrying: 'attempting' },
  d: { retrying: 'draining' },
};

function input(policy: Policy = 'fail', snapshot?: PairSnapshot): PairInput {
  return { snapshot, onMissingHistory: policy, delayMs: 100 };
}

function next(snapshot: Snapshot, event: PairMachineEvent): Snapshot {
  const [after] = transition(shardPairMachine, snapshot, event);
  return after;
}

function at(place: string, policy: Policy): Snapshot {
  const [first] = initialTransition(shardPairMachine, input(policy));
  return (PLACES[place] ?? []).reduce((snapshot, type) => next(snapshot, EVENTS[type] ?? { type: 'STARTED' }), first);
}

function rows(): readonly (readonly [place: string, cells: readonly (readonly [name: string, cell: string])[]])[] {
  const [head = '', ...lines] = TABLE.trim().split('\n');
  const names = head.trim().split(/\s+/);
  return lines.map((line) => {
    const cells = line.slice(23).trim().split(/\s+/);
    return [line.slice(0, 23).trim(), names.map((name, column) => [name, cells[column] ?? '?'] as const)] as const;
  });
}

describe('the machine of a pair', () => {
  test('the table names every place and every event', () => {
    assert.deepEqual(
      rows().map(([place]) => place),
      Object.keys(PLACES),
    );
    for (const [, cells] of rows())
      assert.deepEqual(
        cells.map(([name]) => name),
        Object.keys(EVENTS),
      );
  });

  for (const policy of ['fail', 'rebootstrap'] as const) {
    for (const [place, cells] of rows()) {
      test(`under the policy ${policy}, what each event does to a pair that is ${place}`, () => {
        for (const [name, cell] of cells) {
          const before = at(place, policy);
          const event = EVENTS[name];
          assert.ok(event !== undefined);
          const after = next(before, event);
          const [underFail = '', underRebootstrap = underFail] = cell.split('|');
          const expected = policy === 'fail' ? underFail : underRebootstrap;
          const known = expected === '.' || expected === '*' ? before.value : VALUES[expected];
          assert.deepEqual(after.value, known, `${place} + ${name}`);
          if (expected === '.') assert.deepEqual(after.context, before.context, `${place} + ${name} changes nothing`);
          const state = lifecycleOf(after.value);
          assert.ok(place === 'new' || state !== undefined, `${place} + ${name} is one of the five states`);
        }
      });
    }
  }

  test('a history that is gone is copied again under a new epoch, or kept as the reason to stop', () => {
    for (const name of ['HISTORY_GONE', 'LEASE_EXPIRED']) {
      for (const place of Object.keys(PLACES).filter((each) => /running|draining|waiting/.test(each))) {
        const event = EVENTS[name] ?? { type: 'STARTED' };
        const anew = next(at(place, 'rebootstrap'), event).context;
        assert.equal(anew.raiseEpoch, true);
        assert.equal(anew.resumeTo, 'bootstrapping');
        assert.equal(anew.scratches, 1);
        assert.equal(next(at(place, 'fail'), event).context.failure, gone);
      }
    }
  });

  test('a pause that was wanted outlives failures, and is what a resume takes back', () => {
    const draining = at('following draining', 'fail');
    for (const name of ['FAILED', 'FATAL', 'HISTORY_GONE', 'ROLLED_BACK'])
      assert.equal(next(draining, EVENTS[name] ?? { type: 'STARTED' }).context.desired, 'paused', name);
    assert.equal(next(draining, { type: 'RESUME', rebootstrap: false }).context.desired, 'running');
  });

  test('a copy from the beginning is asked for even while a pause is under way', () => {
    const after = next(at('following draining', 'fail'), { type: 'RESUME', rebootstrap: true });
    assert.deepEqual(
      [after.value, after.context.raiseEpoch, after.context.desired, after.context.resumeTo],
      ['bootstrapping', true, 'running', 'bootstrapping'],
    );
  });

  test('failures are counted until something succeeds', () => {
    const attempting = next(at('waiting to follow', 'fail'), { type: 'RESUME', rebootstrap: false });
    const twice = next(attempting, { type: 'FAILED', failure, delayMs: 7 });
    assert.deepEqual([twice.value, twice.context.attempt, twice.context.delayMs], [{ retrying: 'waiting' }, 2, 7]);
    const well = next(twice, { type: 'RECOVERED' });
    assert.deepEqual([well.context.attempt, well.context.failure], [0, undefined]);
  });
});

interface Bench {
  readonly clock: VirtualClock;
  readonly workers: WorkerInput[];
  readonly drained: number[];
  readonly send: (event: PairMachineEvent) => void;
  readonly value: () => Snapshot['value'];
}

/** The machine running, with a worker that only notes what it was started with. */
function bench(start: PairInput): Bench {
  const clock = new VirtualClock();
  const workers: WorkerInput[] = [];
  const drained: number[] = [];
  let number = -1;
  const worker = {
    begin: (given: WorkerInput) => void (number = workers.push(given) - 1),
    drain: () => void drained.push(number),
    end: () => void (number = -1),
    failed: (thrown: unknown) => assert.fail(String(thrown)),
  };
  const machine = new PairMachine(start, worker, clock);
  machine.start();
  return { clock, workers, drained, send: (event) => machine.send(event), value: () => machine.snapshot.value };
}

function recorded(state: Lifecycle, parts: Partial<PairSnapshot> = {}): PairSnapshot {
  return { state, followId: 'c1', resumeTo: 'following', desired: 'running', epoch: 3, run, ...parts };
}

describe('the machine of a pair, started from the journal', () => {
  for (const [state, value, modes] of [
    ['bootstrapping', 'bootstrapping', ['run']],
    ['following', 'following', ['run']],
    ['retrying', { retrying: 'waiting' }, []],
    ['paused', 'paused', []],
    ['fatal', 'fatal', []],
  ] as const) {
    test(`${state} is taken up as it was recorded`, () => {
      const { workers, value: now } = bench(input('fail', recorded(state)));
      assert.deepEqual(now(), value);
      assert.deepEqual(
        workers.map(({ mode, epoch }) => [mode, epoch]),
        modes.map((mode) => [mode, 3]),
      );
    });
  }

  test('a pause that was accepted before takes effect before anything moves', () => {
    for (const state of ['bootstrapping', 'following', 'retrying'] as const) {
      const { workers, send, value } = bench(input('fail', recorded(state, { desired: 'paused' })));
      assert.deepEqual(
        workers.map(({ mode }) => mode),
        ['drain'],
      );
      send({ type: 'PAUSED' });
      assert.equal(value(), 'paused');
    }
  });

  test('an epoch that was to be raised is still to be raised', () => {
    const { workers, send } = bench(
      input('fail', recorded('bootstrapping', { resumeTo: 'bootstrapping', raiseEpoch: true })),
    );
    assert.equal(workers[0]?.raiseEpoch, true);
    send({ type: 'EPOCH_RAISED', epoch: 4 });
    send({ type: 'FAILED', failure, delayMs: 0 });
    send({ type: 'RESUME', rebootstrap: false });
    assert.deepEqual([workers[1]?.raiseEpoch, workers[1]?.epoch], [false, 4]);
  });

  test('one that was stopped does nothing more, and leaves no timer behind', () => {
    const clock = new VirtualClock();
    const machine = new PairMachine(input('fail', recorded('retrying')), idleWorker({}), clock);
    machine.start();
    assert.equal(clock.pending, 1);
    machine.stop();
    assert.equal(clock.pending, 0);
    machine.send({ type: 'RESUME', rebootstrap: false });
    assert.deepEqual(machine.snapshot.value, { retrying: 'waiting' });
  });

  test('what is told while its work begins comes after that, and nothing is begun anew when it wakes', () => {
    const done: string[] = [];
    const worker = idleWorker({
      begin: ({ mode }) => {
        done.push(`begin ${mode}`);
        machine.send({ type: 'QUARANTINED' });
        done.push('begun');
      },
      drain: () => void done.push('drain'),
      end: () => void done.push('end'),
    });
    const machine = new PairMachine(input('fail', recorded('following')), worker, new VirtualClock());
    machine.start();
    machine.send({ type: 'EPOCH_RAISED', epoch: 9 });
    assert.deepEqual([machine.snapshot.value, machine.context.epoch], ['following', 9]);
    assert.deepEqual(done, ['begin run', 'begun']);
    machine.send({ type: 'PAUSE' });
    machine.send({ type: 'PAUSED' });
    assert.deepEqual([machine.snapshot.value, done.slice(2)], ['paused', ['drain', 'end']]);
  });

  test('an attempt is made when the delay is over, and not before', () => {
    const { clock, workers, value } = bench(input('fail', recorded('retrying')));
    clock.advance(99);
    assert.deepEqual(value(), { retrying: 'waiting' });
    clock.advance(1);
    assert.deepEqual(value(), { retrying: 'attempting' });
    assert.deepEqual(
      workers.map(({ mode, goal }) => [mode, goal]),
      [['attempt', 'following']],
    );
  });

  test('each failure waits as long as it says', () => {
    const { clock, send, value } = bench(input('fail', recorded('following')));
    for (const delayMs of [250, 20, 4000]) {
      send({ type: 'FAILED', failure, delayMs });
      clock.advance(delayMs - 1);
      assert.deepEqual(value(), { retrying: 'waiting' });
      clock.advance(1);
      assert.deepEqual(value(), { retrying: 'attempting' });
    }
  });

  test('no timer is left behind by a state that was left', () => {
    const { clock, send } = bench(input('fail', recorded('retrying')));
    send({ type: 'RESUME', rebootstrap: true });
    assert.equal(clock.pending, 0);
  });

  test('a pause that is taken back while the worker drains starts it again', () => {
    const { workers, drained, send, value } = bench(input('fail', recorded('following')));
    send({ type: 'PAUSE' });
    assert.deepEqual(drained, [0]);
    send({ type: 'RESUME', rebootstrap: false });
    assert.equal(workers.length, 1);
    send({ type: 'PAUSED' });
    assert.equal(value(), 'following');
    assert.deepEqual(
      workers.map(({ mode }) => mode),
      ['run', 'run'],
    );
  });

  test('an attempt that is told to pause drains, and pauses when it is done', () => {
    const { clock, drained, send, value, workers } = bench(input('fail', recorded('retrying')));
    clock.advance(100);
    send({ type: 'PAUSE' });
    assert.deepEqual(drained, [0]);
    send({ type: 'RECOVERED' });
    assert.equal(value(), 'following');
    assert.equal(workers[1]?.mode, 'drain');
    send({ type: 'PAUSED' });
    assert.equal(value(), 'paused');
  });

  test('each rollback is one more copy from the beginning, in the same epoch', () => {
    const { workers, send } = bench(input('fail', recorded('following')));
    send({ type: 'ROLLED_BACK', failure });
    send({ type: 'ROLLED_BACK', failure });
    assert.deepEqual(
      workers.map(({ goal, scratches, raiseEpoch, epoch }) => [goal, scratches, raiseEpoch, epoch]),
      [
        ['following', 0, false, 3],
        ['bootstrapping', 1, false, 3],
        ['bootstrapping', 2, false, 3],
      ],
    );
  });
});

test('under any events a pair is in one of five states and remembers what is wanted', () => {
  const anyEvent = fc.constantFrom(...Object.values(EVENTS));
  fc.assert(
    fc.property(
      fc.array(anyEvent, { maxLength: 60 }),
      fc.constantFrom<Policy>('fail', 'rebootstrap'),
      (events, policy) => {
        const { send, value, clock } = bench(input(policy));
        let [snapshot] = initialTransition(shardPairMachine, input(policy));
        send({ type: 'STARTED' });
        snapshot = next(snapshot, { type: 'STARTED' });
        for (const event of events) {
          const before = snapshot;
          send(event);
          snapshot = next(snapshot, event);
          assert.deepEqual(value(), snapshot.value, 'what is folded is what moves');
          const state = lifecycleOf(snapshot.value);
          assert.ok(state !== undefined);
          const { context } = snapshot;
          if (state === 'bootstrapping' || state === 'following') assert.equal(context.resumeTo, state);
          else if (!(event.type === 'RESUME' && event.rebootstrap))
            assert.equal(context.resumeTo, before.context.resumeTo, 'only running states say where to return');
          if (state === 'paused') assert.deepEqual([context.desired, context.failure], ['paused', undefined]);
          if (state === 'fatal') assert.ok(context.failure !== undefined, 'a fatal pair says why');
          if (event.type === 'RESUME') assert.equal(context.desired, 'running');
          else if (event.type !== 'PAUSE') assert.equal(context.desired, before.context.desired);
          assert.ok(context.scratches >= before.context.scratches);
          assert.ok(clock.pending <= 1);
        }
      },
    ),
    { numRuns: 300 },
  );
});

function idleWorker(parts: Partial<StateWorker>): StateWorker {
  return {
    begin: () => undefined,
    drain: () => undefined,
    end: () => undefined,
    failed: (thrown) => assert.fail(String(thrown)),
    ...parts,
  };
}
