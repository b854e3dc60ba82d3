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
  /** Nothing is done under the session any more: its key is gone, or may have been for a while. Another session begins. */
  readonly ended: (session: string) => void;
}

const RETRY_MS = 500;

/** Keeps one key of the store alive, whatever is lost on the way; where it is gone after all, begins another. */
export class SlotSession {
  readonly #options: SlotSessionOptions;
  #id: string;
  /** 0: not begun. Nobody else writes the key, so whatever stands there is ours. */
  #revision = 0;
  /** Start of the last confirmed renewal, by both clocks. */
  #confirmed: { readonly monotonicMs: number; readonly wallMs: number } | undefined;
  #failure: Failure | undefined;
  #timer: unknown;
  #underway: Promise<number> | undefined;
  #again = false;
  #over = false;

  constructor(options: SlotSessionOptions) {
    this.#options = options;
    this.#id = options.newId();
  }

  get id(): string {
    return this.#id;
  }

  /** Begun, and not known to have ended. */
  get live(): boolean {
    return this.#confirmed !== undefined;
  }

  /** Of the last renewal, if it failed. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /**
   * Whether the last confirmed renewal began less than the window ago. The greater of both clocks counts: the monotonic one may stand
   * still while a process or machine is suspended, the other may be set back.
   */
  windowOpen(): boolean {
    return !this.#over && this.#confirmed !== undefined && this.#unconfirmedForMs() < this.#options.windowMs;
  }

  #unconfirmedForMs(): number {
    if (this.#confirmed === undefined) return 0;
    const { clock } = this.#options;
    const { monotonicMs, wallMs } = this.#confirmed;
    return Math.max(clock.monotonic() - monotonicMs, clock.now() - wallMs);
  }

  /**
   * The key had the time to end unseen, and its slots to be taken. A store that went back in time, as one does that was killed, may hold the key all the
   * same, and would take a renewal: it proves nothing any more.
   */
  get #outlived(): boolean {
    return this.#unconfirmedForMs() >= this.#options.sessionTtlMs;
  }

  begin(): void {
    this.#schedule(0);
  }

  /** At once, e.g. since its value has changed. */
  renewNow(): void {
    void this.#renew();
  }

  /** What the watch tells. */
  seen({ key, revision }: LeaseEntry): void {
    if (key === sessionKey(this.#id)) this.#revision = Math.max(this.#revision, revision);
  }

  seenGone(key: string): void {
    if (key === sessionKey(this.#id) && !this.#over) this.#lose();
  }

  /** Deletes the key, so that nobody waits for its time. Throws as the store does. */
  async end(): Promise<void> {
    const { clock, store, signal } = this.#options;
    this.#over = true;
    clock.clearTimeout(this.#timer);
    await this.#underway;
    if (this.#revision > 0) await store.delete(sessionKey(this.#id), this.#revision, signal);
  }

  #schedule(ms: number): void {
    const { clock, signal } = this.#options;
    clock.clearTimeout(this.#timer);
    if (!this.#over && !signal.aborted) this.#timer = clock.setTimeout(() => void this.#renew(), ms);
  }

  async #renew(): Promise<void> {
    if (this.#over || this.#options.signal.aborted) return;
    if (this.#underway !== undefined) {
      this.#again = true;
      return;
    }
    this.#underway = this.#renewOnce(this.#id);
    const pauseMs = await this.#underway;
    this.#underway = undefined;
    this.#schedule(this.#again ? 0 : pauseMs);
    this.#again = false;
  }

  /** Gives the pause until the next one. */
  async #renewOnce(id: string): Promise<number> {
    if (this.#outlived) {
      this.#lose();
      return 0;
    }
    const { store, clock, signal, renewEveryMs, sessionTtlMs } = this.#options;
    const start = { monotonicMs: clock.monotonic(), wallMs: clock.now() };
    const key = sessionKey(id);
    const expectedRevision = this.#revision;
    try {
      const value = this.#options.value();
      const revision = await store.put(key, value, { expectedRevision, ttlMs: sessionTtlMs }, signal);
      if (signal.aborted || id !== this.#id) return 0;
      if (this.#outlived) {
        this.#lose();
        // If that fails, it ends by itself.
        void store.delete(key, revision, signal).catch(() => undefined);
        return 0;
      }
      this.#revision = Math.max(this.#revision, revision);
      this.#confirmed = start;
      this.#failure = undefined;
      this.#options.renewed({ key, value, revision });
      return Math.max(0, renewEveryMs - (clock.monotonic() - start.monotonicMs));
    } catch (thrown) {
      if (signal.aborted || id !== this.#id) return 0;
      this.#failure = failureOf(thrown, 'renew session');
      if (this.#failure.code !== 'journal_conflict') return RETRY_MS;
    }
    return this.#refused(id, expectedRevision);
  }

  /** An earlier renewal whose answer was lost has moved the key, or it is gone. */
  async #refused(id: string, expectedRevision: number): Promise<number> {
    const { store, signal } = this.#options;
    try {
      const entry = await store.get(sessionKey(id), signal);
      if (signal.aborted || id !== this.#id) return 0;
      if (entry === undefined) this.#lose();
      else if (entry.revision === expectedRevision) return RETRY_MS;
      else this.#revision = Math.max(this.#revision, entry.revision);
      return 0;
    } catch (thrown) {
      if (thrown instanceof Failed) this.#failure = thrown.failure;
      return RETRY_MS;
    }
  }

  #lose(): void {
    const lost = this.#id;
    this.#id = this.#options.newId();
    this.#revision = 0;
    this.#confirmed = undefined;
    this.#options.ended(lost);
    this.#schedule(0);
  }
}
