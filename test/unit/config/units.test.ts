import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../src/config/units.ts';

it('reads what it writes, for every size and time', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      assert.equal(parseSize(formatSize(value)), value);
      assert.equal(parseDuration(formatDuration(value)), value);
    }),
  );
});

it('knows sizes in powers of 1024 and times, in any case, and nothing else', () => {
  assert.deepEqual(['32mb', '1.5 GB', '7', '0b'].map(parseSize), [33_554_432, 1_610_612_736, 7, 0]);
  assert.deepEqual(
    ['500ms', '1.5s', '2m', '1H', '1d', '9'].map(parseDuration),
    [500, 1500, 120_000, 3_600_000, 86_400_000, 9],
  );
  for (const text of ['', 'mb', '-1mb', '1e3', '1 000', '5 parsecs', '1kb2', '99999999999tb'])
    assert.equal(parseSize(text), undefined, text);
  for (const text of ['', '5mb', '1h30m', '-5s']) assert.equal(parseDuration(text), undefined, text);
});
