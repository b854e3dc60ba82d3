import type { Config } from './config.ts';

const HIDDEN = '***';
const SECRET_KEYS: ReadonlySet<string> = new Set(['apiKey', 'password', 'token', 'credentials', 'seed', 'keyPem']);

function redacted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redacted);
  if (value instanceof Map) return redacted(Object.fromEntries(value));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      SECRET_KEYS.has(key) && typeof inner === 'string'
        ? HIDDEN
        : key === 'caPem' || key === 'certPem'
          ? '(PEM)'
          : redacted(inner),
    ]),
  );
}

/** The configuration as plain JSON, with `***` in place of every secret. */
export function redactedConfig(config: Config): unknown {
  return redacted(config);
}
