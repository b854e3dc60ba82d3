import type { Failure } from '../domain/failure.ts';
import { oneLine } from './text.ts';

/** A failure for people: what, why, and what to do next. Several reasons stand on lines of their own. */
export function failureText(failure: Failure): string {
  const reasons = failure.reason
    .split('\n')
    .map(oneLine)
    .filter((line) => line !== '');
  const head = `slipstream: ${failure.code}: ${oneLine(failure.op)}:`;
  const body =
    reasons.length === 1 ? `${head} ${reasons[0]}` : [head, ...reasons.map((reason) => `  ${reason}`)].join('\n');
  return `${body}\nnext: ${oneLine(failure.hint)}\n`;
}

/** `code: op: reason` as one line. */
export function failureLine(failure: Failure): string {
  return oneLine(`${failure.code}: ${failure.op}: ${failure.reason}`);
}
