/** What is told of a status that is longer than the screen. */
import { stripVTControlCharacters } from 'node:util';
import type { IndexStatus, PairStatus } from '../domain/commands.ts';
import { displayWidth, integer } from './text.ts';

/** Lines that are told together or not at all. */
export interface Block {
  /** 0: most urgent. */
  readonly urgency: number;
  readonly lines: readonly string[];
}

export const LEAST_URGENT = 5;

const URGENCY = {
  fatal: 0,
  retrying: 1,
  paused: 3,
  bootstrapping: 4,
  following: LEAST_URGENT,
} as const satisfies Record<PairStatus['state'], number>;

/** Following, and yet not as it should. */
export function isHampered({ quarantined, foreignWrites, suspended, owner }: PairStatus): boolean {
  return quarantined > 0 || foreignWrites > 0 || suspended !== undefined || owner === null;
}

export function urgency(pair: PairStatus): number {
  return isHampered(pair) ? Math.min(2, URGENCY[pair.state]) : URGENCY[pair.state];
}

/** Of equal ones the order stays. */
export function byUrgency<T extends { readonly urgency: number }>(all: readonly T[]): readonly T[] {
  return all.toSorted((a, b) => a.urgency - b.urgency);
}

function stateOf(pair: PairStatus): string {
  const { state, suspended, quarantined, owner } = pair;
  if (suspended !== undefined) return `${state}, suspended`;
  if (owner === null && state !== 'paused' && state !== 'fatal') return `${state}, without a supervisor`;
  return quarantined > 0 ? `${state}, with errors` : state;
}

/** `10,000 shards of 2,000 indices: 3 fatal; 9,997 following` */
export function summary(indices: readonly IndexStatus[]): string {
  const pairs = byUrgency(indices.flatMap((index) => index.pairs.map((pair) => ({ pair, urgency: urgency(pair) }))));
  const states = Map.groupBy(pairs, ({ pair }) => stateOf(pair));
  const counts = [...states].map(([state, members]) => `${integer(members.length)} ${state}`);
  const empty = indices.filter(({ pairs: none }) => none.length === 0).length;
  const without = empty === 0 ? [] : [`${integer(empty)} ${empty === 1 ? 'index' : 'indices'} without shards`];
  const of = `${integer(indices.length)} ${indices.length === 1 ? 'index' : 'indices'}`;
  return `${integer(pairs.length)} shards of ${of}: ${[...counts, ...without].join('; ')}`;
}

/** Lines that texts take where the terminal breaks them. */
export function height(lines: readonly string[], columns: number): number {
  return lines.reduce(
    (sum, line) => sum + Math.max(1, Math.ceil(displayWidth(stripVTControlCharacters(line)) / columns)),
    0,
  );
}

/** As many as fit, the most urgent first and at least one, and how many do not. */
export function fitting(blocks: readonly Block[], rows: number, columns: number): readonly string[] {
  const sorted = byUrgency(blocks);
  const lines: string[] = [];
  for (const [at, block] of sorted.entries()) {
    // What separates it from the table, and what tells of the rest.
    const around = at + 1 < sorted.length ? 2 : 1;
    if (at > 0 && height([...lines, ...block.lines], columns) + around > rows)
      return ['', ...lines, `… ${integer(sorted.length - at)} more; slipstream status --all tells them`];
    lines.push(...block.lines);
  }
  return lines.length === 0 ? [] : ['', ...lines];
}
