import { isRecord } from './json-tree.ts';
import { classOf, OVERRIDABLE_FIXED } from './setting-rules.ts';

export type SettingValue = string | readonly string[];

/** null resets a setting to its default. */
export type SettingValues = Readonly<Record<string, SettingValue | null>>;

/** Clusters print a setting that was reset as null under its key, and a list of one as a list or as its member. */
export function textOf(value: unknown): string | undefined {
  const setting = settingOf(value);
  return setting === null ? undefined : [setting].flat().join('\u0000');
}

/** Any scalar or list as a cluster prints it. */
export function settingOf(value: unknown): SettingValue | null {
  if (value === undefined || value === null) return null;
  return Array.isArray(value) ? value.map(scalar) : scalar(value);
}

function scalar(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export function sameValue(one: unknown, other: unknown): boolean {
  return textOf(one) === textOf(other);
}

export const SHARDS_KEY = 'index.number_of_shards';
/** That of Elasticsearch. */
export const SHARDS_MAX = 1024;

export interface ReadOverrides {
  readonly settings: SettingValues;
  /** One sentence for each setting that cannot be overridden. */
  readonly faults: readonly string[];
}

/** Settings as people write them (flat or nested, with or without `index.`, any scalar) as flat keys with text. */
export function readOverrides(given: Readonly<Record<string, unknown>>): ReadOverrides {
  const settings: Record<string, SettingValue | null> = {};
  const faults: string[] = [];
  for (const [path, value] of leaves(given, '')) {
    const key = path.startsWith('index.') ? path : `index.${path}`;
    const kind = classOf(key);
    if (key in settings) faults.push(`${key} is given twice`);
    else if (kind === 'private' || key.startsWith('index.blocks.')) faults.push(`${key} cannot be set on a follower`);
    else if (kind === 'fixed' && !OVERRIDABLE_FIXED.has(key)) faults.push(`${key} must equal the leader's`);
    else if (key === SHARDS_KEY && !isShardCount(value))
      faults.push(`${key} must be a whole number of 1 to ${SHARDS_MAX}`);
    else if (managedFault(key, value) !== undefined) faults.push(`${key} must be ${managedFault(key, value)}`);
    else settings[key] = value;
  }
  return { settings, faults };
}

const TIME = 'a time such as 30s, or -1';

/** Of settings that have other values while an index is copied: a cluster would refuse them hours later, when everything is there. */
const MANAGED_VALUES: Readonly<Record<string, readonly [pattern: RegExp, expected: string]>> = {
  'index.number_of_replicas': [/^\d{1,9}$/, 'a whole number from 0'],
  'index.auto_expand_replicas': [/^(?:false|\d{1,9}-(?:\d{1,9}|all))$/, 'false or a range such as 0-1 or 0-all'],
  'index.refresh_interval': [/^(?:-1|0|\d+(?:nanos|micros|ms|s|m|h|d))$/i, TIME],
  'index.gc_deletes': [/^(?:-1|0|\d+(?:nanos|micros|ms|s|m|h|d))$/i, TIME],
  'index.translog.durability': [/^(?:request|async)$/i, 'request or async'],
};

function managedFault(key: string, value: SettingValue | null): string | undefined {
  const [pattern, expected] = MANAGED_VALUES[key] ?? [];
  if (value === null || pattern === undefined) return undefined;
  return typeof value === 'string' && pattern.test(value) ? undefined : expected;
}

function isShardCount(value: SettingValue | null): boolean {
  return typeof value === 'string' && /^[1-9]\d*$/.test(value) && Number(value) <= SHARDS_MAX;
}

function* leaves(node: Readonly<Record<string, unknown>>, prefix: string): Generator<[string, SettingValue | null]> {
  for (const [name, value] of Object.entries(node)) {
    if (isRecord(value)) yield* leaves(value, `${prefix}${name}.`);
    else if (value !== undefined) yield [prefix + name, settingOf(value)];
  }
}

const unitMs: Readonly<Record<string, number>> = {
  nanos: 1e-6,
  micros: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A time value of a cluster (`500ms`, `15m`) in ms; undefined when it is none. */
export function durationMs(text: string): number | undefined {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(nanos|micros|ms|s|m|h|d)$/.exec(text.trim().toLowerCase()) ?? [];
  const factor = unitMs[unit ?? ''];
  return amount === undefined || factor === undefined ? undefined : Number(amount) * factor;
}
