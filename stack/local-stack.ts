/**
 * The servers that the demo and the tests need, without Docker: two Elasticsearch nodes, NATS with JetStream, and Zipkin. On loopback, in a
 * temporary folder, each on its default port where that is free. Whatever happens to the process that started them, none is left behind.
 */
import { chmod, mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openTo, unprivilegedAccount } from './account.ts';
import { cacheFolder } from './cache.ts';
import { type ElasticsearchOptions } from './elasticsearch.ts';
import { type Guard, startGuard } from './guard.ts';
import { portPicker } from './ports.ts';
import { accepts, httpStatus } from './probe.ts';
import { type PartName, type Preparation, preparePart, prepareTools } from './parts.ts';
import { type RunningServer, type ServerRecipe, startServer } from './server-process.ts';
import { StackError } from './stack-error.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export type StackOptions = {
  /** Which servers; none twice. */
  readonly parts: readonly PartName[];
  /** Gets one line for whatever takes time: downloads with progress, servers as they come up. */
  readonly log: (line: string) => void;
  /** Where servers keep their files; it stays when the stack stops, and what is there already is used. A temporary folder unless told. */
  readonly folder?: string;
  /** Of the leader's node, and of the follower's. */
  readonly leader?: ElasticsearchOptions;
  readonly follower?: ElasticsearchOptions;
  /**
   * Read for `SLIPSTREAM_LEADER_URL` and the others (a server named there is used instead of starting one), `SLIPSTREAM_CACHE`,
   * `SLIPSTREAM_JAVA_HOME`, `JAVA_HOME` and `PATH`. The process's own unless told; leave the addresses out to get servers of your own.
   */
  readonly environment?: Environment;
  /** When it fires everything is killed at once and `startStack` throws StackError `interrupted`. */
  readonly signal?: AbortSignal;
};

