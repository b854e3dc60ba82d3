import { Failed, failureOf, type Failure } from '../domain/failure.ts';
import type { Clock } from '../ports/clock.ts';
import type { LeaseEntry, LeaseStore } from '../ports/lease-store.ts';
import { sessionKey } from './slot-records.ts';

export interface SlotSessionOptions {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly renewEveryMs: number;
  readonly sessionTtlMs: number;
  readonly windowMs: number;
  readonly signal: AbortSignal;
  /** What the session's key holds. */
  readonly value: () => string;
  /** The key holds our value at this revision. */
  readonly renewed: (entry: LeaseEntry) => void;
  /** The session's key is gone for sure, and another session begins. */
  readonly ended: (session: string) => void;
}

export interface SlotSession {
  readonly id: string;
  /** Begun, and not known to have ended. */
  readonly live: boolean;
  /** Of the last renewal that failed, until one is confirmed. */
  readonly failure: Failure | undefined;
  /**
   * Whether the last confirmed renewal began less than the window ago. The greater of both clocks counts: the monotonic one may stand
   * still while a process or machine is suspended, the other may be set back.
   */
  windowOpen(): boolean;
  begin(): void;
  /** Its value has changed. */
  renewNow(): void;
  /** What the watch tells. */
  seen(entry: LeaseEntry): void;
  seenGone(key: string): void;
  /** Deletes the key, so that nobody waits for its time. Throws as the store does. */
  end(): Promise<void>;
}

const RETRY_MS = 1_000;

/** Keeps one key of the store alive, whatever is lost on the way; where it is gone after all, begins another. */
export function slotSession(options: SlotSessionOptions): SlotSession {
  const { store, clock, signal, renewEveryMs, sessionTtlMs, windowMs } = options;
  let id = options.newId();
  /** 0: not begun. Nobody else writes the key, so whatever stands there is ours. */
  let revision = 0;
  let confirmed: { readonly monotonicMs: number; readonly wallMs: number } | undefined;
  let failure: Failure | undefined;
  let timer: unknown;
  let underway: Promise<number> | undefined;
  let again = false;
  let over = false;

  const schedule = (ms: number): void => {
    clock.clearTimeout(timer);
    if (!over && !signal.aborted) timer = clock.setTimeout(() => void renew(), ms);
  };

  const lose = (): void => {
    const lostId = id;
    id = options.newId();
    revision = 0;
    confirmed = undefined;
    options.ended(lostId);
    schedule(0);
  };

  /** The pause until the next renewal. */
  const renewOnce = async (ofId: string): Promise<number> => {
    const start = { monotonicMs: clock.monotonic(), wallMs: clock.now() };
    const key = sessionKey(ofId);
    const expectedRevision = revision;
    try {
      const value = options.value();
      const write = { expectedRevision, ttlMs: sessionTtlMs };
      const stored = await store.put(key, value, write, signal);
      if (ofId !== id) return 0;
      revision = Math.max(revision, stored);
      confirmed = start;
      failure = undefined;
      options.renewed({ key, value, revision: stored });
      return Math.max(0, renewEveryMs - (clock.monotonic() - start.monotonicMs));
    } catch (thrown) {
      if (signal.aborted || ofId !== id) return 0;
      failure = failureOf(thrown, 'renew session');
      if (failure.code !== 'journal_conflict') return RETRY_MS;
    }
    return settle(ofId, expectedRevision);
  };

  /** Refused: an earlier renewal whose answer was lost has moved the key, or it is gone. */
  const settle = async (ofId: string, refusedRevision: number): Promise<number> => {
    try {
      const entry = await store.get(sessionKey(ofId), signal);
      if (ofId !== id) return 0;
      if (entry === undefined) lose();
      else if (entry.revision === refusedRevision) return RETRY_MS;
      else revision = Math.max(revision, entry.revision);
      return 0;
    } catch (thrown) {
      if (thrown instanceof Failed) failure = thrown.failure;
      return RETRY_MS;
    }
  };

  const renew = async (): Promise<void> => {
    if (over || signal.aborted) return;
    if (underway !== undefined) {
      again = true;
      return;
    }
    underway = renewOnce(id);
    const pauseMs = await underway;
    underway = undefined;
    schedule(again ? 0 : pauseMs);
    again = false;
  };

  return {
    get id() {
      return id;
    },
    get live() {
      return confirmed !== undefined;
    },
    get failure() {
      return failure;
    },
    windowOpen() {
      if (confirmed === undefined || over) return false;
      const sinceMs = Math.max(clock.monotonic() - confirmed.monotonicMs, clock.now() - confirmed.wallMs);
      return sinceMs < windowMs;
    },
    begin: () => schedule(0),
    renewNow: () => void renew(),
    seen(entry) {
      if (entry.key === sessionKey(id)) revision = Math.max(revision, entry.revision);
    },
    seenGone(key) {
      if (key === sessionKey(id) && !over) lose();
    },
    async end() {
      over = true;
      clock.clearTimeout(timer);
      await underway;
      if (revision > 0) await store.delete(sessionKey(id), revision, signal);
    },
  };
}
