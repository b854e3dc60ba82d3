const SIZE_UNITS: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3, tb: 1024 ** 4 };
const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function quantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, digits = '', unit = ''] = match;
  const factor = unit === '' ? 1 : units[unit.toLowerCase()];
  if (factor === undefined) return undefined;
  const value = Number(digits) * factor;
  return Number.isSafeInteger(Math.round(value)) ? Math.round(value) : undefined;
}

/** Bytes of `32mb`, `512kb`, `1.5gb` (powers of 1024, as Elasticsearch counts) or of a bare number; undefined when it is neither. */
export function parseSize(text: string): number | undefined {
  return quantity(text, SIZE_UNITS);
}

/** Milliseconds of `500ms`, `30s`, `5m`, `12h`, `1d` or of a bare number; undefined when it is neither. */
export function parseDuration(text: string): number | undefined {
  return quantity(text, TIME_UNITS);
}

function inLargestUnit(value: number, units: Readonly<Record<string, number>>, smallest: string): string {
  const fitting = Object.entries(units).filter(([, factor]) => value > 0 && value % factor === 0);
  const [unit, factor] = fitting.at(-1) ?? [smallest, 1];
  return `${value / factor}${unit}`;
}

export function formatSize(sizeBytes: number): string {
  return inLargestUnit(sizeBytes, SIZE_UNITS, 'b');
}

export function formatDuration(durationMs: number): string {
  return inLargestUnit(durationMs, TIME_UNITS, 'ms');
}
