import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bigCopies, estimatedMinutes } from '../../../bench/estimate.ts';
import { parseOptions } from '../../../bench/options.ts';

function parsed(...args: readonly string[]) {
  const options = parseOptions(args);
  assert.ok(options !== undefined, args.join(' '));
  return options;
}

test('without flags everything but the large index runs, five times, over eight copies of the cities', () => {
  const { variants, phases, rounds, copies, json } = parsed();
  assert.equal(variants.length, 10);
  assert.deepEqual({ phases, rounds, copies, json }, { phases: ['live', 'price'], rounds: 5, copies: 8, json: false });
});

test('the large index is asked for, alone or with the rest', () => {
  assert.deepEqual(parsed('--big').phases, ['live', 'price', 'big']);
  assert.deepEqual(parsed('--only', 'big').phases, ['big']);
  assert.deepEqual(parsed('--only', 'big', '--big').phases, ['big']);
  assert.deepEqual(parsed('--only', 'big').variants, []);
});

test('a group is chosen with its variants, a variant alone', () => {
  assert.deepEqual(parsed('--only', 'slipstream,floor').variants, ['slipstream', 'floor-2', 'floor-4', 'floor-8']);
  assert.deepEqual(parsed('--only', 'floor-4,live'), {
    json: false,
    rounds: 5,
    copies: 8,
    variants: ['floor-4'],
    phases: ['live'],
  });
});

test('what is not understood is refused', () => {
  for (const args of [
    ['--only', 'slipsteam'],
    ['--only', ''],
    ['--rounds', '0'],
    ['--rounds', 'x'],
    ['--copies', '1.5'],
    ['--fast'],
    ['more'],
  ])
    assert.equal(parseOptions(args), undefined, args.join(' '));
});

test('the large index has five million documents where the usual one has one', () => {
  assert.equal(bigCopies(8), 37);
  assert.equal(bigCopies(1), 5);
});

test('a default run is estimated at no more than 50 minutes, and a smaller one at less', () => {
  const whole = estimatedMinutes(parsed());
  assert.ok(whole <= 50, `${whole} minutes`);
  assert.ok(estimatedMinutes(parsed('--rounds', '2')) < whole);
  assert.ok(estimatedMinutes(parsed('--copies', '1')) < whole);
  assert.ok(estimatedMinutes(parsed('--big')) > whole);
});
