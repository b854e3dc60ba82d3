import { z } from 'zod';
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts';

interface Bounds {
  readonly min: number;
  readonly max: number;
}

function quantity(
  kind: string,
  example: string,
  about: string,
  bounds: Bounds,
  parse: (text: string) => number | undefined,
  format: (value: number) => string,
) {
  const range = `${format(bounds.min)} to ${bounds.max === Number.MAX_SAFE_INTEGER ? 'unlimited' : format(bounds.max)}`;
  const expected = `expected a ${kind} ${example}, from ${range}`;
  return z
    .union([z.number(), z.string()], { error: expected })
    .transform((value, context) => {
      const parsed = typeof value === 'string' ? parse(value) : value;
      if (parsed !== undefined && Number.isSafeInteger(parsed) && parsed >= bounds.min && parsed <= bounds.max)
        return parsed;
      context.issues.push({ code: 'custom', message: expected, input: value });
      return z.NEVER;
    })
    .meta({ description: about, shown: `${kind}, ${range}` });
}

/** Gives bytes; takes `32mb` or a number of bytes. */
export const size = (about: string, bounds: Bounds) =>
  quantity('size', 'such as 32mb (bare number: bytes)', about, bounds, parseSize, formatSize);

/** Gives milliseconds; takes `500ms`, `30s` or a number of milliseconds. */
export const duration = (about: string, bounds: Bounds) =>
  quantity('time', 'such as 500ms or 30s (bare number: milliseconds)', about, bounds, parseDuration, formatDuration);

function numeric(kind: string, about: string, bounds: Bounds, fits: (value: number) => boolean) {
  const range = `${bounds.min} to ${bounds.max}`;
  const expected = `expected a ${kind}, from ${range}`;
  return z
    .union([z.number(), z.string()], { error: expected })
    .transform((value, context) => {
      const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
      if (typeof parsed === 'number' && fits(parsed) && parsed >= bounds.min && parsed <= bounds.max) return parsed;
      context.issues.push({ code: 'custom', message: expected, input: value });
      return z.NEVER;
    })
    .meta({ description: about, shown: `${kind}, ${range}` });
}

/** Takes digits as text too, so that a number can come from the environment or a command line. */
export const count = (about: string, bounds: Bounds) => numeric('whole number', about, bounds, Number.isSafeInteger);

export const share = (about: string, bounds: Bounds) => numeric('number', about, bounds, Number.isFinite);
