import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCores, parsePeakMib, parseStat } from '../../../bench/process-cost.ts';

/** Fields 1 to 17 of /proc/PID/stat; 14 to 17 are the times. */
const stat = (name: string): string => `4711 (${name}) S 1 4700 4700 0 -1 4194560 5 0 0 0 250 50 300 25 20 0 9 0`;

test('the time of a process includes the children that it has waited for', () => {
  assert.deepEqual(parseStat(stat('java')), { groupId: 4700, cpuSeconds: 6.25 });
});

test('a name with brackets and blanks does not move the fields', () => {
  assert.deepEqual(parseStat(stat('a) R 9 9 (b')), { groupId: 4700, cpuSeconds: 6.25 });
});

test('the peak of memory is in MiB', () => {
  assert.equal(parsePeakMib('Name:\tnode\nVmPeak:\t  999999 kB\nVmHWM:\t  184320 kB\nVmRSS:\t  1024 kB\n'), 180);
  assert.throws(() => parsePeakMib('Name:\tnode\n'), /no peak/);
});

test('a list of cores is read as Linux writes it', () => {
  assert.deepEqual(parseCores('0-3,8,10-11\n'), [0, 1, 2, 3, 8, 10, 11]);
  assert.deepEqual(parseCores('5'), [5]);
});
