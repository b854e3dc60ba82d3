import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Finding } from '../../../src/app/program.ts';
import { failed } from '../../../src/domain/failure.ts';
import { bench } from './cli-bench.ts';

const { failure } = failed('unauthorized', { op: 'identify', reason: 'no such key' });
const ok: Finding = { subject: 'cluster paris', check: 'reachable', outcome: 'ok', detail: 'http://127.0.0.1:9200' };
const warn: Finding = { subject: 'nats', check: 'clock', outcome: 'warn', detail: '9000 ms ahead', hint: 'Use NTP.' };
const fail: Finding = {
  subject: 'cluster tokyo',
  check: 'reachable',
  outcome: 'fail',
  detail: 'unauthorized: no such\nkey',
  hint: failure.hint,
  failure,
};

describe('slipstream doctor', () => {
  it('tells each finding in its order, what to do where it is not fine, and ends as the first failure', async () => {
    const cli = bench({ deps: { diagnose: async () => [ok, warn, fail] } });
    assert.equal(await cli.run('doctor'), 77);
    assert.deepEqual(cli.out().split('\n'), [
      'ok    cluster paris: reachable: http://127.0.0.1:9200',
      'warn  nats: clock: 9000 ms ahead',
      '      next: Use NTP.',
      'fail  cluster tokyo: reachable: unauthorized: no such key',
      `      next: ${failure.hint}`,
      '',
    ]);
  });

  it('ends with 0 where nothing fails', async () => {
    const cli = bench({ deps: { diagnose: async () => [ok, warn] } });
    assert.equal(await cli.run('doctor'), 0);
  });

  it('is one JSON object with --json', async () => {
    const cli = bench({ deps: { diagnose: async () => [ok, fail] } });
    assert.equal(await cli.run('doctor', '--json'), 77);
    assert.deepEqual(cli.json(), {
      ok: false,
      failure: fail.failure,
      result: { healthy: false, findings: [ok, fail] },
    });
  });
});
