import { mkdir, readFile, realpath, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { nkeys } from '@nats-io/nats-core';
import { z } from 'zod';
import { failed } from '../../domain/failure.ts';

/** How a program on this machine reaches the NATS server of a data folder. Holds a secret. */
export interface OwnConnection {
  readonly url: string;
  /** Seed of the one nkey that the server lets in. */
  readonly seed: string;
  /** What the server calls itself: another one that has taken the port since is not mistaken for it. */
  readonly serverName: string;
}

export interface DataFolder {
  /** Without symbolic links. */
  readonly path: string;
  readonly seed: string;
  /** `slipstream-` and the public key that belongs to the seed. */
  readonly serverName: string;
  /** Of an earlier run. */
  readonly lastPort: number | undefined;
  /** Makes the server known to programs on this machine. */
  announce(url: string): Promise<void>;
  /** Safe to call again. */
  release(): void;
}

/** For the `nats` command line too: `--nkey`. */
export const SEED_FILE = 'nats.nk';
const CONNECTION_FILE = 'connection.json';
const LOCK_FILE = 'lock';
const HOLDER_FILE = 'supervisor.json';
const SQLITE_BUSY = 5;

const connectionShape = z.object({ url: z.string(), serverName: z.string() });
const holderShape = z.object({ supervisor: z.string(), pid: z.number() });

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

/**
 * Makes the folder (0700) if it is missing, and takes it for this process until `release`. Throws `data_folder_in_use` with the name of
 * the supervisor that has it, and `data_folder_unusable`.
 */
export async function openDataFolder(folder: string, supervisor: string): Promise<DataFolder> {
  const path = await usable(folder);
  const lock = await lockFolder(path);
  try {
    await writeSecret(join(path, HOLDER_FILE), JSON.stringify({ supervisor, pid: process.pid }));
    const seed = (await readSeed(path)) ?? (await newSeed(path));
    const serverName = `slipstream-${nkeys.fromSeed(new TextEncoder().encode(seed)).getPublicKey()}`;
    const last = await readJson(join(path, CONNECTION_FILE), connectionShape);
    return {
      path,
      seed,
      serverName,
      lastPort: last === undefined ? undefined : Number(URL.parse(last.url)?.port) || undefined,
      announce: (url) => writeSecret(join(path, CONNECTION_FILE), JSON.stringify({ url, serverName })),
      release: () => {
        if (lock.isOpen) lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw unusable(path, `it cannot be written (${codeOf(error)})`, error);
  }
}

/** What the supervisor of a data folder announced; undefined when none has run there yet. Throws `data_folder_unusable`. */
export async function readOwnConnection(folder: string): Promise<OwnConnection | undefined> {
  try {
    const connection = await readJson(join(folder, CONNECTION_FILE), connectionShape);
    const seed = await readSeed(folder);
    return connection === undefined || seed === undefined ? undefined : { ...connection, seed };
  } catch (error) {
    throw failed(
      'data_folder_unusable',
      {
        op: 'read data folder',
        reason: `${folder}: the connection of its server cannot be read (${codeOf(error)})`,
        hint: 'Run this as the user of the supervisor, or as root.',
      },
      error,
    );
  }
}

async function usable(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = await realpath(folder);
    const { uid, mode } = await stat(path);
    const own = process.getuid?.();
    if (own !== undefined && uid !== own)
      throw unusable(path, `it belongs to user ${uid}, and this process runs as user ${own}`);
    if ((mode & 0o022) !== 0) throw unusable(path, `others may write to it (mode ${(mode & 0o777).toString(8)})`);
    return path;
  } catch (error) {
    if (error instanceof Error && 'syscall' in error)
      throw unusable(folder, `it cannot be made or read (${codeOf(error)})`, error);
    throw error;
  }
}

function unusable(folder: string, reason: string, cause?: unknown) {
  return failed('data_folder_unusable', { op: 'open data folder', reason: `${folder}: ${reason}` }, cause);
}

/**
 * A lock of the operating system, taken through an SQLite file: it falls when its holder dies, in whatever way, so it is never stale. It
 * is held by the open transaction.
 */
async function lockFolder(path: string): Promise<DatabaseSync> {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(path, LOCK_FILE));
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock?.close();
    if (!(error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY))
      throw unusable(
        path,
        `its lock cannot be taken (${error instanceof Error ? error.message : String(error)})`,
        error,
      );
    const holder = await readJson(join(path, HOLDER_FILE), holderShape).catch(() => undefined);
    const who = holder === undefined ? 'another supervisor' : `supervisor ${holder.supervisor} (process ${holder.pid})`;
    throw failed('data_folder_in_use', { op: 'open data folder', reason: `${path}: ${who} works with it` }, error);
  }
}

async function newSeed(path: string): Promise<string> {
  const seed = new TextDecoder().decode(nkeys.createUser().getSeed());
  await writeSecret(join(path, SEED_FILE), `${seed}\n`);
  return seed;
}

async function readSeed(path: string): Promise<string | undefined> {
  return (await readIfThere(join(path, SEED_FILE)))?.trim();
}

async function readJson<T extends z.ZodType>(file: string, shape: T): Promise<z.output<T> | undefined> {
  const text = await readIfThere(file);
  if (text === undefined) return undefined;
  return shape.safeParse(JSON.parse(text)).data;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whole or not at all, readable by its owner alone. */
async function writeSecret(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600, flush: true });
  await rename(`${file}.new`, file);
}
