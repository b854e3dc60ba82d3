import type { RequestGate } from '../../src/ports/request-gate.ts';

/** A port all of whose calls pass the gate, as those of the real adapters do by their client. */
export function gated<P extends object>(port: P, gate: RequestGate): P {
  return new Proxy(port, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return async (...args: readonly unknown[]): Promise<unknown> => {
        const signal = args.find((arg) => arg instanceof AbortSignal);
        const call = async (): Promise<unknown> => Reflect.apply(member, target, args) as unknown;
        // `closeView` takes no signal and never throws.
        return signal === undefined ? call() : gate.pass(call, signal);
      };
    },
  });
}
