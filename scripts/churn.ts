/**
 * `npm run test:churn -- [--operations N] [--seed S]`: four writers change few documents of an index that is followed, one shard is paused and
 * resumed meanwhile, and at the end both sides are compared document by document. Exit code 0 only when the copy is exact. Servers named in the
 * environment are used, the others started.
 */
import { parseArgs } from 'node:util';
import { startStack } from '../stack/local-stack.ts';
import { StackError } from '../stack/stack-error.ts';
import { assertExact, churnWhileFollowing, type ChurnProof, sum } from '../test/support/churn-scenario.ts';
import { openWorld } from '../test/support/replication-world.ts';
import { endSignal } from './steps.ts';

const { values } = parseArgs({
  options: { operations: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
});
const [operations, seed] = [positive('operations', values.operations), positive('seed', values.seed)];
const signal = endSignal();
const log = (line: string): void => console.log(line);

process.exitCode = await run().catch((error: unknown) => {
  if (signal.aborted) return 130;
  console.error(error instanceof StackError ? error.message : error);
  return 1;
});

async function run(): Promise<number> {
  await using stack = await startStack({ parts: ['leader', 'follower', 'nats'], log, signal });
  const [leader, follower, natsUrl] = ['SLIPSTREAM_LEADER_URL', 'SLIPSTREAM_FOLLOWER_URL', 'SLIPSTREAM_NATS_URL'].map(
    (name) => (stack.env[name] ?? '').replace(/\/$/, ''),
  );
  await using world = await openWorld({
    leader: { url: leader ?? '' },
    follower: { url: follower ?? '' },
    natsUrl: natsUrl ?? '',
  });
  await world.start();
  let told = 0;
  const onProgress = (done: number): void => {
    if (signal.aborted) signal.throwIfAborted();
    if (done < told + operations / 10) return;
    told = done;
    log(`${done} of ${operations} operations`);
  };
  log(`${operations} operations of four writers, seed ${seed}`);
  const proof = await churnWhileFollowing(world, { operations, seed, onProgress });
  tell(proof);
  assertExact(proof);
  log('identical');
  return 0;
}

function tell({ report, pairs, comparison, settledMs }: ChurnProof): void {
  const { byKind } = report;
  log(
    `${report.operations} operations in ${(report.tookMs / 1000).toFixed(1)} s: ${Object.entries(byKind)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(', ')}; ${report.routed} of them routed`,
  );
  log(`settled ${(settledMs / 1000).toFixed(1)} s after the last of them`);
  log(`${comparison.leftDocuments} documents on the leader, ${comparison.rightDocuments} on the follower`);
  log(
    `${sum(pairs, 'operationsWritten')} operations written, ${sum(pairs, 'deletesFound')} deletes found in ${sum(pairs, 'deleteScans')} scans`,
  );
  for (const { shard, conflicts, scanSurprises, foreignWrites } of pairs)
    log(
      `shard ${shard}: ${conflicts} conflicts, ${scanSurprises} scans that found other than the counts said, ${foreignWrites} operations the ledger did not expect`,
    );
}

function positive(name: string, text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  console.error(`--${name} ${text}: expected a whole number above 0`);
  process.exit(64);
}
