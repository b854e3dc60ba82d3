import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** Beside the content of an entry: the digest of all its files as they were when it was made. */
const DIGEST_FILE = '.content-sha256';
const LOCK_POLL_MS = 250;

export type CacheEntry = {
  readonly folder: string;
  /** Unique for the content: it holds the version. */
  readonly name: string;
  /** Fills a new, empty folder. Called by one process at a time; whatever it leaves in a fault is thrown away. */
  readonly make: (folder: string) => Promise<void>;
  readonly log: (line: string) => void;
};

/**
 * Where downloads are kept: `SLIPSTREAM_CACHE`, else `~/.cache/slipstream`; for root `/var/cache/slipstream`, because root's home is closed to
 * the user that runs Elasticsearch for it.
 */
export function cacheFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const asked = environment['SLIPSTREAM_CACHE'];
  if (asked) return asked;
  return process.getuid?.() === 0 ? '/var/cache/slipstream' : join(homedir(), '.cache', 'slipstream');
}

/** The folder of the entry, made when it is not there or when any of its bytes changed since; never a half-made one. */
export async function cached({ folder, name, make, log }: CacheEntry): Promise<string> {
  const path = join(folder, name);
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o755);
  if ((await state(path)) === 'intact') return path;
  await using _lock = await lock({
    file: join(folder, `${name}.lock`),
    waiting: () => log(`waiting for another run that is fetching ${name}`),
  });
  const now = await state(path);
  if (now === 'intact') return path;
  if (now === 'damaged') log(`${name} in the cache is damaged, fetching it again`);
  const partial = join(folder, `.partial-${name}`);
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial);
  await chmod(partial, 0o755);
  await make(partial);
  await writeFile(join(partial, DIGEST_FILE), await treeDigest(partial));
  await rm(path, { recursive: true, force: true });
  await rename(partial, path);
  return path;
}

async function state(path: string): Promise<'missing' | 'damaged' | 'intact'> {
  const expected = await readFile(join(path, DIGEST_FILE), 'utf8').catch(() => undefined);
  if (expected === undefined) return 'missing';
  return (await treeDigest(path)) === expected ? 'intact' : 'damaged';
}

/** One digest for the names and bytes of all files below a folder. */
async function treeDigest(path: string): Promise<string> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && entry.name !== DIGEST_FILE)
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const digest = createHash('sha256');
  for (const file of files) digest.update(`${file.slice(path.length)}\0${await fileDigest(file)}\n`);
  return digest.digest('hex');
}

/** SHA-256 of a file, in hex. */
export async function fileDigest(file: string): Promise<string> {
  const digest = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), digest);
  return digest.digest('hex');
}

/**
 * Waits for an exclusive lock between processes. The lock is one of the operating system, taken through an SQLite file: it falls when its
 * holder dies, in whatever way, so it can never be stale.
 */
async function lock({ file, waiting }: { file: string; waiting: () => void }): Promise<AsyncDisposable> {
  const database = new DatabaseSync(file);
  for (let told = false; ;) {
    try {
      database.exec('BEGIN EXCLUSIVE');
      return { [Symbol.asyncDispose]: async () => database.close() };
    } catch (error) {
      if (!(error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY)) throw error;
    }
    if (!told) waiting();
    told = true;
    await delay(LOCK_POLL_MS);
  }
}

const SQLITE_BUSY = 5;
