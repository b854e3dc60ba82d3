import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { LineCounter, parseDocument, type Document } from 'yaml';
import { failed, type Failed } from '../domain/failure.ts';
import { DEFAULT_PARAMETERS } from '../domain/parameters.ts';
import { readAttachments } from './attachments.ts';
import type {
  ClusterAuth,
  ClusterConfig,
  Config,
  NatsAuth,
  NatsConfig,
  OwnNatsConfig,
  TelemetryConfig,
} from './config.ts';
import { defaultDataFolder } from './data-folder.ts';
import { faultsOf, lineOf, shownPath } from './faults.ts';
import { fileSchema, type ConfigFile } from './schema.ts';
import { substitute } from './substitute.ts';
import { warningsOf } from './warnings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment of this process; no other module reads it. */
export const environment = (): Environment => process.env;

const DEFAULT_ENDPOINTS = {
  otlp: 'http://127.0.0.1:4318/v1/traces',
  zipkin: 'http://127.0.0.1:9411/api/v2/spans',
  none: '',
} as const;

function reject(path: string, reasons: readonly string[], hint?: string, cause?: unknown): Failed {
  return failed(
    'invalid_config',
    { op: `read configuration ${path}`, reason: reasons.join('\n'), ...(hint === undefined ? {} : { hint }) },
    cause,
  );
}

const systemCode = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';

async function readText(path: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    const code = systemCode(error);
    const reason =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
          ? 'it is not UTF-8 text'
          : `it cannot be read (${code})`;
    throw reject(
      path,
      [reason],
      'Give the file with --config or SLIPSTREAM_CONFIG; slipstream.example.yml, in the folder of the package, is one to start from.',
      error,
    );
  }
}

interface Parsed {
  readonly document: Document;
  readonly lines: LineCounter;
  readonly tree: unknown;
}

