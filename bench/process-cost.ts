/** CPU time and memory of processes, as Linux keeps them. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** The kernel tells times to programs in hundredths of a second on every processor that Node runs on. */
const TICKS_PER_SECOND = 100;
const MIB_IN_KIB = 1024;

export interface ProcessTimes {
  readonly groupId: number;
  /** User and system time, of itself and of the children that it has waited for. */
  readonly cpuSeconds: number;
}

/** @param stat the text of /proc/PID/stat */
export function parseStat(stat: string): ProcessTimes {
  // The name, in brackets, may hold anything. After it come state, parent, group; fields 14 to 17 are the times.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
  return { groupId: Number(fields[2]), cpuSeconds: ticks / TICKS_PER_SECOND };
}

/** @param status the text of /proc/PID/status. The greatest resident memory so far. */
export function parsePeakMib(status: string): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error('/proc tells no peak memory of the process');
  return Number(kib) / MIB_IN_KIB;
}

/** @param list as Linux writes it: `0-3,8`. */
export function parseCores(list: string): readonly number[] {
  return list
    .trim()
    .split(',')
    .flatMap((part) => {
      const [first = NaN, last = first] = part.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, at) => first + at);
    });
}

export function peakMib(pid: number): number {
  return parsePeakMib(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

/** The cores that this process may run on. */
export function allowedCores(): readonly number[] {
  const status = readFileSync('/proc/self/status', 'utf8');
  return parseCores(/^Cpus_allowed_list:\s+(.*)$/m.exec(status)?.[1] ?? '0');
}

/** This process, with the children that have ended. */
export function ownCpuSeconds(): number {
  return parseStat(readFileSync('/proc/self/stat', 'utf8')).cpuSeconds;
}

export function groupMembers(groupId: number): readonly number[] {
  return processes().flatMap(({ pid, times }) => (times.groupId === groupId ? [pid] : []));
}

/** CPU seconds so far of each of these process groups. */
export function groupsCpuSeconds(groupIds: readonly number[]): readonly number[] {
  const all = processes();
  return groupIds.map((groupId) =>
    all.reduce((sum, { times }) => (times.groupId === groupId ? sum + times.cpuSeconds : sum), 0),
  );
}

function processes(): readonly { readonly pid: number; readonly times: ProcessTimes }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return [{ pid: Number(name), times: parseStat(readFileSync(`/proc/${name}/stat`, 'utf8')) }];
      } catch {
        // It ended while it was looked at.
        return [];
      }
    });
}

const QUIET_CORES = 0.06;
const QUIET_FOR_MS = 1_000;
const QUIET_WITHIN_MS = 30_000;

/** Waits until what these groups did before (merges, deleted files) is over; not for ever, since no node is ever quite still. */
export async function untilQuiet(groupIds: readonly number[], signal: AbortSignal): Promise<void> {
  const total = (): number => groupsCpuSeconds(groupIds).reduce((sum, seconds) => sum + seconds, 0);
  for (let waitedMs = 0, before = total(); waitedMs < QUIET_WITHIN_MS; waitedMs += QUIET_FOR_MS) {
    await delay(QUIET_FOR_MS, undefined, { signal });
    const now = total();
    if (now - before < (QUIET_CORES * QUIET_FOR_MS) / 1000) return;
    before = now;
  }
}
