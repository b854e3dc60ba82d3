import { failed, type Failure } from '../domain/failure.ts';
import type { Ownership } from '../ports/ownership.ts';
import type { ClusterAccess } from './cluster-access.ts';

/** The right of this supervisor to write for one slot under one term. The same slot under a later term is another lease. */
export interface Lease {
  readonly slot: number;
  readonly term: number;
  /** The owner before gave the slot up in order: nothing of it is on its way. */
  readonly released: boolean;
  /** Whether a write may start now. Costs no I/O. */
  readonly held: boolean;
  /** For good. */
  readonly ended: boolean;
  end(): void;
  /** Calls back when `held` may be another. Gives the function that stops that. */
  observe(changed: () => void): () => void;
}

export function openLease(
  ownership: Pick<Ownership, 'mayWrite' | 'observe'>,
  { slot, term, released }: Pick<Lease, 'slot' | 'term' | 'released'>,
): Lease {
  let ended = false;
  return {
    slot,
    term,
    released,
    get held() {
      return !ended && ownership.mayWrite(slot);
    },
    get ended() {
      return ended;
    },
    end() {
      ended = true;
    },
    observe: (changed) => ownership.observe(changed),
  };
}

/** Throws `no_lease`. */
export function requireLease(lease: Lease, op: string): void {
  const failure = whyNotHeld(lease, op);
  if (failure !== undefined) throw failed(failure.code, failure);
}

/** Undefined while writes may start. */
export function whyNotHeld({ held, slot, term }: Lease, op = 'write'): Failure | undefined {
  if (held) return undefined;
  const reason = `that slot ${slot} is still held under term ${term} was not confirmed in time`;
  return failed('no_lease', { op, reason }).failure;
}

/** Until writes may start, or one of the signals says that there is nothing to wait for. */
export async function untilHeld(lease: Lease, signals: readonly AbortSignal[]): Promise<void> {
  const over = AbortSignal.any([...signals]);
  const { promise, resolve } = Promise.withResolvers<void>();
  const check = (): void => {
    if (lease.held || over.aborted) resolve();
  };
  const unobserve = lease.observe(check);
  over.addEventListener('abort', check, { once: true });
  check();
  try {
    await promise;
  } finally {
    unobserve();
    over.removeEventListener('abort', check);
  }
}

/** The follower's side for the pairs of one lease: whatever changes something there asks for it directly before it is sent. */
export function leasedSide(side: ClusterAccess, lease: Lease): ClusterAccess {
  return {
    ...side,
    follower: leased(side.follower, ['bulk'], lease),
    admin: leased(
      side.admin,
      ['createIndex', 'putMapping', 'putSettings', 'updateAliases', 'putPipeline', 'close', 'open'],
      lease,
    ),
    positions: leased(side.positions, ['save', 'remove'], lease),
    quarantine: leased(side.quarantine, ['put', 'remove'], lease),
  };
}

function leased<P extends object>(port: P, writes: readonly (keyof P & string)[], lease: Lease): P {
  const names = new Set<string | symbol>(writes);
  return new Proxy(port, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function' || !names.has(name)) return member;
      return async (...args: readonly unknown[]): Promise<unknown> => {
        requireLease(lease, String(name));
        return (await Reflect.apply(member, target, args)) as unknown;
      };
    },
  });
}
