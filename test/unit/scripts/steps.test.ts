import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import report from '../../../scripts/count-reporter.ts';
import { readReport } from '../../../scripts/steps.ts';

test('counts what passed, and everything else as failed', () => {
  const text = '{"tests":9,"passed":5,"failed":1,"cancelled":1,"skipped":1,"todo":1,"failures":[]}';
  assert.deepEqual(readReport(text), { passed: 5, failed: 4, failures: [] });
});

test('a run of tests that ended without counts counts as one failure', () => {
  assert.deepEqual(readReport(''), { passed: 0, failed: 1 });
});

test('reports each test that failed with its reason, and not the suite around it', async () => {
  const failure = (name: string, failureType: string, cause: unknown): TestEvent =>
    ({
      type: 'test:fail',
      data: {
        name,
        file: `${process.cwd()}/test/some.test.ts`,
        line: 7,
        details: { error: Object.assign(new Error('a test failed', { cause }), { failureType }) },
      },
    }) as unknown as TestEvent;
  async function* events(): AsyncGenerator<TestEvent> {
    yield failure('a test', 'testCodeFailure', new Error('one is not two\nbut half of it'));
    yield failure('its suite', 'subtestsFailed', '1 subtest failed');
    yield { type: 'test:summary', data: { counts: { tests: 2, passed: 1 } } } as unknown as TestEvent;
  }
  const { failed, failures = [] } = readReport((await Array.fromAsync(report(events()))).join(''));
  assert.equal(failed, 1);
  assert.deepEqual(
    failures.map(({ name, where, reason }) => ({ name, where, reason: reason.split('\n').slice(0, 2) })),
    [{ name: 'a test', where: 'test/some.test.ts:7', reason: ['Error: one is not two', 'but half of it'] }],
  );
});
