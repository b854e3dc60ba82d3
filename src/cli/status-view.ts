import type { IndexStatus, PairStatus } from '../domain/commands.ts';
import { indexKey } from '../domain/names.ts';
import type { Outage } from '../domain/outage.ts';
import { failureLine } from './report.ts';
import { byUrgency, fitting, height, isHampered, LEAST_URGENT, summary, urgency, type Block } from './status-short.ts';
import { renderTable, type Cell, type Column } from './table.ts';
import { shownTarget } from './targets.ts';
import { integer, oneLine, rounded, shortDuration, type Colour, type Paint } from './text.ts';

export const NOTHING_FOLLOWED =
  'Nothing is followed. Begin with: slipstream follow <leader cluster:index> <follower cluster:index>\n';

/** For what is tried again. A hint by itself stands in answers of processes that have ended, too. */
const KEEPS_TRYING = 'Slipstream keeps trying, and goes on by itself.';

const BAR_CELLS = 10;

const COLUMNS: readonly Column[] = [
  { title: 'FOLLOWER', align: 'left', minWidth: 12, droppable: 0 },
  { title: 'SHARD', align: 'right', droppable: 0 },
  { title: 'STATE', align: 'left', minWidth: 12, droppable: 0 },
  { title: 'PROGRESS', align: 'left', droppable: 3 },
  { title: 'LAG OPS', align: 'right', droppable: 1 },
  { title: 'LAG S', align: 'right', droppable: 2 },
  { title: 'DOCS', align: 'right', droppable: 4 },
  { title: 'OPS/S', align: 'right', droppable: 5 },
  { title: 'MB/S', align: 'right', droppable: 6 },
  { title: 'OWNER', align: 'left', droppable: 7 },
];

const STATE_COLOURS = {
  bootstrapping: 'cyan',
  following: 'green',
  retrying: 'yellow',
  paused: 'magenta',
  fatal: 'red',
} as const satisfies Record<PairStatus['state'], Colour>;

export interface StatusView {
  readonly columns: number;
  /** Lines at most; Infinity when the output scrolls. */
  readonly rows: number;
  readonly nowMs: number;
  readonly paint: Paint;
  /** With `{traceId}`. */
  readonly uiTraceUrl?: string | undefined;
}

function inProgress({ state, progress }: PairStatus): boolean {
  return state === 'bootstrapping' || (progress > 0 && progress < 1);
}

function progressBar(progress: number): string {
  const share = Math.min(1, Math.max(0, progress));
  const full = Math.floor(share * BAR_CELLS);
  return `${'█'.repeat(full)}${'░'.repeat(BAR_CELLS - full)} ${String(Math.floor(share * 100)).padStart(3)}%`;
}

function stateText(pair: PairStatus, nowMs: number): string {
  const { state, desired, failure, attempt, nextTryAtMs } = pair;
  const reason = failure === undefined ? '' : `: ${oneLine(failure.reason)}`;
  if (state === 'retrying')
    return `retrying (${attempt})${nextTryAtMs === undefined ? '' : ` in ${shortDuration(nextTryAtMs - nowMs)}`}${reason}`;
  if (state === 'fatal') return `fatal: ${failure?.code ?? 'no reason recorded'}`;
  if (pair.suspended !== undefined) return `${state}, suspended: no lease`;
  if (desired === 'paused' && state !== 'paused') return `${state}, pausing`;
  const text = desired === 'running' && state === 'paused' ? 'paused, resuming' : state;
  return pair.quarantined > 0 ? `${text}, with errors` : text;
}

function pairRow(pair: PairStatus, nowMs: number): readonly Cell[] {
  return [
    { text: shownTarget({ follower: pair.follower }) },
    { text: String(pair.shard) },
    {
      text: stateText(pair, nowMs),
      colour: isHampered(pair) && pair.state === 'following' ? 'yellow' : STATE_COLOURS[pair.state],
    },
    { text: inProgress(pair) ? progressBar(pair.progress) : '' },
    { text: integer(pair.lagOperations) },
    { text: rounded(pair.lagSeconds) },
    { text: integer(pair.followerDocuments) },
    { text: integer(pair.operationsPerSecond) },
    { text: rounded(pair.bytesPerSecond / 1e6) },
    { text: pair.owner?.supervisor ?? 'none' },
  ];
}

