import { accessSync, constants, existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { StackError } from './stack-error.ts';

/** Elasticsearch 9 refuses Java below 21, Zipkin 3 below 17. */
export const ELASTICSEARCH_JAVA = 21;
export const ZIPKIN_JAVA = 17;
/** The Java that the local stack was tried with; preferred where several fit. */
const TRIED_JAVA = 25;

export type JavaSearch = {
  readonly minimum: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Folders that hold one JDK in each sub-folder. */
  readonly parents: readonly string[];
  /** Refuses homes that the user who will run Java may not enter. */
  readonly mayUse?: (home: string) => boolean;
};

type Candidate = { readonly home: string; readonly source: string };
type Judged = Candidate & { readonly major: number | undefined; readonly fault: string | undefined };

/** Where the installations of this system's JDKs are. */
export function systemJavaParents(): readonly string[] {
  return ['/usr/lib/jvm', '/usr/java', '/opt/java', '/Library/Java/JavaVirtualMachines'];
}

/** The home of a JDK of at least the given major version. Throws StackError `jdk_missing` that lists what was found instead. */
export function findJdk(search: JavaSearch): string {
  const asked = search.environment['SLIPSTREAM_JAVA_HOME'];
  const judged = (asked ? [{ home: asked, source: 'SLIPSTREAM_JAVA_HOME' }] : candidates(search)).map((one) =>
    judge(one, search),
  );
  const best = judged.filter((one) => one.fault === undefined).sort((a, b) => distance(a) - distance(b))[0];
  if (best) return best.home;
  const found =
    judged.map(({ home, source, fault }) => `\n  ${home} (from ${source}): ${fault}`).join('') || ' no Java at all';
  throw new StackError({
    code: 'jdk_missing',
    reason: `a JDK of version ${search.minimum} or newer is needed; found:${found}`,
    hint:
      `install Temurin ${TRIED_JAVA}, with which this was tried, or another JDK (Debian 13, Ubuntu 22.04 and newer: apt-get install ` +
      'openjdk-21-jdk-headless; macOS: brew install temurin), or set SLIPSTREAM_JAVA_HOME to the folder of one that is installed already',
  });
}

function candidates({ environment, parents }: JavaSearch): readonly Candidate[] {
  const home = environment['JAVA_HOME'];
  const onPath = (environment['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'java'));
  const first = onPath.find((file) => existsSync(file));
  const all = [
    ...(home ? [{ home, source: 'JAVA_HOME' }] : []),
    ...parents.flatMap((parent) => subFolders(parent).map((path) => ({ home: path, source: parent }))),
    ...appleJavaHome(),
    ...(first ? [{ home: dirname(dirname(realpathSync(first))), source: 'PATH' }] : []),
  ];
  const seen = new Set<string>();
  return all.filter((one) => {
    const real = existsSync(one.home) ? realpathSync(one.home) : one.home;
    return !seen.has(real) && seen.add(real);
  });
}

function subFolders(parent: string): readonly string[] {
  if (!existsSync(parent)) return [];
  return readdirSync(parent)
    .filter((name) => !name.startsWith('.'))
    .map((name) => [join(parent, name, 'Contents', 'Home'), join(parent, name)].find((path) => existsSync(path)))
    .filter((path) => path !== undefined && existsSync(join(path, 'bin')))
    .filter((path) => path !== undefined);
}

function appleJavaHome(): readonly Candidate[] {
  const tool = '/usr/libexec/java_home';
  if (!existsSync(tool)) return [];
  try {
    return [
      { home: execFileSync(tool, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim(), source: tool },
    ];
  } catch {
    return [];
  }
}

function judge(candidate: Candidate, { minimum, mayUse }: JavaSearch): Judged {
  const major = majorVersion(candidate.home);
  const fault = ((): string | undefined => {
    if (major === undefined) return 'not a Java home (no file "release" that tells a version)';
    if (major < minimum) return `version ${major}, too old`;
    if (!isProgram(join(candidate.home, 'bin', 'java'))) return `version ${major}, but bin/java cannot be run`;
    if (!isProgram(join(candidate.home, 'bin', 'javac'))) return `version ${major}, but only a runtime, not a JDK`;
    if (mayUse && !mayUse(candidate.home))
      return `version ${major}, but in a folder that the user who runs it may not enter`;
    return undefined;
  })();
  return { ...candidate, major, fault };
}

function majorVersion(home: string): number | undefined {
  const file = join(home, 'release');
  if (!existsSync(file)) return undefined;
  const version = /^JAVA_VERSION="(?:1\.)?(\d+)/m.exec(readFileSync(file, 'utf8'))?.[1];
  return version === undefined ? undefined : Number(version);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The version that was tried comes first, then older ones, then newer ones. */
function distance({ major = 0 }: Judged): number {
  return major <= TRIED_JAVA ? TRIED_JAVA - major : 1_000 + major;
}
