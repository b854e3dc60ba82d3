import type { Failed } from '../../src/domain/failure.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** What becomes of one call. Times in ms. */
export interface CallFate {
  /** Until the server runs it; undefined: it never does. */
  readonly runsAfterMs: number | undefined;
  /** Until the caller hears, whatever it hears. */
  readonly answersAfterMs: number;
  /** What the caller hears instead of the answer. */
  readonly failure?: Failed;
}

export interface Unreliable {
  readonly clock: VirtualClock;
  /** False once the caller's process is gone: nobody hears anything any more, what was sent still runs. */
  readonly alive: () => boolean;
  readonly fate: (method: string, args: readonly unknown[]) => CallFate;
  /** Asked when the call is about to run: what it fails with because the server is not there. */
  readonly refuses?: (method: string, args: readonly unknown[]) => Failed | undefined;
  /** Told +1 when a call is made and -1 when its caller hears. */
  readonly pending?: (change: 1 | -1, method: string) => void;
}

/**
 * A port of a server over a network: each asynchronous method runs after a while, or not at all, or its answer is lost. A caller that gives
 * up hears its signal's reason at once, and the server still runs what was sent.
 */
export function unreliable<P extends object>(port: P, network: Unreliable): P {
  return new Proxy(port, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (typeof member !== 'function') return member;
      return (...args: readonly unknown[]) => {
        const run = (): unknown => Reflect.apply(member, target, args);
        return call(network, String(name), args, run);
      };
    },
  });
}

function call(network: Unreliable, method: string, args: readonly unknown[], run: () => unknown): Promise<unknown> {
  const signal = args.find((arg) => arg instanceof AbortSignal);
  if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
  const { runsAfterMs, answersAfterMs, failure } = network.fate(method, args);
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  let told = false;
  network.pending?.(1, method);
  const tell = (how: () => void): void => {
    signal?.removeEventListener('abort', giveUp);
    if (told) return;
    told = true;
    network.pending?.(-1, method);
    if (network.alive()) how();
  };
  const giveUp = (): void => tell(() => reject(signal?.reason as Error));
  signal?.addEventListener('abort', giveUp, { once: true });
  let answer: Promise<unknown> | undefined;
  if (runsAfterMs !== undefined)
    network.clock.setTimeout(() => {
      answer = runNow(() => {
        const refusal = network.refuses?.(method, args);
        if (refusal !== undefined) throw refusal;
        return run();
      });
    }, runsAfterMs);
  network.clock.setTimeout(() => {
    if (failure !== undefined || answer === undefined) tell(() => reject(failure ?? new Error(`${method} never ran`)));
    else tell(() => resolve(answer));
  }, answersAfterMs);
  return promise;
}

function runNow(run: () => unknown): Promise<unknown> {
  const answer = new Promise<unknown>((resolve) => resolve(run()));
  // Whoever waits for it hears of a rejection; nobody may be waiting.
  answer.catch(() => undefined);
  return answer;
}
