import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { closedFolder } from '../../../stack/account.ts';

test('names the folder on the way that other users may not enter', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-account-test-'));
  try {
    await mkdir(join(folder, 'inner'));
    await chmod(join(folder, 'inner'), 0o755);
    assert.equal(closedFolder(join(folder, 'inner')), folder);
    await chmod(folder, 0o711);
    assert.equal(closedFolder(join(folder, 'inner')), undefined);
  } finally {
    await rm(folder, { recursive: true });
  }
});
