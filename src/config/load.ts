import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { LineCounter, parseDocument, type Document } from 'yaml';
import { failed, type Failed } from '../domain/failure.ts';
import { DEFAULT_PARAMETERS } from '../domain/parameters.ts';
import { readAttachments } from './attachments.ts';
import type { ClusterAuth, ClusterConfig, Config, NatsAuth, NatsConfig, TelemetryConfig } from './config.ts';
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
      'Give the file with --config or SLIPSTREAM_CONFIG; slipstream.example.yml is one to start from.',
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

function natsOf(
  { credentialsFile: _, user, password, token, caFile: __, ...rest }: ConfigFile['nats'],
  texts: Texts,
): NatsConfig {
  const credentials = texts.get('nats.credentialsFile');
  let auth: NatsAuth = { kind: 'none' };
  if (credentials !== undefined) auth = { kind: 'credentials', credentials };
  else if (user !== undefined && password !== undefined) auth = { kind: 'userPassword', user, password };
  else if (token !== undefined) auth = { kind: 'token', token };
  return { ...rest, auth, ...withCa(texts, 'nats') };
}

function telemetryOf({ traces, ...rest }: ConfigFile['telemetry']): TelemetryConfig {
  return {
    ...rest,
    traces: { exporter: traces.exporter, endpoint: traces.endpoint ?? DEFAULT_ENDPOINTS[traces.exporter] },
  };
}

function complete(path: string, file: ConfigFile, texts: Texts): Omit<Config, 'warnings'> {
  const { bufferSize, ...supervisor } = file.supervisor;
  return {
    path,
    clusters: new Map(Object.entries(file.clusters).map(([name, cluster]) => [name, clusterOf(name, cluster, texts)])),
    nats: natsOf(file.nats, texts),
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
  const config = complete(path, parsed.data, attached.texts);
  return { ...config, warnings: warningsOf(config) };
}
