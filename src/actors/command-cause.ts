import type { Random } from '../ports/random.ts';
import type { EventCause } from './pair-actor.ts';

export function causeOf(
  command: { commandId?: string; by?: string },
  random: Random,
): EventCause & { readonly commandId: string } {
  const commandId = command.commandId ?? random.id();
  return { cause: `command:${commandId}`, by: command.by, commandId };
}
