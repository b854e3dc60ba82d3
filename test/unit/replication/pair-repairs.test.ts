import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failed } from '../../../src/domain/failure.ts';
import { PairRepairs } from '../../../src/replication/pair-repairs.ts';

test('a repair that never succeeds does not keep the pair from following for ever, nor the next repair', async () => {
  const repairs = new PairRepairs();
  void repairs.ask([{ id: 'routing is missing' }]);
  const next = repairs.ask([{ id: 'a' }]);
  const repair = (keys: readonly { id: string }[]): Promise<readonly ['sent']> =>
    keys[0]?.id === 'a'
      ? Promise.resolve(['sent'])
      : Promise.reject(failed('unexpected_answer', { op: 'multi-get', reason: 'routing is required' }));
  let failures = 0;
  for (; repairs.pending && failures < 100;) await repairs.run(repair).catch(() => (failures += 1));
  assert.ok(failures > 1 && failures < 10, `${failures} failures`);
  assert.deepEqual(await next, ['sent']);
});
