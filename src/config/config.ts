import type { IndexRef } from '../domain/names.ts';
import type { FollowParameters } from '../domain/parameters.ts';

export type ClusterAuth =
  | { readonly kind: 'none' }
  /** The encoded form, as Elasticsearch's create API key answers it (`encoded`). */
  | { readonly kind: 'apiKey'; readonly apiKey: string }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string };

export interface ClusterConfig {
  readonly name: string;
  /** At least one; http or https, without credentials. */
  readonly urls: readonly string[];
  readonly auth: ClusterAuth;
  /** Content of `caFile`. */
  readonly caPem?: string;
  /** gzip of requests and answers. */
  readonly compression: boolean;
  readonly requestTimeoutMs: number;
  readonly maxConnections: number;
  readonly readRateLimitBytesPerSecond?: number;
}

export type NatsAuth =
  | { readonly kind: 'none' }
  /** Content of `credentialsFile`. */
  | { readonly kind: 'credentials'; readonly credentials: string }
  | { readonly kind: 'nkey'; readonly seed: string }
  | { readonly kind: 'userPassword'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string };

/** A NATS server that the supervisor runs itself, as a child, on this machine. */
export interface OwnNatsConfig {
  /** Absolute. */
  readonly dataFolder: string;
  /** Absent: to be found in `PATH`, or fetched. */
  readonly serverBinary?: string;
  /** Absent: a free one. */
  readonly port?: number;
}

export interface NatsConfig {
  /** Empty exactly if `own` is there. */
  readonly servers: readonly string[];
  readonly own?: OwnNatsConfig;
  readonly auth: NatsAuth;
  readonly caPem?: string;
  readonly certPem?: string;
  readonly keyPem?: string;
  readonly tlsFirst?: boolean;
  /** Absent: what the servers allow, up to 3. */
  readonly replicas?: number;
  /** The operator states that every write is synced. */
  readonly syncAlways?: boolean;
  readonly subjectPrefix: string;
  readonly stream: string;
}

export interface JournalConfig {
  readonly historyAgeMs: number;
  readonly historyEvents: number;
}

export interface SupervisorConfig {
  readonly name: string;
  /** Bytes of documents held in memory, over all pairs. */
  readonly bufferSizeBytes: number;
  readonly bufferOperations: number;
  readonly pollIntervalMs: number;
  readonly pollIntervalMaxMs: number;
  readonly positionIntervalMs: number;
  readonly drainTimeoutMs: number;
}

export interface FollowEntry {
  readonly leader: IndexRef;
  readonly follower: IndexRef;
  readonly parameters: Partial<FollowParameters>;
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface TelemetryConfig {
  readonly traces: { readonly exporter: 'otlp' | 'zipkin' | 'none'; readonly endpoint: string };
  /** Holds `{traceId}`. */
  readonly uiTraceUrl?: string;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
}

/** A configuration that was read, checked and completed. Holds secrets: print it only through `redact.ts`. */
export interface Config {
  /** Of the file it came from. */
  readonly path: string;
  /** By name. May be empty: a client of a running supervisor needs none. */
  readonly clusters: ReadonlyMap<string, ClusterConfig>;
  readonly nats: NatsConfig;
  readonly supervisor: SupervisorConfig;
  readonly journal: JournalConfig;
  readonly defaults: FollowParameters;
  readonly follow: readonly FollowEntry[];
  readonly telemetry: TelemetryConfig;
  /** What is legal but unwise, one sentence each. */
  readonly warnings: readonly string[];
}
