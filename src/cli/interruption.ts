import type { CliDependencies, StopSignal } from './dependencies.ts';

/** A signal that is aborted by Ctrl-C, SIGTERM, or when nobody reads the output any more. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  /** The signal that ended it; undefined while running, or when only the reader went away. */
  readonly by: () => StopSignal | undefined;
}

export function interruption(deps: Pick<CliDependencies, 'onSignal' | 'outputClosed'>): Interruption {
  const controller = new AbortController();
  let by: StopSignal | undefined;
  const off = deps.onSignal((signal) => {
    by ??= signal;
    controller.abort(new Error(signal));
  });
  return { signal: AbortSignal.any([controller.signal, deps.outputClosed]), by: () => by, [Symbol.dispose]: off };
}
