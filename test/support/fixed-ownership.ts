import { EVENT_VERSION } from '../../src/domain/journal.ts';
import { SLOT_COUNT } from '../../src/domain/slots.ts';
import type { LiveSession, Ownership, SlotHandlers, SlotOwner } from '../../src/ports/ownership.ts';

export interface FixedOwnershipOptions {
  readonly term?: number;
  readonly session?: string;
  readonly supervisor?: string;
  readonly slots?: readonly number[];
  /** Whether the owner before gave its slots up in order. */
  readonly released?: boolean;
  readonly longestRequestMs?: number;
}

export const EVERY_SLOT: readonly number[] = Array.from({ length: SLOT_COUNT }, (_, slot) => slot);

/** Owns what it is told to, from the start on and for ever, and may always write there. Knows of nobody else. */
export function fixedOwnership({
  term = 1,
  session = 'only',
  supervisor = 'only',
  slots = EVERY_SLOT,
  released = true,
  longestRequestMs = 0,
}: FixedOwnershipOptions = {}): Ownership {
  const own = new Set(slots);
  const announced = { supervisor, version: '0.0.0', clusters: [], readsEventVersion: EVENT_VERSION };
  let started: SlotHandlers | undefined;
  return {
    session,
    async start(handlers) {
      started = handlers;
      for (const slot of own) handlers.acquired(slot, term, released);
    },
    mayWrite: (slot) => own.has(slot),
    ownerOf: (slot) => (own.has(slot) ? { session, term } : undefined),
    live: () => [{ session, announced }],
    longestRequestMs: () => longestRequestMs,
    observe: () => () => undefined,
    shun: (slot, shunned = true) => {
      if (shunned && own.has(slot)) void started?.give(slot).then(() => own.delete(slot));
      return true;
    },
    async stop() {
      await Promise.all([...own].map(async (slot) => started?.give(slot)));
      own.clear();
    },
  };
}

/** Several supervisors of one test, which decides who owns what, who lives, and who may write. */
export interface SharedOwnership {
  /** A supervisor of that name, with a session of the same name; it lives until it is ended. */
  member(
    name: string,
    options?: { readonly clusters?: readonly string[]; readonly readsEventVersion?: number },
  ): Ownership;
  /** Takes the slots from their owner, if there is one, without asking it (`lost`), and gives them to this one under a new term. */
  assign(name: string, slots: readonly number[], released?: boolean): void;
  /** Its owner gives them up in order; then they are this one's. */
  move(name: string, slots: readonly number[]): Promise<void>;
  /** Its session is over, and nobody owns what it owned; it is not told. */
  end(name: string): void;
  /** Whether it may write to its slots now. */
  allow(name: string, allowed: boolean): void;
  /** What it leaves to others. */
  shunned(name: string): readonly number[];
}

interface Member {
  readonly live: LiveSession;
  handlers: SlotHandlers | undefined;
  allowed: boolean;
  alive: boolean;
  readonly shuns: Set<number>;
}

export function sharedOwnership(): SharedOwnership {
  const members = new Map<string, Member>();
  const owners = new Map<number, SlotOwner>();
  const listeners = new Set<() => void>();
  let term = 0;
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  const own = (name: string): readonly [number, SlotOwner][] =>
    [...owners].filter(([, { session }]) => session === name);
  const take = (name: string, slots: readonly number[], released: boolean): void => {
    for (const slot of slots) {
      term += 1;
      owners.set(slot, { session: name, term });
      members.get(name)?.handlers?.acquired(slot, term, released);
    }
    tell();
  };
  return {
    member(name, { clusters = [], readsEventVersion = EVENT_VERSION } = {}) {
      const announced = { supervisor: name, version: '0.0.0', clusters, readsEventVersion };
      const live = { session: name, announced };
      const member: Member = { live, handlers: undefined, allowed: true, alive: true, shuns: new Set() };
      members.set(name, member);
      return {
        session: name,
        async start(handlers) {
          member.handlers = handlers;
          for (const [slot, owner] of own(name)) handlers.acquired(slot, owner.term, false);
          tell();
        },
        mayWrite: (slot) => member.alive && member.allowed && owners.get(slot)?.session === name,
        ownerOf: (slot) => owners.get(slot),
        live: () => [...members.values()].filter(({ alive }) => alive).map(({ live }) => live),
        longestRequestMs: () => 0,
        observe(changed) {
          listeners.add(changed);
          return () => listeners.delete(changed);
        },
        shun: (slot, shunned = true) => {
          if (shunned) member.shuns.add(slot);
          else member.shuns.delete(slot);
          const others = [...members].some(([other, { alive, shuns }]) => other !== name && alive && !shuns.has(slot));
          if (!shunned || !others || owners.get(slot)?.session !== name) return others;
          void member.handlers?.give(slot).then(() => {
            owners.delete(slot);
            tell();
          });
          return true;
        },
        async stop() {
          await Promise.all(own(name).map(async ([slot]) => member.handlers?.give(slot)));
          for (const [slot] of own(name)) owners.delete(slot);
          member.alive = false;
          tell();
        },
      };
    },
    assign(name, slots, released = false) {
      for (const slot of slots) {
        const before = owners.get(slot);
        owners.delete(slot);
        if (before !== undefined) members.get(before.session)?.handlers?.lost(slot);
      }
      take(name, slots, released);
    },
    async move(name, slots) {
      for (const slot of slots) {
        const before = owners.get(slot);
        if (before !== undefined) await members.get(before.session)?.handlers?.give(slot);
        owners.delete(slot);
      }
      take(name, slots, true);
    },
    end(name) {
      const member = members.get(name);
      if (member !== undefined) member.alive = false;
      for (const [slot] of own(name)) owners.delete(slot);
      tell();
    },
    allow(name, allowed) {
      const member = members.get(name);
      if (member !== undefined) member.allowed = allowed;
      tell();
    },
    shunned: (name) => [...(members.get(name)?.shuns ?? [])],
  };
}
