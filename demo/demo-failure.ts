import { StackError } from '../stack/stack-error.ts';

/** What went wrong in the demo, and what else there is to show about it. */
export class DemoFailure extends Error {
  override readonly name = 'DemoFailure';
  readonly details: readonly string[];

  constructor(reason: string, details: readonly string[] = []) {
    super(reason);
    this.details = details;
  }
}

/** The reader asked for the end. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly by: 'SIGINT' | 'SIGTERM' | 'SIGHUP';

  constructor(by: Interrupted['by']) {
    super(`stopped by ${by}`);
    this.by = by;
  }
}

/** Lines that say what went wrong. The place in the code is told only of what nobody foresaw. */
export function failureLines(error: unknown): readonly string[] {
  if (error instanceof DemoFailure)
    return [error.message, ...error.details.flatMap((detail) => detail.trimEnd().split('\n'))];
  if (!(error instanceof Error)) return [String(error)];
  if (error.cause instanceof Error && !(error instanceof StackError))
    return [`${error.message}: ${error.cause.message}`];
  const isForeseen = error.name === 'Error' || error instanceof StackError;
  return (isForeseen ? error.message : (error.stack ?? error.message)).split('\n');
}