function parseYaml(path: string, text: string): Parsed {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const sourceLines = text.split('\n');
  const reasons = new Map<number, string>();
  for (const error of [...document.errors, ...document.warnings]) {
    const { line, col } = lines.linePos(error.pos[0]);
    // What follows on the same line is most often the same mistake seen again.
    if (reasons.has(line)) continue;
    const message =
      error.code === 'DUPLICATE_KEY'
        ? 'this key stands here twice'
        : error.code === 'MULTIPLE_DOCS'
          ? 'expected one document, found several'
          : error.message;
    const unquoted = /[{[].*\$\{/.test(sourceLines[line - 1] ?? '')
      ? ' (inside { } and [ ] a ${NAME} stands in quotes)'
      : '';
    reasons.set(line, `${path}:${line}:${col}: ${message}${unquoted}`);
  }
  if (reasons.size > 0) throw reject(path, [...reasons.values()]);
  try {
    return { document, lines, tree: document.toJS() ?? {} };
  } catch (error) {
    throw reject(path, [error instanceof Error ? error.message : String(error)], undefined, error);
  }
}

type Texts = ReadonlyMap<string, string>;

function withCa(texts: Texts, place: string): { caPem?: string } {
  const caPem = texts.get(`${place}.caFile`);
  return caPem === undefined ? {} : { caPem };
}

function loginOf({ apiKey, username, password }: NonNullable<ConfigFile['clusters'][string]['auth']>): ClusterAuth {
  if (apiKey !== undefined) return { kind: 'apiKey', apiKey };
  return username !== undefined && password !== undefined ? { kind: 'basic', username, password } : { kind: 'none' };
}

function clusterOf(
  name: string,
  { url, auth, caFile: _, readRateLimit, ...rest }: ConfigFile['clusters'][string],
  texts: Texts,
): ClusterConfig {
  const rate = readRateLimit === undefined ? {} : { readRateLimitBytesPerSecond: readRateLimit };
  return { name, urls: url, auth: loginOf(auth ?? {}), ...rest, ...rate, ...withCa(texts, `clusters.${name}`) };
}

type NatsFile = ConfigFile['nats'];

function natsAuthOf({ user, password, token, nkeySeed }: NatsFile, texts: Texts): NatsAuth {
  /** Of a file that holds one secret and often a line break after it. */
  const fromFile = (key: string): string | undefined => texts.get(`nats.${key}`)?.trim();
  const credentials = texts.get('nats.credentialsFile');
  if (credentials !== undefined) return { kind: 'credentials', credentials };
  const seed = nkeySeed ?? fromFile('nkeyFile');
  if (seed !== undefined) return { kind: 'nkey', seed };
  const secret = password ?? fromFile('passwordFile');
  if (user !== undefined && secret !== undefined) return { kind: 'userPassword', user, password: secret };
  const bearer = token ?? fromFile('tokenFile');
  return bearer === undefined ? { kind: 'none' } : { kind: 'token', token: bearer };
}

interface Place {
  /** Of the configuration file. */
  readonly folder: string;
  readonly env: Environment;
}

function natsOf(file: NatsFile, texts: Texts, { folder, env }: Place): NatsConfig {
  const { servers = [], subjectPrefix, stream, dataFolder, serverBinary, port, tlsFirst, replicas, syncAlways } = file;
  const certPem = texts.get('nats.certFile');
  const keyPem = texts.get('nats.keyFile');
  const own: OwnNatsConfig = {
    dataFolder: dataFolder === undefined ? defaultDataFolder(env) : resolve(folder, dataFolder),
    ...(serverBinary === undefined ? {} : { serverBinary: resolve(folder, serverBinary) }),
    ...(port === undefined ? {} : { port }),
  };
  return {
    servers,
    ...(servers.length === 0 ? { own } : {}),
    auth: natsAuthOf(file, texts),
    ...withCa(texts, 'nats'),
    ...(certPem === undefined ? {} : { certPem }),
    ...(keyPem === undefined ? {} : { keyPem }),
    ...(tlsFirst === undefined ? {} : { tlsFirst }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(syncAlways === undefined ? {} : { syncAlways }),
    subjectPrefix,
    stream,
  };
}

function telemetryOf({ traces, ...rest }: ConfigFile['telemetry']): TelemetryConfig {
  return {
    ...rest,
    traces: { exporter: traces.exporter, endpoint: traces.endpoint ?? DEFAULT_ENDPOINTS[traces.exporter] },
  };
}

function complete(path: string, file: ConfigFile, texts: Texts, env: Environment): Omit<Config, 'warnings'> {
  const { bufferSize, ...supervisor } = file.supervisor;
  return {
    path,
    clusters: new Map(Object.entries(file.clusters).map(([name, cluster]) => [name, clusterOf(name, cluster, texts)])),
    nats: natsOf(file.nats, texts, { folder: dirname(resolve(path)), env }),
    supervisor: { ...supervisor, bufferSizeBytes: bufferSize },
    journal: file.journal,
    defaults: { ...DEFAULT_PARAMETERS, ...file.defaults },
    follow: file.follow,
    telemetry: telemetryOf(file.telemetry),
  };
}

/**
 * Reads one YAML file. Throws `Failed` `invalid_config` whose reason has a line for every fault, each with file, line and path.
 * Syntax faults are told alone, since nothing can be checked behind them; everything else at once.
 */
export async function loadConfig(path: string, env: Environment = environment()): Promise<Config> {
  const { document, lines, tree: written } = parseYaml(path, await readText(path));
  const { tree, faults: unset } = substitute(written, env);
  const attached = await readAttachments(tree, dirname(resolve(path)));
  const parsed = fileSchema.safeParse(tree);
  const earlier = new Set(unset.map((fault) => shownPath(fault.path)));
  const checked = parsed.success ? [] : faultsOf(parsed.error.issues, tree);
  const faults = [...unset, ...[...checked, ...attached.faults].filter((fault) => !earlier.has(shownPath(fault.path)))];
  if (!parsed.success || faults.length > 0) {
    const placed = faults.map((fault) => ({
      line: lineOf(document, lines, fault.path),
      text: fault.path.length === 0 ? fault.message : `${shownPath(fault.path)}: ${fault.message}`,
    }));
    throw reject(
      path,
      placed.toSorted((a, b) => a.line - b.line).map(({ line, text }) => `${path}:${line}: ${text}`),
    );
  }
  const config = complete(path, parsed.data, attached.texts, env);
  return { ...config, warnings: warningsOf(config) };
}
