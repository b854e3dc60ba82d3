import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Failed } from '../../../src/domain/failure.ts';
import { boundedLog } from '../../../src/infra/nats/bounded-log.ts';
import { openDataFolder, readOwnConnection } from '../../../src/infra/nats/data-folder.ts';

async function place(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'slipstream-data-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const refusedAs = (code: string, reason: RegExp) => (error: unknown) =>
  error instanceof Failed && error.failure.code === code && reason.test(error.failure.reason);

describe('the data folder of our own NATS server', () => {
  it('is made for its owner alone, and keeps its key and port', async () => {
    await using at = await place();
    const path = join(at.path, 'a', 'b');
    const first = await openDataFolder(path, 'one');
    assert.equal(first.lastPort, undefined);
    assert.equal(await readOwnConnection(path), undefined);
    await first.announce('nats://127.0.0.1:4321');
    assert.deepEqual(await readOwnConnection(path), {
      url: 'nats://127.0.0.1:4321',
      seed: first.seed,
      serverName: first.serverName,
    });
    assert.match(first.serverName, /^slipstream-U[A-Z2-7]{55}$/);
    assert.equal((await stat(path)).mode & 0o777, 0o700);
    for (const file of ['nats.nk', 'connection.json']) assert.equal((await stat(join(path, file))).mode & 0o777, 0o600);
    assert.doesNotMatch(await readFile(join(path, 'connection.json'), 'utf8'), new RegExp(first.seed));
    first.release();
    const second = await openDataFolder(path, 'two');
    assert.equal(second.seed, first.seed);
    assert.equal(second.lastPort, 4321);
    second.release();
  });

  it('is refused to a second supervisor, by the name of the first, until that gives it back', async () => {
    await using at = await place();
    const first = await openDataFolder(at.path, 'one');
    await assert.rejects(
      openDataFolder(at.path, 'two'),
      refusedAs('data_folder_in_use', new RegExp(`supervisor one \\(process ${process.pid}\\) works with it`)),
    );
    first.release();
    (await openDataFolder(at.path, 'two')).release();
  });

  it('is refused where others may write, or where it is no folder', async () => {
    await using at = await place();
    const open = join(at.path, 'open');
    await mkdir(open);
    await chmod(open, 0o777);
    await assert.rejects(
      openDataFolder(open, 'one'),
      refusedAs('data_folder_unusable', /others may write to it \(mode 777\)/),
    );
    await writeFile(join(at.path, 'file'), '');
    await assert.rejects(
      openDataFolder(join(at.path, 'file'), 'one'),
      refusedAs('data_folder_unusable', /EEXIST|ENOTDIR/),
    );
  });
});

describe('the log of our own NATS server', () => {
  it('never takes more than two files of its bound, and keeps the newest', async () => {
    await using at = await place();
    const file = join(at.path, 'log');
    const log = boundedLog(file, 1000);
    for (let at = 0; at < 200; at += 1) {
      log.write(`line ${at} ${'x'.repeat(40)}`);
      await log.flushed();
    }
    const [now, before] = [await readFile(file, 'utf8'), await readFile(`${file}.1`, 'utf8')];
    assert.ok(now.length <= 1000 && before.length <= 1000, `${now.length} ${before.length}`);
    assert.match(before + now, /^line \d+ [^]*line 199 x+\n$/);
    assert.match(log.tail(), /^line 188 [^]*line 199 x+$/);
  });

  it('keeps its last lines, and does not fail, where it cannot be written', async () => {
    const log = boundedLog('/proc/no/such/folder/log');
    for (let at = 0; at < 20_000; at += 1) log.write(`line ${at}`);
    await log.flushed();
    assert.match(log.tail(), /line 19999$/);
  });
});
