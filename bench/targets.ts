/** What the project wants of itself, beside what was seen. Speed never fails a run: machines differ. */
import type { CycleResult } from './cycle.ts';
import type { GroupResult } from './first-copy.ts';
import type { LiveResult } from './live.ts';
import type { Group } from './options.ts';
import type { PriceResult } from './price.ts';
import { median, type NoiseVerdict } from './statistics.ts';

/** What was measured; a phase that was left out is absent. */
export interface Figures {
  readonly documents: number;
  readonly rounds: number;
  readonly groups: readonly GroupResult[];
  readonly noise: NoiseVerdict;
  readonly live?: LiveResult;
  readonly price?: PriceResult;
  /** The smaller size first. */
  readonly big?: readonly [CycleResult, CycleResult];
}

export interface Target {
  readonly name: string;
  readonly wanted: number;
  readonly bound: 'least' | 'most';
  readonly unit: string;
  readonly seen: number;
  readonly met: boolean;
}

/** How many times as fast as the group Slipstream is; undefined when one of the two did not run. */
export function ratioTo(groups: readonly GroupResult[], group: Group): number | undefined {
  const [own, other] = [groupNamed(groups, 'slipstream'), groupNamed(groups, group)];
  return own && other && other.medianSeconds / own.medianSeconds;
}

function groupNamed(groups: readonly GroupResult[], name: Group): GroupResult | undefined {
  return groups.find(({ group }) => group === name);
}

/** CPU seconds for a million documents, median. */
export function cpuPerMillion(
  { runs }: Pick<GroupResult, 'runs'>,
  owner: 'leader' | 'follower' | 'nats' | 'supervisor' | 'client',
  documents: number,
): number {
  return (median(runs.map(({ cpuSeconds }) => cpuSeconds[owner])) / documents) * 1_000_000;
}

/** Only those whose figure was measured. */
export function targetsOf(figures: Figures): readonly Target[] {
  const { groups, documents, live, price, big } = figures;
  const targets: Target[] = [];
  const least = (name: string, wanted: number, unit: string, seen: number | undefined): void => {
    if (seen !== undefined) targets.push({ name, wanted, bound: 'least', unit, seen, met: seen >= wanted });
  };
  const most = (name: string, wanted: number, unit: string, seen: number | undefined): void => {
    if (seen !== undefined) targets.push({ name, wanted, bound: 'most', unit, seen, met: seen <= wanted });
  };
  least('speed against plain _reindex', 1.5, 'x', ratioTo(groups, 'reindex'));
  least('speed against the fastest _reindex', 0.85, 'x', ratioTo(groups, 'reindex-ranges'));
  least('speed against the floor', 0.75, 'x', ratioTo(groups, 'floor'));
  const own = groupNamed(groups, 'slipstream');
  most('supervisor CPU per million', 10, 's', own && cpuPerMillion(own, 'supervisor', documents));
  most('leader CPU per million', 15, 's', own && cpuPerMillion(own, 'leader', documents));
  const peaks = [...(own?.runs ?? []).map(({ peakMib = 0 }) => peakMib), ...(big ?? []).map(({ peakMib }) => peakMib)];
  most('peak memory of the supervisor', 200, 'MB', peaks.length > 0 ? megabytes(Math.max(...peaks)) : undefined);
  most('live, readable, p50', 0.5, 's', live && live.writesReadable.p50Ms / 1000);
  most('live, readable, p99', 2, 's', live && live.writesReadable.p99Ms / 1000);
  most('live, deletes gone, p50', 0.5, 's', live && live.deletesGone.p50Ms / 1000);
  most('live, deletes gone, p99', 2, 's', live && live.deletesGone.p99Ms / 1000);
  least("leader's indexing rate, followed against alone", 0.8, 'x', price?.ratio);
  return targets;
}

function megabytes(mib: number): number {
  return mib * 1.048576;
}
