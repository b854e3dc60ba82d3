import { FAULT_KINDS } from './fault-kinds.ts';
import type { ChaosReport } from './chaos-run.ts';

export interface FaultRow {
  readonly fault: string;
  readonly tried: number;
  /** Documents that differ in the end; null where the run does not tell. */
  readonly lost: number | null;
  readonly notRecovered: number;
  readonly medianMs: number | null;
  readonly worstMs: number | null;
}

/** One row for each fault, those that were not drawn included. */
export function faultTable({ faults, indices }: Pick<ChaosReport, 'faults' | 'indices'>): readonly FaultRow[] {
  const identical = indices.length > 0 && indices.every(({ comparison }) => comparison?.equal === true);
  return FAULT_KINDS.map(({ name }) => {
    const own = faults.filter(({ fault }) => fault === name);
    const times = own.flatMap(({ recoveredMs }) => recoveredMs ?? []).toSorted((one, other) => one - other);
    return {
      fault: name,
      tried: own.length,
      // What a difference came from cannot be told.
      lost: identical ? 0 : null,
      notRecovered: own.length - times.length,
      medianMs: times[Math.floor((times.length - 1) / 2)] ?? null,
      worstMs: times.at(-1) ?? null,
    };
  });
}

/** As Markdown. */
export function tableText(rows: readonly FaultRow[]): string {
  const seconds = (ms: number | null): string => (ms === null ? '-' : (ms / 1000).toFixed(1));
  const lines = rows.map(({ fault, tried, lost, medianMs, worstMs }) =>
    tried === 0
      ? `| ${fault} | not run | | | |`
      : `| ${fault} | ${tried} | ${lost ?? '?'} | ${seconds(medianMs)} | ${seconds(worstMs)} |`,
  );
  return ['| fault | tried | lost | median recovery, s | worst, s |', '|---|---|---|---|---|', ...lines].join('\n');
}
