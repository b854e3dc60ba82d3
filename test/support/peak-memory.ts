import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { present } from '../../src/domain/assert.ts';
import type { World } from './replication-world.ts';

/** What the product promises of its supervisor, whatever the load. */
const BOUND_MB = 400;

/** Greatest resident memory of the world's supervisor since it started, in MB (10^6 bytes); fails above the bound of the product. */
export async function assertPeakMemory(t: TestContext, world: World): Promise<number> {
  const { pid } = present(world.supervisor, 'a supervisor that was started');
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
  const peakMb = Math.round((Number(kilobytes) * 1024) / 1e6);
  t.diagnostic(`peak memory of the supervisor: ${peakMb} MB`);
  assert.ok(peakMb < BOUND_MB, `${peakMb} MB, ${BOUND_MB} are promised`);
  return peakMb;
}
