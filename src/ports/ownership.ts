/**
 * Which supervisor runs which pairs. Follower indices are divided into `SLOT_COUNT` slots (`domain/slots.ts`); a slot has at most one
 * owner, whose *term* is higher than that of every owner before. A supervisor is known by the id of its *session*, new with every start.
 */
export interface SlotOwner {
  readonly session: string;
  readonly term: number;
}

/** What a live supervisor tells the others. */
export interface Announcement {
  /** As configured; not unique. */
  readonly supervisor: string;
  readonly version: string;
  /** Names of the clusters that it is configured for: only slots whose indices it reaches are its to take. */
  readonly clusters: readonly string[];
  /** Event versions that it reads, from the first one on. */
  readonly readsEventVersion: number;
  /** By cluster: so long after it was sent a request has run or will never run. Those of older versions do not tell. */
  readonly requestTimeoutsMs?: Readonly<Record<string, number>> | undefined;
}

export interface LiveSession {
  readonly session: string;
  readonly announced: Announcement;
}

export interface SlotHandlers {
  /**
   * The slot is ours under this term. Never called twice for a slot without `lost` or `give` between. `released`: the owner before gave it
   * up in order, so nothing of it is on its way; otherwise it may still run.
   */
  acquired(slot: number, term: number, released?: boolean): void;
  /** It is not ours any more: nothing of it may be written; work on it ends at once. */
  lost(slot: number): void;
  /** It is to be somebody else's: resolves when work on it has ended in order and its positions are saved. Then it is given up. */
  give(slot: number): Promise<void>;
}

export interface Ownership {
  readonly session: string;
  /** Takes and gives slots until `stop`. Resolves when the first look at who owns what is complete. */
  start(handlers: SlotHandlers, signal: AbortSignal): Promise<void>;
  /**
   * Whether a write for this slot may start now: it is ours, and the last confirmed renewal began less than the window ago, by the greater
   * of monotonic and wall clock. To be asked before every request that writes; costs no I/O.
   */
  mayWrite(slot: number): boolean;
  /** Undefined: nobody, as far as is known. */
  ownerOf(slot: number): SlotOwner | undefined;
  /** This supervisor included, while its session lives. */
  live(): readonly LiveSession[];
  /**
   * The longest request timeout for a cluster that anybody announced who lives, or of whom a request may still be under way; 0: nobody told.
   */
  longestRequestMs(cluster: string): number;
  /** Calls back when who owns what, who lives, or whether we may write has changed. Gives the way to stop that. */
  observe(changed: () => void): () => void;
  /**
   * A slot that is not to be taken by this supervisor, e.g. since its events cannot be read here; ours is given up. Until it is told
   * that it does not shun it any more. Tells whether any other that lives takes it: what all shun is owned as if nobody did.
   */
  shun(slot: number, shunned?: boolean): boolean;
  /** Gives every slot up in order (`give`), then ends the session. */
  stop(): Promise<void>;
}
