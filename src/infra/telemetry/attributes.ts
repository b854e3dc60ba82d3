/**
 * Everything that leaves in spans and metrics passes this table, so that a new field of a caller cannot carry a secret or a
 * piece of a document out by accident: what is not named here is dropped. `docs/traces.md` explains each name to users.
 *
 * Callers name attributes plainly (`operations`, `fromSeqNo`) or by the exported name. The table gives that: OpenTelemetry's semantic
 * conventions where one fits (`db.*`, `error.type`), else `slipstream.*`.
 */
export const VALUE_LENGTH_MAX = 256;

type Use = 'span' | 'both';

const conventional = [
  ['cluster', 'db.namespace', 'both'],
  ['index', 'db.collection.name', 'both'],
  ['status', 'db.response.status_code', 'both'],
  ['code', 'error.type', 'both'],
] as const;

/** Few values each: good for metrics too. */
const labels = 'pair state from to event kind op result transport command direction';

/** Too many values for a metric. */
const ofTransitions = `cause by checkpoint epoch term attempt desired shard commandId clockWentBackMs previousTraceId runTraceId requestTraceId
  failureKind failureOp failureReason`;
const ofCycles = `operations documents deletes creates updates conflicts bytes bytesRead bytesWritten bytesOnWire requests searches
  pages pageSize bulks hits buckets retries ranges range complete refreshed fromSeqNo toSeqNo globalCheckpoint maxSeqNo lag
  lagOperations missing extras expected deleted count mapping settings aliases confirmed leaderDocuments followerDocuments method outcome reason progress tookMs waitedMs
  throttledMs`;

const table: readonly (readonly [key: string, name: string, use: Use])[] = [
  ...conventional,
  ...words(labels).map((key) => [key, ourName(key), 'both'] as const),
  ...words(`${ofTransitions} ${ofCycles}`).map((key) => [key, ourName(key), 'span'] as const),
];
const names: ReadonlyMap<string, string> = new Map(table.map(([key, name]) => [key, name]));
const uses: ReadonlyMap<string, Use> = new Map(table.map(([, name, use]) => [name, use]));

export type AttributeValue = string | number | boolean;

/** The exported name of a caller's key (itself, if it is one already), or undefined when it must not leave. */
export function exportedName(key: string, use: 'span' | 'metric'): string | undefined {
  const name = names.get(key) ?? key;
  const allowed = uses.get(name);
  return allowed === undefined || (use === 'metric' && allowed === 'span') ? undefined : name;
}

/**
 * @param dropped told of every key that may not leave.
 * @returns exported names with values that are cut to `VALUE_LENGTH_MAX`; undefined and non-finite values are left out.
 */
export function exported(
  attributes: Readonly<Record<string, unknown>>,
  use: 'span' | 'metric',
  dropped: (key: string) => void,
): Record<string, AttributeValue> {
  const out: Record<string, AttributeValue> = {};
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    const name = exportedName(key, use);
    if (name === undefined) dropped(key);
    else if (typeof value === 'string') out[name] = cut(value, VALUE_LENGTH_MAX);
    else if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) out[name] = value;
  }
  return out;
}

export function cut(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`;
}

function ourName(key: string): string {
  return `slipstream.${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
}

function words(text: string): string[] {
  return text.split(/\s+/);
}
