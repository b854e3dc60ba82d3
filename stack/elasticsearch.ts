import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Account, giveTo } from './account.ts';
import { type Certificates, createCertificates } from './certificates.ts';
import { runCommand } from './command.ts';
import type { Guard } from './guard.ts';
import { httpStatus } from './probe.ts';
import type { ServerRecipe } from './server-process.ts';

/** The user that a secured node knows from the start; the password is the caller's. */
export const ELASTIC_USER = 'elastic';

export type ElasticsearchOptions = {
  /** The Java heap, 768 unless told. */
  readonly heapMb?: number;
  /**
   * Both of Java's compilers, for measurements. Unless told only the quick one runs: on two cores a node then serves after 12 s instead of 25 s and
   * indexes the first 100,000 documents in half the time; once warm it is a quarter slower.
   */
  readonly fullCompiler?: boolean;
  /** More lines for elasticsearch.yml. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Off unless told. `password` becomes that of the user `elastic`; with `tls` the node speaks https under a certificate authority of its own. */
  readonly security?: { readonly password: string; readonly tls?: boolean };
};

export type ElasticsearchNode = {
  readonly name: string;
  /** Of this node alone; data that is there already is used. */
  readonly folder: string;
  readonly home: string;
  readonly javaHome: string;
  readonly httpPort: number;
  readonly transportPort: number;
  readonly account: Account | undefined;
  readonly guard: Guard;
  readonly options: ElasticsearchOptions;
};

const DEFAULT_HEAP_MB = 768;
/** 54 s were seen for two nodes on two busy cores. */
const READY_WITHIN_MS = 240_000;

/** Writes the node's configuration and tells how to start it: one node that is a cluster of its own, on loopback only. */
export async function elasticsearchRecipe(node: ElasticsearchNode): Promise<ServerRecipe> {
  const { name, folder, home, account, options } = node;
  const config = join(folder, 'config');
  for (const path of [
    folder,
    config,
    join(config, 'jvm.options.d'),
    ...['data', 'logs', 'tmp'].map((part) => join(folder, part)),
  ]) {
    await mkdir(path, { recursive: true });
    await chmod(path, 0o755);
    await giveTo(account, path);
  }
  for (const file of ['jvm.options', 'log4j2.properties'])
    await copyFile(join(home, 'config', file), join(config, file));
  const certificates = options.security?.tls ? await certificatesOf(node, config) : undefined;
  await writeFile(join(config, 'elasticsearch.yml'), yaml(settingsOf({ node, certificates })));
  const heap = options.heapMb ?? DEFAULT_HEAP_MB;
  const compiler = options.fullCompiler ? [] : ['-XX:TieredStopAtLevel=1'];
  const env = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    ES_JAVA_HOME: node.javaHome,
    ES_PATH_CONF: config,
    ES_TMPDIR: join(folder, 'tmp'),
    ES_DISTRIBUTION_TYPE: 'tar',
    ES_JAVA_OPTS: [`-Xms${heap}m`, `-Xmx${heap}m`, ...compiler].join(' '),
    // The launcher's Java must not depend on the system's temporary folder, which the account may not be able to write to.
    CLI_JAVA_OPTS: `-Djava.io.tmpdir=${join(folder, 'tmp')}`,
  };
  if (options.security) await setPassword({ node, config, env, password: options.security.password });
  const url = `${certificates ? 'https' : 'http'}://127.0.0.1:${node.httpPort}`;
  const ca = certificates && (await readFile(certificates.caFile, 'utf8'));
  const authorization =
    options.security && `Basic ${Buffer.from(`${ELASTIC_USER}:${options.security.password}`).toString('base64')}`;
  return {
    name,
    url,
    caFile: certificates?.caFile,
    file: 'bash',
    args: [join(home, 'bin', 'elasticsearch')],
    env,
    cwd: folder,
    account,
    logFile: join(folder, 'out.log'),
    readyWithinMs: READY_WITHIN_MS,
    // A secured node answers 401 to the right password until its security index is up, so only a 200 counts.
    ready: async () =>
      (await httpStatus({ url: `${url}/_cluster/health?wait_for_status=yellow&timeout=2s`, authorization, ca })) ===
      200,
  };
}

function settingsOf({
  node,
  certificates,
}: {
  node: ElasticsearchNode;
  certificates: Certificates | undefined;
}): Record<string, unknown> {
  return {
    'cluster.name': `slipstream-${node.name}`,
    'node.name': node.name,
    'path.data': join(node.folder, 'data'),
    'path.logs': join(node.folder, 'logs'),
    // For tests that restore what a snapshot held.
    'path.repo': join(node.folder, 'snapshots'),
    'network.host': '127.0.0.1',
    'http.port': node.httpPort,
    'transport.port': node.transportPort,
    'discovery.type': 'single-node',
    'cluster.routing.allocation.disk.threshold_enabled': false,
    // For tests with 1,000 small indices; 1,000 shards is the server's own bound.
    'cluster.max_shards_per_node': 3000,
    'xpack.security.enabled': node.options.security !== undefined,
    ...(node.options.security && {
      'xpack.security.transport.ssl.enabled': false,
      'xpack.security.http.ssl.enabled': certificates !== undefined,
    }),
    // Relative to the configuration folder, the only one the node reads certificates from.
    ...(certificates && {
      'xpack.security.http.ssl.certificate': 'http.crt',
      'xpack.security.http.ssl.key': 'http.key',
    }),
    ...node.options.settings,
  };
}

/** JSON values are YAML values. */
function yaml(settings: Record<string, unknown>): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('');
}

async function certificatesOf({ guard, account }: ElasticsearchNode, config: string): Promise<Certificates> {
  const certificates = existsSync(join(config, 'http.crt'))
    ? { caFile: join(config, 'ca.crt'), certificateFile: join(config, 'http.crt'), keyFile: join(config, 'http.key') }
    : await createCertificates({ folder: config, guard });
  await giveTo(account, certificates.keyFile);
  return certificates;
}

/** Puts the first password of the user `elastic` into the node's keystore. */
async function setPassword({
  node,
  config,
  env,
  password,
}: {
  node: ElasticsearchNode;
  config: string;
  env: Record<string, string>;
  password: string;
}): Promise<void> {
  if (existsSync(join(config, 'elasticsearch.keystore'))) return;
  await runCommand({
    file: 'bash',
    args: [join(node.home, 'bin', 'elasticsearch-cli'), 'add', '--stdin', '--force', 'bootstrap.password'],
    cwd: node.folder,
    env: { ...env, CLI_NAME: 'keystore', CLI_LIBS: 'lib/tools/keystore-cli' },
    stdin: password,
    account: node.account,
    guard: node.guard,
    missing: 'install bash',
  });
}
