/** The figures as text for people and as one object for programs. */
import type { Percentiles } from '../demo/visibility.ts';
import type { CycleResult } from './cycle.ts';
import type { GroupResult } from './first-copy.ts';
import type { LiveResult } from './live.ts';
import type { Group } from './options.ts';
import type { PriceResult } from './price.ts';
import { median, NOISE_LIMIT, type NoiseVerdict } from './statistics.ts';
import { cpuPerMillion, type Figures, ratioTo, type Target, targetsOf } from './targets.ts';
import type { CpuSeconds } from './world.ts';

const WAYS: Readonly<Record<Group, string>> = {
  slipstream: 'Slipstream',
  reindex: '_reindex from remote, plain',
  'reindex-ranges': '_reindex from remote, fastest',
  elasticdump: 'elasticdump, tuned',
  floor: 'floor: prepared bulk bodies',
  'floor-reading': 'the same with versions, while the leader is read',
};
const OWNERS: readonly (keyof CpuSeconds)[] = ['leader', 'follower', 'supervisor', 'client', 'nats'];

export function reportText(figures: Figures): string {
  const { groups, live, price, big, noise, documents, rounds } = figures;
  const sections = [
    groups.length > 0 ? copyLines(groups, documents, rounds) : [],
    live ? liveLines(live) : [],
    price ? priceLines(price) : [],
    big ? bigLines(big) : [],
    targetLines(targetsOf(figures)),
    groups.length > 0 ? noiseLines(noise) : [],
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function copyLines(groups: readonly GroupResult[], documents: number, rounds: number): readonly string[] {
  const head = ['seconds', 'docs/s', 'x', ...OWNERS].map((name) => name.padStart(11)).join('');
  const lines = groups.map(({ group, variant, medianSeconds, runs }) => {
    const cpu = OWNERS.map((owner) => median(runs.map(({ cpuSeconds }) => cpuSeconds[owner])).toFixed(1));
    const ratio = ratioTo(groups, group)?.toFixed(2) ?? '-';
    const cells = [medianSeconds.toFixed(1), integer(documents / medianSeconds), ratio, ...cpu];
    const which = variant === group ? '' : ` (${variant})`;
    return `${(WAYS[group] + which).padEnd(52)}${cells.map((cell) => cell.padStart(11)).join('')}`;
  });
  const left = groups.flatMap(({ others }) =>
    others.map((other) => `${other.variant} ${other.medianSeconds.toFixed(1)} s`),
  );
  return [
    `First copy: ${integer(documents)} documents, medians of ${rounds}; x: Slipstream is so many times as fast; then CPU seconds`,
    `${''.padEnd(52)}${head}`,
    ...lines,
    ...(left.length > 0 ? [`Slower variants: ${left.join(', ')}`] : []),
  ];
}

function liveLines(live: LiveResult): readonly string[] {
  const { cpuSeconds } = live.cost;
  const line = (what: string, times: Percentiles): string => `  ${what.padEnd(34)}${percentileText(times)}`;
  return [
    `Live: ${integer(live.operationsPerSecond)} operations a second, ${integer(live.operations)} in all; from the leader's acknowledgement until`,
    line('a write is read by GET', live.writesReadable),
    line(`the same in the ${live.warmUp.seconds} s before`, live.warmUp.writesReadable),
    line('a delete is not found by GET', live.deletesGone),
    line('a write is found by search', live.writesSearchable),
    line('a delete is not found by search', live.deletesUnsearchable),
    line("the leader's acknowledgement", live.acknowledgedMs),
    `  both sides counted the same ${live.settledSeconds.toFixed(1)} s after the last operation; ${live.deleteScans} searches for deletes`,
    `  CPU seconds: ${OWNERS.map((owner) => `${owner} ${cpuSeconds[owner].toFixed(1)}`).join(', ')}`,
  ];
}

function priceLines({ without, following, ratio, caughtUpSeconds }: PriceResult): readonly string[] {
  return [
    "The leader's price: its greatest rate of indexing, leader and load on one core, the rest on another",
    `  alone     ${integer(median(without))} documents/s (${without.map(integer).join(', ')})`,
    `  followed  ${integer(median(following))} documents/s (${following.map(integer).join(', ')})`,
    `  ratio ${ratio.toFixed(2)}; the follower had everything ${caughtUpSeconds.toFixed(1)} s after the load`,
  ];
}

function bigLines(big: readonly [CycleResult, CycleResult]): readonly string[] {
  const lines = big.flatMap((result) => {
    const { cpuSeconds } = result.cost;
    const each = OWNERS.map((owner) => `${owner} ${((cpuSeconds[owner] / result.changes) * 1000).toFixed(0)}`);
    return [
      `  ${integer(result.documents)} documents: copied in ${result.firstCopy.seconds.toFixed(1)} s, peak memory of the supervisor ${result.peakMib.toFixed(0)} MiB`,
      `    search of a cycle       ${percentileText(result.searchMs)}`,
      `    a change is read by GET ${percentileText(result.readableMs)}`,
      `    CPU milliseconds per change, everything in between included: ${each.join(', ')}`,
    ];
  });
  return [`One cycle at two sizes: ${big[0].changes} changes of a few documents each`, ...lines];
}

function targetLines(targets: readonly Target[]): readonly string[] {
  if (targets.length === 0) return [];
  const lines = targets.map(({ name, wanted, bound, unit, seen, met }) =>
    [
      `  ${name.padEnd(48)}`,
      `${seen.toFixed(2)} ${unit}`.padStart(12),
      `   at ${bound} ${wanted} ${unit}`.padEnd(20),
      met ? 'met' : 'NOT MET',
    ].join(''),
  );
  return ['Targets', ...lines];
}

function noiseLines({ noisy, spread }: NoiseVerdict): readonly string[] {
  if (noisy === null || spread === null)
    return ['How noisy the machine was is not known: that takes two rounds of the floor.'];
  const seen = `the floor varied by ${percent(spread)} (limit ${percent(NOISE_LIMIT)})`;
  return noisy
    ? [`!!! NOISY: ${seen}. The machine did something else as well: do not use these figures.`]
    : [`Quiet enough: ${seen}.`];
}

/** Without the single runs' details only where a median says the same. */
export function reportJson(figures: Figures): object {
  const { groups, documents, rounds, noise, live, price, big } = figures;
  const ratio = (group: Group): number | null => rounded(ratioTo(groups, group) ?? null);
  return {
    documents,
    rounds,
    noisy: noise.noisy,
    floorSpread: rounded(noise.spread),
    medians: Object.fromEntries(
      groups.map((result) => [
        result.group,
        {
          variant: result.variant,
          seconds: rounded(result.medianSeconds),
          documentsPerSecond: Math.round(documents / result.medianSeconds),
          cpuSecondsPerMillion: Object.fromEntries(
            OWNERS.map((owner) => [owner, rounded(cpuPerMillion(result, owner, documents))]),
          ),
          runs: result.runs.map(({ seconds }) => rounded(seconds)),
          ...(result.group === 'slipstream' && {
            peakMib: rounded(Math.max(...result.runs.map(({ peakMib = 0 }) => peakMib))),
          }),
          others: Object.fromEntries(result.others.map((other) => [other.variant, rounded(other.medianSeconds)])),
        },
      ]),
    ),
    ratios: {
      reindex: ratio('reindex'),
      reindexFastest: ratio('reindex-ranges'),
      elasticdump: ratio('elasticdump'),
      floor: ratio('floor'),
      leaderIndexing: rounded(price?.ratio ?? null),
    },
    ...(live && { live }),
    ...(price && { price }),
    ...(big && { big }),
    targets: targetsOf(figures).map((target) => ({ ...target, seen: rounded(target.seen) })),
  };
}

function rounded(value: number): number;
function rounded(value: number | null): number | null;
function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1000) / 1000;
}

function percentileText({ samples, p50Ms, p90Ms, p99Ms, maxMs }: Percentiles): string {
  const cells = Object.entries({ p50: p50Ms, p90: p90Ms, p99: p99Ms, max: maxMs }).map(
    ([name, ms]) => `${name} ${duration(ms)}`,
  );
  return `${cells.join('  ')}  (${samples} samples)`;
}

function duration(ms: number): string {
  return ms < 1000 ? `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function integer(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
