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
