import { access, constants } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { failed } from '../../domain/failure.ts';
import { cachedServer, fetchServer } from './server-download.ts';
import { isAtLeast, MIN_SERVER_VERSION, versionOf } from './server-version.ts';

export interface ServerBinary {
  readonly path: string;
  readonly version: string;
}

export interface ServerSearch {
  /** Named in the configuration; nothing else is looked at then. */
  readonly configured?: string | undefined;
  /** For `PATH`, `SLIPSTREAM_CACHE`, `XDG_CACHE_HOME`, `HOME`. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The program to run: the configured one, else the one in `PATH`, else the one fetched earlier; undefined when there is none of them.
 * Throws `nats_server_missing` for a configured one that is not there, and `nats_server_unfit`.
 */
export async function findServer({ configured, env }: ServerSearch): Promise<ServerBinary | undefined> {
  if (configured !== undefined) return checked(configured);
  for (const folder of (env['PATH'] ?? '').split(delimiter).filter(isAbsolute)) {
    const program = join(folder, 'nats-server');
    if (await isProgram(program)) return checked(program);
  }
  const cached = await cachedServer(serverCache(env));
  return cached === undefined ? undefined : checked(cached);
}

/** Like `findServer`, and fetches one where there is none. Throws `nats_server_missing` and `nats_server_unfit`. */
export async function obtainServer(
  search: ServerSearch,
  options: { readonly tell: (line: string) => void; readonly signal: AbortSignal },
): Promise<ServerBinary> {
  return (
    (await findServer(search)) ?? checked(await fetchServer(serverCache(search.env), { ...options, env: search.env }))
  );
}

/** Where a fetched program is kept. */
export function serverCache(env: ServerSearch['env'], isRoot: boolean = process.getuid?.() === 0): string {
  const { SLIPSTREAM_CACHE: asked = '', XDG_CACHE_HOME: cache = '', HOME: home = '' } = env;
  if (asked !== '') return asked;
  if (isRoot) return '/var/cache/slipstream';
  return join(isAbsolute(cache) ? cache : join(isAbsolute(home) ? home : homedir(), '.cache'), 'slipstream');
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function checked(path: string): Promise<ServerBinary> {
  const op = 'find nats-server';
  let version: string | undefined;
  try {
    version = await versionOf(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    if (code === 'ENOENT') throw failed('nats_server_missing', { op, reason: `there is no ${path}` }, error);
    throw failed('nats_server_unfit', { op, reason: `${path} cannot be run (${code})` }, error);
  }
  if (version === undefined)
    throw failed('nats_server_unfit', { op, reason: `${path} does not answer --version as a nats-server does` });
  if (!isAtLeast(version, MIN_SERVER_VERSION))
    throw failed('nats_server_unfit', {
      op,
      reason: `${path} is version ${version}; ${MIN_SERVER_VERSION} or newer is needed`,
    });
  return { path, version };
}
