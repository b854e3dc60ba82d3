/** `apt-get` here is a small program that puts a file where the package would put the browser. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { findChromium } from '../../../stack/chromium.ts';
import type { Guard } from '../../../stack/guard.ts';
import { StackError } from '../../../stack/stack-error.ts';

const NO_GUARD: Guard = {
  adopt: () => undefined,
  release: () => undefined,
  own: () => undefined,
  sweep: async () => undefined,
};

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-chromium-test-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function search(environment: Record<string, string>, mayInstall = false): Promise<string> {
  return findChromium({ environment, guard: NO_GUARD, log: () => undefined, mayInstall });
}

function missing(error: unknown): boolean {
  return error instanceof StackError && error.code === 'chromium_missing' && error.hint.includes('SLIPSTREAM_CHROMIUM');
}

test('finds a browser on the PATH by any of its names', () =>
  withFolder(async (folder) => {
    await writeFile(join(folder, 'google-chrome'), '', { mode: 0o755 });
    assert.equal(await search({ PATH: ['/nowhere', folder].join(delimiter) }), join(folder, 'google-chrome'));
  }));

test('takes the browser that SLIPSTREAM_CHROMIUM names, and no other in its place when it is none', () =>
  withFolder(async (folder) => {
    const [asked, other] = [join(folder, 'my-browser'), join(folder, 'chromium')];
    for (const file of [asked, other]) await writeFile(file, '', { mode: 0o755 });
    assert.equal(await search({ SLIPSTREAM_CHROMIUM: asked, PATH: folder }), asked);
    await assert.rejects(search({ SLIPSTREAM_CHROMIUM: join(folder, 'absent'), PATH: folder }), missing);
  }));

test('tells what to install where packages may not be installed', () =>
  withFolder(async (folder) => {
    await assert.rejects(search({ PATH: folder }), missing);
  }));

test('installs the package where that may be done, and only when no browser is there', () =>
  withFolder(async (folder) => {
    const path = process.env['PATH'];
    const calls = join(folder, 'calls');
    const apt = `#!/bin/sh\necho "$@" >> ${calls}\ncase "$*" in *install*) touch ${folder}/chromium; chmod +x ${folder}/chromium;; esac\n`;
    await writeFile(join(folder, 'apt-get'), apt, { mode: 0o755 });
    process.env['PATH'] = [folder, path].join(delimiter);
    try {
      for (const _ of ['the first time', 'the second time']) {
        assert.equal(await search({ PATH: folder }, true), join(folder, 'chromium'));
      }
    } finally {
      process.env['PATH'] = path;
    }
    const [update, install, ...more] = (await readFile(calls, 'utf8')).trim().split('\n');
    assert.match(update ?? '', /update$/);
    assert.match(install ?? '', /install -y --no-install-recommends chromium$/);
    assert.deepEqual(more, []);
  }));
