import { stripVTControlCharacters } from 'node:util';

const segmenter = new Intl.Segmenter();
const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const WIDE =
  /^(?:\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Emoji_Presentation}|[\u3000-\u303f\uff01-\uff60\uffe0-\uffe6])/u;
const ZERO = /^[\p{Mark}\p{Cf}]+$/u;

function clusterWidth(cluster: string): number {
  if (ZERO.test(cluster)) return 0;
  return WIDE.test(cluster) ? 2 : 1;
}

/** Cells that a text without control characters takes on a terminal. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += clusterWidth(segment);
  return width;
}

/** At most `width` cells, with … in place of what was cut. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let cut = '';
  let used = 0;
  for (const { segment } of segmenter.segment(text)) {
    used += clusterWidth(segment);
    if (used > width - 1) break;
    cut += segment;
  }
  return `${cut}…`;
}

/** What servers and journals say, as one line that cannot steer the terminal. */
export function oneLine(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .trim();
}

const COLOURS = { red: 31, green: 32, yellow: 33, magenta: 35, cyan: 36, bold: 1, dim: 2 } as const;
export type Colour = keyof typeof COLOURS;
export type Paint = (colour: Colour, text: string) => string;

/** Colours only on a terminal, and never with NO_COLOR. */
export function painter({
  isTty,
  env,
}: {
  readonly isTty: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}): Paint {
  const plain = !isTty || (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  return plain ? (_, text) => text : (colour, text) => `\u001b[${COLOURS[colour]}m${text}\u001b[0m`;
}

export function integer(value: number | null): string {
  return value === null ? '-' : grouped.format(value);
}

/** One digit behind the point below ten, none above. */
export function rounded(value: number | null): string {
  if (value === null) return '-';
  return value > 0 && value < 10 ? value.toFixed(1) : integer(value);
}

/** `4s`, `3m10s`, `2h05m`. */
export function shortDuration(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, '0')}s`;
  return `${Math.floor(seconds / 3600)}h${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')}m`;
}
