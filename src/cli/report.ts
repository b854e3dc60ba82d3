import type { Failure } from '../domain/failure.ts';
import { oneLine } from './text.ts';

/** A failure for people: what, why, and what to do next. Several reasons stand on lines of their own. */
export function failureText(failure: Failure): string {
  const reasons = `${sideOf(failure)}${failure.reason}`
    .split('\n')
    .map(oneLine)
    .filter((line) => line !== '');
  const head = `slipstream: ${failure.code}: ${oneLine(failure.op)}:`;
  const body =
    reasons.length === 1 ? `${head} ${reasons[0]}` : [head, ...reasons.map((reason) => `  ${reason}`)].join('\n');
  return `${body}\nnext: ${oneLine(failure.hint)}\n`;
}

/** `code: op: cluster name: reason` as one line; without the cluster where the line names it already. */
export function failureLine(failure: Failure, named?: string): string {
  const side = failure.cluster === named ? '' : sideOf(failure);
  return oneLine(`${failure.code}: ${failure.op}: ${side}${failure.reason}`);
}

/** `there is no index cities` says little where two clusters are at work. */
function sideOf({ cluster, op, reason }: Failure): string {
  if (cluster === undefined || op.startsWith(`${cluster} `) || reason.includes(`cluster ${cluster}`)) return '';
  return `cluster ${cluster}: `;
}
