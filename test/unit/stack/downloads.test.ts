/** Maven here is a small program that writes what a download would. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { zipkinJar } from '../../../stack/downloads.ts';
import type { Guard } from '../../../stack/guard.ts';
import { StackError } from '../../../stack/stack-error.ts';

const NO_GUARD: Guard = {
  adopt: () => undefined,
  release: () => undefined,
  own: () => undefined,
  sweep: async () => undefined,
};

/** Fetches into an empty cache with `mvn` being this script, or absent. */
async function fetchWith(
  maven: string | undefined,
  check: (error: StackError, cache: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-download-test-'));
  const path = process.env['PATH'];
  try {
    const cache = join(folder, 'cache');
    await mkdir(join(folder, 'bin'));
    if (maven !== undefined) await writeFile(join(folder, 'bin', 'mvn'), maven, { mode: 0o755 });
    process.env['PATH'] = maven === undefined ? join(folder, 'bin') : `${join(folder, 'bin')}:${path}`;
    const fault = await zipkinJar({ folder: cache, guard: NO_GUARD, log: () => undefined }).then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.ok(fault instanceof StackError);
    await check(fault, cache);
  } finally {
    process.env['PATH'] = path;
    await rm(folder, { recursive: true });
  }
}

test('a missing Maven is told with what to install', () =>
  fetchWith(undefined, async (error) => {
    assert.equal(error.code, 'tool_missing');
    assert.match(error.hint, /apt-get install maven/);
  }));

test('a failing Maven is told with its own words, and leaves nothing in the cache', () =>
  fetchWith('#!/bin/sh\necho no route to the registry\nexit 1\n', async (error, cache) => {
    assert.equal(error.code, 'command_failed');
    assert.match(error.reason, /no route to the registry/);
    assert.ok(!(await readdir(cache)).includes('zipkin-3.6.1'));
  }));

test('a download with other bytes than the pinned ones is refused, removed, and never in the cache', () => {
  const target = '${repo}/io/zipkin/zipkin-server/3.6.1';
  const script = [
    '#!/bin/sh',
    'for arg; do case $arg in -Dmaven.repo.local=*) repo=${arg#*=};; esac; done',
    `mkdir -p ${target} && printf other > ${target}/zipkin-server-3.6.1-slim.jar`,
  ];
  return fetchWith(`${script.join('\n')}\n`, async (error, cache) => {
    assert.equal(error.code, 'checksum_mismatch');
    const files = await readdir(cache, { recursive: true });
    assert.ok(!files.some((name) => name.endsWith('.jar') || name === 'zipkin-3.6.1'), files.join(', '));
  });
});
