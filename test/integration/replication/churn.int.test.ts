import { test } from 'node:test';
import { assertExact, churnWhileFollowing, sum } from '../../support/churn-scenario.ts';
import { openWorld } from '../../support/replication-world.ts';
import { bySize } from '../../support/test-size.ts';

test('four writers over few ids, deletes forgotten by the leader, a pause in the middle: the copy is exact', async (t) => {
  await using world = await openWorld();
  await world.start();
  const operations = bySize({ short: 20_000, full: 100_000 });
  const proof = await churnWhileFollowing(world, { operations, seed: 1 });
  const { report, pairs, comparison, settledMs } = proof;
  t.diagnostic(
    `${report.operations} operations in ${report.tookMs} ms, settled after ${settledMs} ms, ${comparison.leftDocuments} documents, ` +
      `${sum(pairs, 'deletesFound')} deletes found in ${sum(pairs, 'deleteScans')} scans`,
  );
  assertExact(proof);
});
