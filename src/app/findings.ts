import { failureOf } from '../domain/failure.ts';
import type { Finding } from './program.ts';

export type Look = Pick<Finding, 'outcome' | 'detail' | 'hint'>;

/** Clocks that differ by more make times and lags hard to compare; nothing that is copied depends on them. */
const SKEW_MAX_MS = 2_000;

export function failing(subject: string, check: string, thrown: unknown): Finding {
  const failure = failureOf(thrown, check);
  return { subject, check, outcome: 'fail', detail: `${failure.code}: ${failure.reason}`, hint: failure.hint, failure };
}

/** What a look found; what it throws is the finding too. */
export async function look(subject: string, check: string, at: () => Promise<Look>): Promise<Finding> {
  try {
    return { subject, check, ...(await at()) };
  } catch (thrown) {
    return failing(subject, check, thrown);
  }
}

/** @param skewMs how far the other clock is ahead of ours, known to within `errorMs` */
export function clockFinding(subject: string, skewMs: number, errorMs: number): Finding {
  const apartMs = Math.round(Math.abs(skewMs));
  const detail = `${apartMs} ms ${skewMs < 0 ? 'behind' : 'ahead'} (known to ${Math.ceil(errorMs)} ms)`;
  if (apartMs - errorMs <= SKEW_MAX_MS) return { subject, check: 'clock', outcome: 'ok', detail };
  const hint = 'Synchronise the clocks (NTP): times of events and lags of different machines cannot be compared.';
  return { subject, check: 'clock', outcome: 'warn', detail, hint };
}
