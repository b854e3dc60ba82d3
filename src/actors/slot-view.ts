import type { SlotTaker } from '../domain/slot-shares.ts';
import { SLOT_COUNT } from '../domain/slots.ts';
import type { Clock } from '../ports/clock.ts';
import type { LeaseEntry } from '../ports/lease-store.ts';
import { type ClaimRecord, parseClaim, parseKey, parseSession, type SessionRecord } from './slot-records.ts';

export interface Claim extends ClaimRecord {
  /** Of the store; the term of its owner. 0: never claimed. */
  readonly revision: number;
}

interface SeenSession extends SessionRecord {
  readonly revision: number;
  readonly value: string;
  /** When this revision was first seen; monotonic clock. */
  readonly seenAtMs: number;
}

/** What is known of sessions and claims: from the watch, and from the answers to our own writes. */
export interface SlotView {
  readonly claims: readonly Claim[];
  readonly sessions: ReadonlyMap<string, SessionRecord>;
  /** Whether something else than a renewal was told. What is older than what is known is passed over. */
  stands(entry: LeaseEntry): boolean;
  gone(key: string): boolean;
  /** Ended for sure; a session's id is never used again. One that was not seen may live. */
  isEnded(session: string): boolean;
  endSession(session: string): void;
  /** The same array as long as nothing of it has changed. */
  takers(): readonly SlotTaker[];
  /** Those whose revision has been the same for so long. */
  silent(forMs: number): readonly { readonly session: string; readonly revision: number }[];
  /** Of those that live, and of those that ended no longer ago than that. */
  longestRequestMs(cluster: string): number;
  /** How many slots each live session owns. */
  counts(): ReadonlyMap<string, number>;
}

interface LeftBehind {
  readonly cluster: string;
  readonly ms: number;
  /** Monotonic clock. */
  readonly untilMs: number;
}

const NEVER: Claim = { revision: 0, session: undefined, settled: false };
/** More than these are forgotten where no claim names them. */
const ENDED_KEPT = 64;

/**
 * @param given tells that a live session has given a slot up
 * @param count of slots
 */
export function slotView(
  clock: Pick<Clock, 'monotonic'>,
  given: (session: string) => void,
  count = SLOT_COUNT,
): SlotView {
  const claims: Claim[] = Array.from({ length: count }, () => NEVER);
  const sessions = new Map<string, SeenSession>();
  const ended = new Set<string>();
  /** Requests for a cluster that sessions which ended left behind. */
  let leftBehind: readonly LeftBehind[] = [];

  let takers: readonly SlotTaker[] | undefined;
  let counts: ReadonlyMap<string, number> | undefined;

  const endSession = (session: string): void => {
    const now = clock.monotonic();
    const timeouts = Object.entries(sessions.get(session)?.announced.requestTimeoutsMs ?? {});
    const left = timeouts.map(([cluster, ms]) => ({ cluster, ms, untilMs: now + ms }));
    leftBehind = [...leftBehind.filter(({ untilMs }) => untilMs > now), ...left];
    if (sessions.delete(session)) takers = counts = undefined;
    ended.add(session);
    if (ended.size <= ENDED_KEPT) return;
    const named = new Set(claims.map((claim) => claim.session));
    for (const each of ended) if (!named.has(each) && each !== session) ended.delete(each);
  };

  const claimStands = (slot: number, { revision, value }: LeaseEntry): boolean => {
    const before = claims[slot] ?? NEVER;
    if (revision <= before.revision) return false;
    const { session, settled } = parseClaim(value);
    claims[slot] = { revision, session, settled };
    counts = undefined;
    if (session === undefined && before.session !== undefined && sessions.has(before.session)) given(before.session);
    return true;
  };

  const sessionStands = (session: string, { revision, value }: LeaseEntry): boolean => {
    const before = sessions.get(session);
    if (ended.has(session) || revision <= (before?.revision ?? 0)) return false;
    const record = before?.value === value ? before : parseSession(value);
    const { announced, shuns } = record;
    sessions.set(session, { announced, shuns, revision, value, seenAtMs: clock.monotonic() });
    if (record === before) return false;
    takers = counts = undefined;
    return true;
  };

  return {
    claims,
    sessions,
    stands(entry) {
      const key = parseKey(entry.key);
      if (key === undefined) return false;
      return key.kind === 'slot' ? claimStands(key.slot, entry) : sessionStands(key.session, entry);
    },
    gone(name) {
      const key = parseKey(name);
      if (key === undefined) return false;
      if (key.kind === 'slot') claims[key.slot] = NEVER;
      else endSession(key.session);
      counts = undefined;
      return true;
    },
    isEnded: (session) => ended.has(session),
    endSession,
    takers: () => (takers ??= [...sessions].map(([session, { shuns }]) => ({ session, shuns }))),
    silent(forMs) {
      const beforeMs = clock.monotonic() - forMs;
      return [...sessions].flatMap(([session, { revision, seenAtMs }]) =>
        seenAtMs <= beforeMs ? [{ session, revision }] : [],
      );
    },
    longestRequestMs(cluster) {
      const live = [...sessions.values()].map(({ announced }) => announced.requestTimeoutsMs?.[cluster] ?? 0);
      const now = clock.monotonic();
      const left = leftBehind.filter((each) => each.cluster === cluster && each.untilMs > now).map(({ ms }) => ms);
      return Math.max(0, ...live, ...left);
    },
    counts: () => (counts ??= countClaims(claims, sessions)),
  };
}

function countClaims(claims: readonly Claim[], sessions: ReadonlyMap<string, unknown>): ReadonlyMap<string, number> {
  const counts = new Map([...sessions.keys()].map((session) => [session, 0]));
  for (const { session } of claims) {
    const count = session === undefined ? undefined : counts.get(session);
    if (session !== undefined && count !== undefined) counts.set(session, count + 1);
  }
  return counts;
}
