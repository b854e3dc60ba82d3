import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cached, cacheFolder } from '../../../stack/cache.ts';

type Bench = { readonly folder: string; readonly lines: string[]; made(): number; get(): Promise<string> };

/** A cache whose entry `tool-1` holds one file. */
async function withCache(
  use: (bench: Bench) => Promise<void>,
  make?: (folder: string, time: number) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-cache-test-'));
  const lines: string[] = [];
  let made = 0;
  const fill = make ?? ((into: string): Promise<void> => writeFile(join(into, 'program'), 'content'));
  const get = (): Promise<string> =>
    cached({ folder, name: 'tool-1', log: (line) => lines.push(line), make: (into) => fill(into, (made += 1)) });
  try {
    await use({ folder, lines, made: () => made, get });
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('makes an entry once, and gives it again without making it', () =>
  withCache(async ({ folder, made, get }) => {
    assert.equal(await get(), join(folder, 'tool-1'));
    assert.equal(await get(), join(folder, 'tool-1'));
    assert.equal(made(), 1);
    assert.equal(await readFile(join(folder, 'tool-1', 'program'), 'utf8'), 'content');
  }));

test('makes an entry again when one byte of a file in it changed, and says so', () =>
  withCache(async ({ folder, made, get, lines }) => {
    await get();
    await writeFile(join(folder, 'tool-1', 'program'), 'cOntent');
    await get();
    assert.equal(made(), 2);
    assert.deepEqual(lines, ['tool-1 in the cache is damaged, fetching it again']);
    assert.equal(await readFile(join(folder, 'tool-1', 'program'), 'utf8'), 'content');
  }));

test('makes an entry again when a file of it is gone or one was added', () =>
  withCache(async ({ folder, made, get }) => {
    await get();
    await rm(join(folder, 'tool-1', 'program'));
    await get();
    await writeFile(join(folder, 'tool-1', 'another'), '');
    await get();
    assert.equal(made(), 3);
    assert.deepEqual((await readdir(join(folder, 'tool-1'))).sort(), ['.content-sha256', 'program']);
  }));

test('never gives what was made by half: the next call starts with an empty folder', () =>
  withCache(
    async ({ made, get, folder }) => {
      await assert.rejects(get(), /cut off/);
      const path = await get();
      assert.equal(made(), 2);
      assert.equal(path, join(folder, 'tool-1'));
      assert.deepEqual((await readdir(path)).sort(), ['.content-sha256', 'second']);
    },
    async (into, time) => {
      await writeFile(join(into, time === 1 ? 'first' : 'second'), '');
      if (time === 1) throw new Error('cut off');
    },
  ));

test('lets only one of two callers make an entry; the other waits, says so, and gets the same', () =>
  withCache(async ({ made, get, lines }) => {
    const [one, other] = await Promise.all([get(), get()]);
    assert.equal(one, other);
    assert.equal(made(), 1);
    assert.deepEqual(lines, ['waiting for another run that is fetching tool-1']);
  }));

test('the cache is where SLIPSTREAM_CACHE says', () => {
  assert.equal(cacheFolder({ SLIPSTREAM_CACHE: '/somewhere/else' }), '/somewhere/else');
  assert.match(cacheFolder({}), /\/cache\/slipstream$|\/\.cache\/slipstream$/);
});
