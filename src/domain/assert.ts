/** A broken assertion is a bug in Slipstream, never a user's mistake or a server's fault: the actor dies and is restarted from its log. */
export class AssertionFailed extends Error {
  override readonly name = 'AssertionFailed';
}

export function assert(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new AssertionFailed(claim);
}

/** Narrows away `undefined` where the program guarantees a value. */
export function present<T>(value: T | undefined, claim: string): T {
  assert(value !== undefined, claim);
  return value;
}
