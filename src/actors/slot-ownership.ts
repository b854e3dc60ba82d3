import type { Clock } from '../ports/clock.ts';
import type { LeaseStore } from '../ports/lease-store.ts';
import type { Narrator } from '../ports/narrator.ts';
import type { Announcement, Ownership } from '../ports/ownership.ts';
import type { Random } from '../ports/random.ts';

/** Times in which a session is kept; `sessionTtlMs` is longer than `windowMs`. */
export interface OwnershipTimings {
  readonly renewEveryMs: number;
  /** Of the session's key in the store: so long after a crash its slots are free. */
  readonly sessionTtlMs: number;
  /** Writes may start so long after the start of the last confirmed renewal. */
  readonly windowMs: number;
}

export interface SlotOwnershipOptions extends Partial<OwnershipTimings> {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly narrator: Narrator;
  readonly announcement: Announcement;
  /**
   * Nobody else can be on this store (a NATS server of our own): whoever left a session there is dead. The window is 15 minutes then, and
   * the session lives a little longer.
   */
  readonly alone?: boolean | undefined;
}

export function slotOwnership(_options: SlotOwnershipOptions): Ownership {
  throw new Error('not yet');
}
