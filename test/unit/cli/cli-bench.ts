import type { Config } from '../../../src/config/config.ts';
import type { CliDependencies, StopSignal } from '../../../src/cli/dependencies.ts';
import { run } from '../../../src/cli/run.ts';
import type { CommandResult, ControlSurface, IndexStatus, PairStatus } from '../../../src/domain/commands.ts';
import { failed } from '../../../src/domain/failure.ts';
import { DEFAULT_PARAMETERS } from '../../../src/domain/parameters.ts';
import { memoryJournal, type MemoryJournal } from '../../support/memory-event-log.ts';
import { recordingSurface, type Call } from '../../support/control-bench.ts';

export const NOW_MS = Date.UTC(2026, 4, 1, 12, 0, 0);

const cluster = (name: string, url: string) =>
  ({
    name,
    urls: [url],
    auth: { kind: 'apiKey', apiKey: 'hush' },
    compression: true,
    requestTimeoutMs: 30_000,
    maxConnections: 16,
  }) as const;

export const config: Config = {
  path: './slipstream.yml',
  clusters: new Map([
    ['paris', cluster('paris', 'http://127.0.0.1:9200')],
    ['tokyo', cluster('tokyo', 'http://127.0.0.1:9201')],
  ]),
  nats: {
    servers: ['nats://127.0.0.1:4222'],
    auth: { kind: 'none' },
    subjectPrefix: 'slipstream',
    stream: 'SLIPSTREAM_JOURNAL',
  },
  supervisor: {
    name: 'one',
    bufferSizeBytes: 1 << 27,
    bufferOperations: 100_000,
    pollIntervalMs: 500,
    pollIntervalMaxMs: 1000,
    positionIntervalMs: 2000,
    drainTimeoutMs: 20_000,
  },
  journal: { historyAgeMs: 604_800_000, historyEvents: 1000 },
  defaults: DEFAULT_PARAMETERS,
  follow: [],
  telemetry: { traces: { exporter: 'otlp', endpoint: 'http://127.0.0.1:4318/v1/traces' }, logLevel: 'info' },
  warnings: [],
};

/** A command line run against nothing but memory. */
export interface Bench {
  readonly surface: ControlSurface & { readonly calls: Call[] };
  readonly journal: MemoryJournal;
  /** What was loaded, opened and closed, in order. */
  readonly log: string[];
  readonly deps: CliDependencies;
  out(): string;
  err(): string;
  /** The one JSON object of stdout. */
  json(): unknown;
  signal(signal: StopSignal): void;
  closeOutput(): void;
  run(...argv: readonly string[]): Promise<number>;
}

export interface BenchOptions {
  readonly answer?: (call: Call) => unknown;
  readonly deps?: Partial<CliDependencies>;
  readonly config?: Config;
  readonly journalWarnings?: readonly string[];
}

export function bench(options: BenchOptions = {}): Bench {
  const surface = recordingSurface(options.answer);
  const journal = memoryJournal('memory-journal', () => NOW_MS);
  const log: string[] = [];
  const texts = { out: '', err: '' };
  const listeners = new Set<(signal: StopSignal) => void>();
  const closed = new AbortController();
  const refuse = (what: string) => async (): Promise<never> => {
    throw failed('bug', { op: what, reason: 'not expected here' });
  };
  const deps: CliDependencies = {
    loadConfig: async (path) => {
      log.push(`load ${path}`);
      return options.config ?? config;
    },
    connectControl: async () => {
      log.push('connect');
      const journalWarnings = async () => options.journalWarnings ?? [];
      return { control: surface, journal: journal.open(), journalWarnings, close: async () => void log.push('close') };
    },
    startSupervisor: refuse('start'),
    verify: refuse('verify'),
    recover: refuse('recover'),
    checkReach: refuse('check'),
    diagnose: refuse('doctor'),
    stdout: { write: (text) => void (texts.out += text) },
    stderr: { write: (text) => void (texts.err += text) },
    env: {},
    isTty: false,
    columns: () => Number.POSITIVE_INFINITY,
    rows: () => Number.POSITIVE_INFINITY,
    now: () => NOW_MS,
    sleep: async () => undefined,
    onSignal: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    exit: (code) => void log.push(`exit ${code}`),
    outputClosed: closed.signal,
    user: 'cli:tester',
    version: '1.2.3',
    ...options.deps,
  };
  return {
    surface,
    journal,
    log,
    deps,
    out: () => texts.out,
    err: () => texts.err,
    json: () => JSON.parse(texts.out),
    signal: (signal) => [...listeners].forEach((listener) => listener(signal)),
    closeOutput: () => closed.abort(),
    run: (...argv) => run(argv, deps),
  };
}

const leader = { cluster: 'paris', index: 'cities' };
const follower = { cluster: 'tokyo', index: 'cities' };

export function pair(over: Partial<PairStatus> = {}): PairStatus {
  return {
    leader,
    follower,
    shard: 0,
    state: 'following',
    desired: 'running',
    owner: { supervisor: 'only', term: 1 },
    attempt: 0,
    epoch: 1,
    aligned: true,
    checkpoint: 99,
    leaderGlobalCheckpoint: 99,
    leaderMaxSeqNo: 99,
    lagOperations: 0,
    lagSeconds: 0,
    followerDocuments: 67_616,
    leaderDocuments: 67_616,
    outstandingDeletes: 0,
    quarantined: 0,
    quarantinedWithoutCopy: 0,
    progress: 1,
    operationsWritten: 70_000,
    bytesRead: 12_000_000,
    operationsPerSecond: 0,
    bytesPerSecond: 0,
    conflicts: 0,
    deleteScans: 0,
    deletesFound: 0,
    scanSurprises: 0,
    foreignWrites: 0,
    overwritten: 0,
    retries: 0,
    transitions: 2,
    traceId: '0af7651916cd43dd8448eb211c80319c',
    ...over,
  };
}

export function index(pairs: readonly PairStatus[], over: Partial<IndexStatus> = {}): IndexStatus {
  return {
    leader,
    follower: pairs[0]?.follower ?? follower,
    state: 'prepared',
    shards: pairs.length,
    followerShards: pairs.length,
    aligned: true,
    pairs,
    ...over,
  };
}

export function accepted(over: Partial<CommandResult> = {}): CommandResult {
  return {
    commandId: 'c1',
    accepted: true,
    effective: true,
    pairs: [{ shard: 0, accepted: true, effective: true, state: 'paused' }],
    ...over,
  };
}