export type Stack = {
  /** The address of every part asked for, under the names that the configuration and the tests read. */
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  /** A server that this stack started. Throws StackError `not_started_here` for one that was given by its address. */
  server(part: PartName): RunningServer;
  /** Stops every server in good order, kills what does not stop in time, removes the temporary folder. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** The variable that holds the address of each part. */
export const ADDRESS_VARIABLES: Readonly<Record<PartName, string>> = {
  leader: 'SLIPSTREAM_LEADER_URL',
  follower: 'SLIPSTREAM_FOLLOWER_URL',
  nats: 'SLIPSTREAM_NATS_URL',
  zipkin: 'SLIPSTREAM_ZIPKIN_URL',
};

/** The environment for a stack that starts these parts itself, whatever addresses it holds. */
export function withoutAddresses(
  environment: NodeJS.ProcessEnv,
  parts: readonly PartName[] = ['leader', 'follower', 'nats', 'zipkin'],
): NodeJS.ProcessEnv {
  return { ...environment, ...Object.fromEntries(parts.map((part) => [ADDRESS_VARIABLES[part], undefined])) };
}

/** A port that was free may be taken a moment later: then the part is tried again on others. */
const PORT_ATTEMPTS = 3;
const PORT_TAKEN = /address already in use|failed to bind|bindexception/i;

/** Starts the parts asked for, all at once, and resolves when each of them serves. Throws StackError, leaving nothing behind. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const guard = startGuard();
  const running = new Map<PartName, RunningServer>();
  const interrupt = (): void => void guard.sweep();
  options.signal?.addEventListener('abort', interrupt);
  const stop = async (): Promise<void> => {
    options.signal?.removeEventListener('abort', interrupt);
    await Promise.allSettled([...running.values()].map((server) => server.stop()));
    await guard.sweep();
  };
  try {
    options.signal?.throwIfAborted();
    const folder = await stackFolder({ options, guard });
    const env = await startParts({ options, guard, folder, running });
    options.signal?.throwIfAborted();
    return { env, folder, server: (part) => startedHere({ running, part }), stop, [Symbol.asyncDispose]: stop };
  } catch (cause) {
    await guard.sweep();
    if (!options.signal?.aborted) throw cause;
    throw new StackError({
      code: 'interrupted',
      reason: 'the local stack was stopped while it was starting',
      hint: 'start it again',
      cause,
    });
  }
}

async function stackFolder({ options, guard }: { options: StackOptions; guard: Guard }): Promise<string> {
  const folder = options.folder === undefined ? await mkdtemp(join(tmpdir(), 'slipstream-')) : resolve(options.folder);
  if (options.folder === undefined) guard.own(folder);
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o755);
  return folder;
}

type Starting = { options: StackOptions; guard: Guard; folder: string; running: Map<PartName, RunningServer> };

async function startParts({ options, guard, folder, running }: Starting): Promise<Record<string, string>> {
  const { parts, log, environment = process.env } = options;
  const env: Record<string, string> = {};
  const own: PartName[] = [];
  for (const part of parts) {
    const given = environment[ADDRESS_VARIABLES[part]];
    if (given === undefined || given === '') own.push(part);
    else env[ADDRESS_VARIABLES[part]] = await answering({ part, url: given });
  }
  const needsAccount = own.includes('leader') || own.includes('follower');
  const account = needsAccount ? await unprivilegedAccount(guard) : undefined;
  const cache = resolve(cacheFolder(environment));
  await mkdir(cache, { recursive: true });
  if (needsAccount) {
    await openTo(account, { folder, setting: 'TMPDIR' });
    await openTo(account, { folder: cache, setting: 'SLIPSTREAM_CACHE' });
  }
  const tools = await prepareTools({ parts: own, environment, account, download: { folder: cache, guard, log } });
  const picker = portPicker(log);
  const starts = own.map(async (part) => {
    const started = Date.now();
    const preparation = {
      part,
      folder: join(folder, part),
      tools,
      picker,
      guard,
      account,
      options: optionsOf(options, part),
    };
    const server = await startOnFreePorts({ preparation, log });
    running.set(part, server);
    log(`${part}: ${server.url} (process ${server.pid}, ${((Date.now() - started) / 1000).toFixed(1)} s)`);
    env[ADDRESS_VARIABLES[part]] = server.url;
  });
  await allOrSweep({ starts, guard });
  return env;
}

/** When one start fails the others are ended, and waited for: nothing may come up after the failure was told. */
async function allOrSweep({ starts, guard }: { starts: readonly Promise<void>[]; guard: Guard }): Promise<void> {
  try {
    await Promise.all(starts);
  } catch (error) {
    await guard.sweep();
    await Promise.allSettled(starts);
    throw error;
  }
}

async function startOnFreePorts({
  preparation,
  log,
}: {
  preparation: Preparation;
  log: (line: string) => void;
}): Promise<RunningServer> {
  for (let attempt = 1; ; attempt += 1) {
    const recipe: ServerRecipe = await preparePart(preparation);
    try {
      return await startServer({ recipe, guard: preparation.guard });
    } catch (error) {
      const ended = error instanceof StackError && error.code === 'server_exited';
      // All of the log: a trace of Java is longer than the end of it that is told.
      const taken = ended && PORT_TAKEN.test(await readFile(recipe.logFile, 'utf8').catch(() => ''));
      if (!taken || attempt === PORT_ATTEMPTS) throw error;
      log(`${preparation.part}: its port was taken meanwhile, trying another`);
    }
  }
}

function optionsOf(options: StackOptions, part: PartName): ElasticsearchOptions {
  return (part === 'leader' ? options.leader : options.follower) ?? {};
}

async function answering({ part, url }: { part: PartName; url: string }): Promise<string> {
  const { hostname, port } = new URL(url);
  const ok = part === 'nats' ? await accepts({ host: hostname, port: Number(port || 4222) }) : await answersHttp(url);
  if (ok) return url;
  throw new StackError({
    code: 'address_not_answering',
    reason: `${ADDRESS_VARIABLES[part]} is set to ${url}, but nothing answers there`,
    hint: `start that server, or unset ${ADDRESS_VARIABLES[part]} to have one started for you`,
  });
}

/** Any status will do: a secured server may refuse a probe without credentials. */
async function answersHttp(url: string): Promise<boolean> {
  const { protocol, hostname, port } = new URL(url);
  if (protocol === 'https:') return accepts({ host: hostname, port: Number(port || 443) });
  return (await httpStatus({ url })) !== undefined;
}

function startedHere({ running, part }: { running: Map<PartName, RunningServer>; part: PartName }): RunningServer {
  const server = running.get(part);
  if (server) return server;
  throw new StackError({
    code: 'not_started_here',
    reason: `${part} was not started by this stack`,
    hint: `ask for it in "parts", with ${ADDRESS_VARIABLES[part]} unset`,
  });
}
