import { z } from 'zod';
import { SLOT_COUNT } from '../domain/slots.ts';
import type { Announcement } from '../ports/ownership.ts';

export interface SessionRecord {
  readonly announced: Announcement;
  readonly shuns: ReadonlySet<number>;
}

const SESSION_KEY = 'session.';
const SLOT_KEY = 'slot.';

const sessionText = z.object({
  supervisor: z.string(),
  version: z.string(),
  clusters: z.array(z.string()),
  readsEventVersion: z.number(),
  requestTimeoutsMs: z.record(z.string(), z.number()).optional(),
  shuns: z.array(z.int()).optional(),
});
const claimText = z.object({ session: z.string().optional(), settled: z.boolean().optional() });

export type LeaseKey =
  | { readonly kind: 'session'; readonly session: string }
  | { readonly kind: 'slot'; readonly slot: number };

export function sessionKey(session: string): string {
  return `${SESSION_KEY}${session}`;
}

export function slotKey(slot: number): string {
  return `${SLOT_KEY}${slot}`;
}

/** Undefined: not one of ours. */
export function parseKey(key: string): LeaseKey | undefined {
  if (key.startsWith(SESSION_KEY)) return { kind: 'session', session: key.slice(SESSION_KEY.length) };
  const slot = key.startsWith(SLOT_KEY) ? Number(key.slice(SLOT_KEY.length)) : Number.NaN;
  return Number.isInteger(slot) && slot >= 0 && slot < SLOT_COUNT ? { kind: 'slot', slot } : undefined;
}

export function sessionValue({ announced, shuns }: SessionRecord): string {
  return JSON.stringify({ ...announced, ...(shuns.size === 0 ? {} : { shuns: [...shuns] }) });
}

/** One that cannot be read lives all the same: it counts, and keeps what it owns. */
export function parseSession(value: string): SessionRecord {
  const parsed = sessionText.safeParse(json(value));
  if (!parsed.success)
    return {
      announced: { supervisor: 'unknown', version: 'unknown', clusters: [], readsEventVersion: 1 },
      shuns: new Set(),
    };
  const { shuns, ...announced } = parsed.data;
  return { announced, shuns: new Set(shuns) };
}

export interface ClaimRecord {
  /** Undefined: it was given up. */
  readonly session: string | undefined;
  /** Whoever owned it before gave it up in order: nothing of that owner is on its way. */
  readonly settled: boolean;
}

export function claimValue({ session, settled }: ClaimRecord): string {
  return JSON.stringify({ session, settled });
}

/** One that cannot be read is as if it were given up, but not in order. */
export function parseClaim(value: string): ClaimRecord {
  const parsed = claimText.safeParse(json(value));
  return parsed.success
    ? { session: parsed.data.session, settled: parsed.data.settled ?? false }
    : { session: undefined, settled: false };
}

function json(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
