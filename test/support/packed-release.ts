/** Slipstream as a package: of an earlier commit, or of these sources with something changed. Packed and unpacked in a temporary folder. */
import { execFile } from 'node:child_process';
import { cp, glob, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface PackedRelease extends AsyncDisposable {
  /** The entry point of its command line. */
  readonly program: string;
  /** Whatever makes it less than it should be, for who reads the test's output. */
  readonly told: string;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

/**
 * The commit before this one, or `SLIPSTREAM_PREVIOUS_COMMIT`. A clone without history has none: these sources stand in for it then, and
 * it is told.
 */
export async function previousRelease(): Promise<PackedRelease> {
  const named = process.env['SLIPSTREAM_PREVIOUS_COMMIT'];
  const wanted = named ?? 'HEAD^';
  const found = await run('git', ['rev-parse', '--verify', '--quiet', `${wanted}^{commit}`], { cwd: ROOT }).catch(
    () => undefined,
  );
  if (found === undefined) {
    if (named !== undefined) throw new Error(`SLIPSTREAM_PREVIOUS_COMMIT: this clone has no commit ${named}`);
    const told = 'NO EARLIER COMMIT in this clone (git fetch --unshallow): the same code stands in for it';
    return packed(copyOfSources, told);
  }
  const commit = found.stdout.trim();
  const archive = async (folder: string): Promise<void> => {
    const file = join(folder, '..', 'archive.tar');
    await run('git', ['archive', '--output', file, commit], { cwd: ROOT });
    await run('tar', ['-xf', file, '-C', folder]);
  };
  return packed(archive, `commit ${commit.slice(0, 12)}, packed`);
}

/** These sources, with one text of one file replaced. Throws if it is not there. */
export async function changedRelease(file: string, before: string, after: string): Promise<PackedRelease> {
  const change = async (folder: string): Promise<void> => {
    await copyOfSources(folder);
    const source = await readFile(join(folder, file), 'utf8');
    if (!source.includes(before)) throw new Error(`${file} does not hold: ${before}`);
    await writeFile(join(folder, file), source.replace(before, after));
  };
  return packed(change, `these sources with ${after}`);
}

async function copyOfSources(folder: string): Promise<void> {
  for (const part of ['src', 'docs', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'slipstream.example.yml'])
    await cp(join(ROOT, part), join(folder, part), { recursive: true });
}

/** Built, packed and installed with the dependencies of this clone. */
async function packed(fill: (folder: string) => Promise<void>, told: string): Promise<PackedRelease> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-release-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const [source, installed] = [join(folder, 'source'), join(folder, 'installed')];
  try {
    await Promise.all([mkdir(source), mkdir(installed)]);
    await fill(source);
    for (const at of [source, installed]) await symlink(join(ROOT, 'node_modules'), join(at, 'node_modules'));
    const same = (await dependencies(source)) === (await dependencies(ROOT));
    await run('npm', ['pack', '--silent', '--pack-destination', installed], { cwd: source, env: ownEnvironment() });
    const [archive] = await Array.fromAsync(glob('*.tgz', { cwd: installed }));
    await run('tar', ['-xzf', archive ?? 'the package'], { cwd: installed });
    return {
      program: join(installed, 'package', 'dist', 'cli', 'main.js'),
      told: same ? told : `${told}, WITH OTHER DEPENDENCIES than it names`,
      [Symbol.asyncDispose]: remove,
    };
  } catch (thrown) {
    await remove();
    throw thrown;
  }
}

async function dependencies(folder: string): Promise<string> {
  const description = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { dependencies: object };
  return JSON.stringify(description.dependencies);
}

/** What npm tells the programs that it runs is of this project, not of the one to be packed. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries({
      ...process.env,
      PATH: `${join(ROOT, 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}`,
    }).filter(([name]) => !name.startsWith('npm_')),
  );
}