/** Why a pair needs somebody's attention; undefined for one that does not. */
function standstill(pair: PairStatus): string | undefined {
  const { state, failure, quarantined, foreignWrites, owner, suspended } = pair;
  if (suspended !== undefined) return `${state}, suspended: ${failureLine(suspended)}`;
  if (owner === null && state !== 'paused' && state !== 'fatal') return `${state}, when a supervisor takes it up`;
  if (state === 'following' || state === 'bootstrapping')
    return quarantined > 0
      ? `${state}, with errors: ${integer(quarantined)} in quarantine`
      : foreignWrites > 0
        ? `${state}: ${integer(foreignWrites)} operations on the follower were not Slipstream's`
        : undefined;
  if (failure !== undefined) return `${state}: ${failureLine(failure)}`;
  return state === 'paused' ? 'paused: by command' : `${state}: no reason recorded`;
}

function nextStep(pair: PairStatus, target: string): string {
  const { follower, state, failure, quarantined, foreignWrites, owner, suspended } = pair;
  if (suspended !== undefined) return oneLine(suspended.hint);
  if (owner === null && state !== 'paused' && state !== 'fatal')
    return 'A supervisor that runs takes it up within 20 s; start one where none does.';
  if (failure === undefined && state !== 'paused' && quarantined > 0)
    return `slipstream quarantine list ${target} tells why; slipstream quarantine retry ${target}, once that is put right.`;
  if (failure !== undefined) return `${oneLine(failure.hint)}${state === 'retrying' ? ` ${KEEPS_TRYING}` : ''}`;
  if (state === 'paused') return `slipstream resume ${target}; slipstream events ${target} tells who paused it`;
  if (foreignWrites > 0) return `slipstream verify ${shownTarget({ follower })} names what differs.`;
  return `slipstream events ${target} tells what happened.`;
}

/** `0-2,5` of sorted numbers. */
function ranges(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(',');
}

/** Shards of one index that stand still for the same reason are told once, and never cut: the terminal may break the line. */
function attention(pairs: readonly PairStatus[], { paint, uiTraceUrl }: StatusView): readonly Block[] {
  const groups = Map.groupBy(pairs, (pair) => `${indexKey(pair.follower)} ${standstill(pair) ?? ''}`);
  return [...groups.values()].flatMap((members) => {
    const [first] = members;
    const reason = first === undefined ? undefined : standstill(first);
    if (first === undefined || reason === undefined) return [];
    const { follower, shard, state, traceId } = first;
    const target = shownTarget(members.length === 1 ? { follower, shard } : { follower });
    const shards = ranges(members.map((member) => member.shard));
    const linked = uiTraceUrl !== undefined && traceId !== null;
    const lines = [
      paint(STATE_COLOURS[state], `${shownTarget({ follower })}/${shards} ${reason}`),
      `  next: ${nextStep(first, target)}`,
      ...(linked ? [`  trace: ${uiTraceUrl.replaceAll('{traceId}', traceId)}`] : []),
    ];
    return [{ urgency: urgency(first), lines }];
  });
}

/** A cluster that is away is told once, for all its pairs. */
function away(outages: readonly Outage[], { nowMs, paint }: StatusView): readonly Block[] {
  return outages.map(({ cluster, sinceMs, nextProbeAtMs, waiting, failure }) => {
    const next = nextProbeAtMs === undefined ? 'now' : `in ${shortDuration(Math.max(0, nextProbeAtMs - nowMs))}`;
    const since = shortDuration(Math.max(0, nowMs - sinceMs));
    const lines = [
      paint('yellow', `cluster ${cluster} does not answer, for ${since}: ${failureLine(failure, cluster)}`),
      `  ${integer(waiting)} shards wait and go on by themselves; next probe ${next}`,
      `  next: ${oneLine(failure.hint)}`,
    ];
    return { urgency: 0, lines };
  });
}

function outagesOf(indices: readonly IndexStatus[]): readonly Outage[] {
  const all = indices.flatMap(({ outages = [] }) => outages.map((outage) => [outage.cluster, outage] as const));
  return [...new Map(all).values()];
}

