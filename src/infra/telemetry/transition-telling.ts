import type { PairEvent } from '../../domain/journal.ts';
import { pairKey } from '../../domain/names.ts';
import type { LogLevel } from './structured-log.ts';

export type Transition = Omit<PairEvent, 'trace'>;

/** `following -> paused`; where the state stays, with what happened: `following -> following (pause)`. */
export function transitionName(event: Transition): string {
  const name = `${event.from} -> ${event.result.state}`;
  return event.from === event.result.state ? `${name} (${event.fact.type.toLowerCase()})` : name;
}

/** What span, log line and counter tell of a transition, by the plain names of `attributes.ts`. */
export function transitionAttributes(event: Transition): Record<string, unknown> {
  const { fact, result, pair } = event;
  const failure = 'failure' in fact ? fact.failure : result.failure;
  return {
    pair: pairKey(pair),
    cluster: pair.follower.cluster,
    index: pair.follower.index,
    shard: pair.shard,
    from: event.from,
    to: result.state,
    event: fact.type,
    cause: event.cause,
    by: event.by,
    requestTraceId: event.request?.traceId,
    checkpoint: 'checkpoint' in fact ? fact.checkpoint : undefined,
    epoch: result.epoch,
    desired: result.desired,
    term: event.term,
    commandId: 'commandId' in fact ? fact.commandId : undefined,
    reason: 'reason' in fact ? fact.reason : undefined,
    code: failure?.code,
    failureKind: failure?.kind,
    failureOp: failure?.op,
    failureReason: failure?.reason,
    status: failure?.status?.toString(),
  };
}

export function transitionLevel(event: Transition): LogLevel {
  if (event.result.state === 'fatal') return 'error';
  return event.result.state === 'retrying' ? 'warn' : 'info';
}
