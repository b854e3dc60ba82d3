import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { groupAlive, startGuard } from '../../../stack/guard.ts';
import { until } from '../../support/until.ts';

function sleeper(): { pid: number; ended: Promise<unknown> } {
  // A shell with a child of its own, so that ending the first process alone would not do.
  const child = spawn('sh', ['-c', 'sleep 60 & wait'], { detached: true, stdio: 'ignore' });
  assert.ok(child.pid !== undefined);
  return { pid: child.pid, ended: once(child, 'exit') };
}

test('a sweep kills the groups it was told of, not those that were released, and removes the folders', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-guard test-'));
  await writeFile(join(folder, 'file'), '');
  const [kept, ended] = [sleeper(), sleeper()];
  const guard = startGuard();
  guard.own(folder);
  for (const { pid } of [kept, ended]) guard.adopt(pid);
  guard.release(kept.pid);
  await guard.sweep();
  assert.deepEqual([groupAlive(kept.pid), groupAlive(ended.pid), existsSync(folder)], [true, false, false]);
  process.kill(-kept.pid, 'SIGKILL');
  await kept.ended;
});

test('a group that is told of after the sweep began is killed too', async () => {
  const guard = startGuard();
  await guard.sweep();
  const { pid, ended } = sleeper();
  guard.adopt(pid);
  await ended;
  // The shell's child was killed with it, and may take a moment longer.
  await until('the end of the whole group', 10_000, async () => (groupAlive(pid) ? undefined : true));
});
