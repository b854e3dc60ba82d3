import type { CommandOptions } from '../domain/commands.ts';
import type { EventEnvelope, TraceRef } from '../domain/journal.ts';
import type { Random } from '../ports/random.ts';

export interface EventCause {
  readonly cause: string;
  readonly by?: string | undefined;
  /** The span of whoever asked. */
  readonly request?: TraceRef | undefined;
}

/** What of a cause stands in an event. */
export function causeFields({ cause, by, request }: EventCause): Pick<EventEnvelope, 'cause' | 'by' | 'request'> {
  return { cause, ...(by === undefined ? {} : { by }), ...(request === undefined ? {} : { request }) };
}

export type CommandCause = EventCause & { readonly commandId: string };

export function commandCause({ commandId, by, request }: CommandOptions, random: Random): CommandCause {
  const id = commandId ?? random.id();
  return { cause: `command:${id}`, by, request, commandId: id };
}