function byName(a: IndexStatus, b: IndexStatus): number {
  return indexKey(a.follower) < indexKey(b.follower) ? -1 : 1;
}

/** Sorted by follower and shard, whatever order the supervisor answers in. */
export function sortedStatus(indices: readonly IndexStatus[]): readonly IndexStatus[] {
  return indices
    .toSorted(byName)
    .map((index) => ({ ...index, pairs: index.pairs.toSorted((a, b) => a.shard - b.shard) }));
}

interface Line {
  readonly urgency: number;
  readonly cells: readonly Cell[];
}

function tableLines(indices: readonly IndexStatus[], { nowMs }: StatusView): readonly Line[] {
  return indices.flatMap((index): readonly Line[] =>
    index.pairs.length === 0
      ? [{ urgency: 1, cells: [{ text: shownTarget(index) }, { text: '-' }, { text: oneLine(index.state) }] }]
      : index.pairs.map((pair) => ({ urgency: urgency(pair), cells: pairRow(pair, nowMs) })),
  );
}

function blocks(indices: readonly IndexStatus[], view: StatusView): readonly Block[] {
  const outages = outagesOf(indices);
  const clusters = new Set(outages.map(({ cluster }) => cluster));
  const others = indices
    .flatMap(({ pairs }) => pairs)
    .filter(({ state, failure }) => state !== 'retrying' || !clusters.has(failure?.cluster ?? ''));
  const waiting = indices.flatMap(({ follower, failure, state }) =>
    failure === undefined
      ? []
      : [
          `${shownTarget({ follower })} next: ${oneLine(failure.hint)}${state.startsWith('not followed yet') ? ` ${KEEPS_TRYING}` : ''}`,
        ],
  );
  const notes = indices.flatMap((index) => (index.note === undefined ? [] : [`${shownTarget(index)}: ${index.note}`]));
  return [
    ...away(outages, view),
    ...attention(others, view),
    ...waiting.map((line) => ({ urgency: 1, lines: [line] })),
    ...notes.map((line) => ({ urgency: LEAST_URGENT, lines: [line] })),
  ];
}

function shownTable(
  lines: readonly Line[],
  pairs: readonly PairStatus[],
  { columns, paint }: StatusView,
): readonly string[] {
  const progress = COLUMNS.findIndex(({ title }) => title === 'PROGRESS');
  const anyInProgress = pairs.some(inProgress);
  // Who runs it is of interest where it is not always the same.
  const owner = COLUMNS.findIndex(({ title }) => title === 'OWNER');
  const severalOwners = new Set(pairs.map((pair) => pair.owner?.supervisor)).size > 1;
  const wanted = (_: unknown, at: number): boolean =>
    (at !== progress || anyInProgress) && (at !== owner || severalOwners);
  return renderTable(
    COLUMNS.filter(wanted),
    lines.map(({ cells }) => cells.filter(wanted)),
    columns,
    paint,
  );
}

/**
 * The table, and below it everything that stands still, with reason and next step. Where there is no room for that, how many shards are in
 * which state, and as much of both as fits, the most urgent first.
 */
export function renderStatus(found: readonly IndexStatus[], view: StatusView): string {
  if (found.length === 0) return NOTHING_FOLLOWED;
  const indices = sortedStatus(found);
  const pairs = indices.flatMap((index) => index.pairs);
  const lines = tableLines(indices, view);
  const told = blocks(indices, view);
  // The last line of the screen is the cursor's.
  const room = view.rows - 1;
  const whole = told.length === 0 ? [] : ['', ...told.flatMap((block) => block.lines)];
  if (1 + lines.length + height(whole, view.columns) <= room)
    return `${[...shownTable(lines, pairs, view), ...whole].join('\n')}\n`;
  const head = summary(indices);
  const below = fitting(told, Math.floor(room / 2), view.columns);
  const left = room - height([head, ...below], view.columns);
  const shown = Math.max(1, left - 1 < lines.length ? left - 2 : lines.length);
  const table = shownTable(byUrgency(lines).slice(0, shown), pairs, view);
  const more = lines.length - shown;
  const rest = more > 0 ? [`… ${integer(more)} more shards; slipstream status --all lists all`] : [];
  return `${[head, ...table, ...rest, ...below].join('\n')}\n`;
}
