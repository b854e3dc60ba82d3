import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';
import { cut } from './attributes.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogOptions {
  readonly level: LogLevel | 'silent';
  /** Stands on every line, e.g. `{ service: 'slipstream', instance: 'a1' }`. */
  readonly base: Readonly<Record<string, string>>;
  /** Standard output by default. */
  readonly destination?: DestinationStream;
}

/** One JSON object a line: `time` (ISO 8601), `level` (a word), `message`, then fields. */
export function structuredLog(options: LogOptions): Logger {
  const settings = {
    level: options.level,
    base: options.base,
    messageKey: 'message',
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination);
}

const TEXT_LENGTH_MAX = 1024;
const DEPTH_MAX = 4;
const ENTRIES_MAX = 50;
const UNTELLABLE = /passw|secret|authorization|api_?key|token|credential|cookie|_source|^(source|doc|document|body)$/i;
const USER_INFO = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi;

/**
 * A second line of defence behind callers that do not pass secrets and documents at all: fields that are named like one are
 * replaced, users and passwords in URLs are cut out, and everything is bounded.
 */
export function tellable(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return boundedRecord(fields, 0);
}

export function tellableText(text: string): string {
  return cut(text.replace(USER_INFO, '$1'), TEXT_LENGTH_MAX);
}

function boundedRecord(fields: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(fields).slice(0, ENTRIES_MAX);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, UNTELLABLE.test(key) ? '[left out]' : boundedValue(value, depth)]),
  );
}

function boundedValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return tellableText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error)
    return { name: value.name, message: tellableText(value.message), stack: tellableText(value.stack ?? '') };
  if (depth >= DEPTH_MAX || ArrayBuffer.isView(value)) return '[left out]';
  if (Array.isArray(value)) return value.slice(0, ENTRIES_MAX).map((entry: unknown) => boundedValue(entry, depth + 1));
  return boundedRecord(value, depth + 1);
}
