import type { StoredEvent } from '../ports/event-log.ts';
import { failureLine } from './report.ts';
import { shownTarget } from './targets.ts';
import { oneLine, type Paint } from './text.ts';

/** One event as one line: time, sequence, whose, transition, event, cause, who, trace. */
export function eventLine({ seq, event }: StoredEvent, paint: Paint): string {
  const failure = event.entity === 'pair' ? event.result.failure : undefined;
  const { fact } = event;
  const parts = [
    paint('dim', new Date(event.atMs).toISOString()),
    `#${seq}`,
    event.entity === 'pair'
      ? shownTarget({ follower: event.pair.follower, shard: event.pair.shard })
      : shownTarget({ follower: event.result.follower }),
    event.entity === 'pair' ? `${event.from} -> ${event.result.state}` : event.result.state,
    paint('bold', event.fact.type),
    `cause=${oneLine(event.cause)}`,
    ...(event.by === undefined ? [] : [`by=${oneLine(event.by)}`]),
    ...(event.trace === undefined ? [] : [`trace=${event.trace.traceId}`]),
    ...('documents' in fact ? [`documents=${fact.documents}`] : []),
    ...('allowMassDelete' in fact ? ['allow-mass-delete'] : []),
    ...(failure === undefined ? [] : [failureLine(failure)]),
  ];
  return parts.join('  ');
}
