import { mkdir, readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { nkeys } from '@nats-io/nats-core';
import { z } from 'zod';
import { failed, failureOf, type Failure } from '../../domain/failure.ts';
import type { Narrator } from '../../ports/narrator.ts';
import { boundedLog } from './bounded-log.ts';
import { connectNats } from './connect.ts';
import { openDataFolder, type DataFolder } from './data-folder.ts';
import { endLeftovers } from './leftover-servers.ts';
import type { ServerBinary } from './server-binary.ts';
import { startTethered, type TetheredProcess } from './tethered-process.ts';

export interface ChildServerOptions {
  readonly dataFolder: string;
  readonly binary: ServerBinary;
  /** On 127.0.0.1; absent: the one of the last run where it is free, else any. */
  readonly port?: number | undefined;
  /** Its name is told to those who try to use the same data folder. */
  readonly supervisor: string;
  readonly log: Narrator['log'];
}

export interface ChildServer {
  readonly url: string;
  /** Without symbolic links. */
  readonly dataFolder: string;
  /** Why the server cannot store anything at the moment: it is down, or its disk is full. */
  trouble(): Failure | undefined;
  /** Ends the server and gives the data folder back. */
  stop(): Promise<void>;
}

export const CHILD_LOG = 'nats-server.log';
const READY_WITHIN_MS = 120_000;
const PROBE_EVERY_MS = 20;
const RESTART_MIN_MS = 200;
const RESTART_MAX_MS = 30_000;
/** A server that ran for this long was not failing when it started. */
const STEADY_AFTER_MS = 60_000;
const SPACE_LOOK_EVERY_MS = 1_000;
/** A server that has hit a full disk is restarted when this much is free again. */
const SPACE_NEEDED_BYTES = 16 * 1024 ** 2;
/** No limit of the server's own: by default it takes three quarters of what is free when it starts, which a full disk makes nothing. */
const MAX_STORE_BYTES = 1024 ** 4;
/**
 * What 2.15 says when it cannot write. The stream then takes nothing until the server is started again, also when there is room; clients
 * hear nothing but their own time-outs.
 */
const STORAGE_BROKEN = /critical write error|no space left on device|JetStream out of|JetStream will be disabled/i;
const PORT_TAKEN = /address already in use/i;

const portsFile = z.object({ nats: z.array(z.string()).min(1) });

/**
 * Runs a NATS server of our own on 127.0.0.1 and keeps it running: JetStream on the data folder, every write synced, one nkey let in.
 * Resolves when it answers. It is started again when it dies, and when a full disk has room again; it ends with this process, however
 * that ends. Throws `data_folder_in_use`, `data_folder_unusable`, `nats_server_failed`.
 */
export async function startChildServer(options: ChildServerOptions): Promise<ChildServer> {
  const folder = await openDataFolder(options.dataFolder, options.supervisor);
  const child = new Child(options, folder);
  try {
    await child.begin();
  } catch (error) {
    folder.release();
    throw error;
  }
  return {
    url: child.url,
    dataFolder: folder.path,
    trouble: () => child.trouble,
    stop: () => child.stop(),
  };
}

class Child {
  readonly #options: ChildServerOptions;
  readonly #folder: DataFolder;
  readonly #configFile: string;
  readonly #stopping = new AbortController();
  readonly #lines;
  #process: TetheredProcess | undefined;
  #kept: Promise<void> = Promise.resolve();
  #storageBroken = Promise.withResolvers<string>();
  #failedStarts = 0;
  url = '';
  trouble: Failure | undefined;

  constructor(options: ChildServerOptions, folder: DataFolder) {
    this.#options = options;
    this.#folder = folder;
    this.#configFile = join(folder.path, 'nats-server.conf');
    this.#lines = boundedLog(join(folder.path, CHILD_LOG));
  }

  async begin(): Promise<void> {
    const ended = await endLeftovers(this.#configFile);
    if (ended > 0)
      this.#options.log('warn', 'a NATS server of an earlier run was still there and was ended', { servers: ended });
    const { port } = this.#options;
    const preferred = port ?? this.#folder.lastPort;
    try {
      await this.#launch(preferred ?? -1);
    } catch (error) {
      const isTaken = PORT_TAKEN.test(this.#lines.tail());
      if (port !== undefined || preferred === undefined || !isTaken) throw error;
      this.#options.log('warn', 'the port of the last run is taken, another one is used', { port: preferred });
      await this.#launch(-1);
    }
    const { binary } = this.#options;
    this.#options.log('info', 'the NATS server of our own runs', {
      url: this.url,
      dataFolder: this.#folder.path,
      program: binary.path,
      version: binary.version,
    });
    this.#kept = this.#keep().catch((error: unknown) => this.#tellTrouble(failureOf(error, 'keep NATS server')));
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the server is stopped'));
    await this.#process?.stop();
    await this.#kept;
    await this.#process?.stop();
    await this.#lines.flushed();
    this.#folder.release();
  }

  async #launch(port: number): Promise<void> {
    this.#storageBroken = Promise.withResolvers<string>();
    const broken = this.#storageBroken;
    const run = join(this.#folder.path, 'run');
    await rm(run, { recursive: true, force: true });
    await mkdir(run, { mode: 0o700 });
    await writeFile(this.#configFile, this.#configuration(port, run), { mode: 0o600 });
    const process = startTethered([this.#options.binary.path, '-c', this.#configFile], {
      cwd: this.#folder.path,
      onLine: (line) => {
        this.#lines.write(line);
        if (STORAGE_BROKEN.test(line)) broken.resolve(line);
      },
    });
    this.#process = process;
    try {
      this.url = await this.#untilReady(process, run);
      await this.#folder.announce(this.url);
    } catch (error) {
      await process.stop();
      throw error;
    }
  }

  #configuration(port: number, run: string): string {
    const { seed, serverName, path } = this.#folder;
    return JSON.stringify({
      server_name: serverName,
      host: '127.0.0.1',
      port,
      ports_file_dir: run,
      jetstream: { store_dir: path, sync_interval: 'always', max_file_store: MAX_STORE_BYTES },
      authorization: { users: [{ nkey: nkeys.fromSeed(new TextEncoder().encode(seed)).getPublicKey() }] },
    });
  }

  async #untilReady(process: TetheredProcess, run: string): Promise<string> {
    const deadlineMs = performance.now() + READY_WITHIN_MS;
    let how: string | undefined;
    const ended = process.ended.then((end) => void (how = end));
    for (;;) {
      this.#stopping.signal.throwIfAborted();
      const url = await boundAddress(run);
      if (url !== undefined && (await this.#answers(url))) return url;
      if (how !== undefined) throw this.#failure(`it ended while it was starting (${how})`);
      if (performance.now() > deadlineMs) throw this.#failure(`it did not answer within ${READY_WITHIN_MS / 1000} s`);
      await Promise.race([delay(PROBE_EVERY_MS), ended]);
    }
  }

  async #answers(url: string): Promise<boolean> {
    const auth = { kind: 'nkey', seed: this.#folder.seed } as const;
    try {
      const nc = await connectNats({ servers: [url], name: 'slipstream start', auth, connectTimeoutMs: 1_000 });
      try {
        await (await jetstreamManager(nc, { timeout: 1_000 })).getAccountInfo();
        return true;
      } finally {
        await nc.close();
      }
    } catch {
      return false;
    }
  }

  #failure(reason: string) {
    const tail = this.#lines.tail();
    return failed('nats_server_failed', {
      op: 'start NATS server',
      reason: `${this.#options.binary.path}: ${reason}${tail === '' ? '' : `. The end of its log:\n${tail}`}`,
    });
  }

  /** Until it is stopped: whenever the server has ended, or cannot write any more, it is started again. */
  async #keep(): Promise<void> {
    let process = this.#process;
    while (process !== undefined && !this.#stopping.signal.aborted) {
      const runningSinceMs = performance.now();
      const broken = this.#storageBroken.promise;
      const end = await Promise.race([
        process.ended.then((how) => ({ kind: 'ended', how }) as const),
        broken.then((line) => ({ kind: 'broken', line }) as const),
      ]);
      if (this.#stopping.signal.aborted) return;
      if (performance.now() - runningSinceMs > STEADY_AFTER_MS) this.#failedStarts = 0;
      try {
        if (end.kind === 'broken') await this.#untilRoom(end.line);
        else this.#tellTrouble(this.#failure(`it ended (${end.how})`).failure);
        await process.stop();
        await this.#startAgain();
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        throw error;
      }
      process = this.#process;
    }
  }

  /** Reading goes on meanwhile: the server is left alone until a start has a chance. */
  async #untilRoom(line: string): Promise<void> {
    const reason = `the NATS server cannot write to ${this.#folder.path}: ${line.replace(/^.*\[ERR\]\s*/, '')}`;
    this.#tellTrouble(failed('journal_full', { op: 'write journal', reason }).failure);
    while ((await freeBytes(this.#folder.path)) < SPACE_NEEDED_BYTES)
      await delay(SPACE_LOOK_EVERY_MS, undefined, { signal: this.#stopping.signal });
  }

  async #startAgain(): Promise<void> {
    const port = Number(URL.parse(this.url)?.port);
    for (;;) {
      const pauseMs = Math.min(RESTART_MAX_MS, RESTART_MIN_MS * 2 ** Math.min(this.#failedStarts, 16));
      this.#failedStarts += 1;
      await delay(pauseMs, undefined, { signal: this.#stopping.signal });
      try {
        await endLeftovers(this.#configFile);
        // The same port: everyone who is connected comes back by itself.
        await this.#launch(port);
        this.trouble = undefined;
        this.#options.log('warn', 'the NATS server of our own was started again', { url: this.url });
        return;
      } catch (error) {
        this.#stopping.signal.throwIfAborted();
        this.#tellTrouble(failureOf(error, 'start NATS server'));
      }
    }
  }

  #tellTrouble(failure: Failure): void {
    this.trouble = failure;
    this.#options.log('error', 'the NATS server of our own does not serve', { failure });
  }
}

/** Where the server listens, once it does: it writes that into a file of its own. */
async function boundAddress(run: string): Promise<string | undefined> {
  const [name] = (await readdir(run)).filter((file) => file.endsWith('.ports'));
  if (name === undefined) return undefined;
  try {
    return portsFile.parse(JSON.parse(await readFile(join(run, name), 'utf8'))).nats[0];
  } catch {
    // Written in this moment.
    return undefined;
  }
}

export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
