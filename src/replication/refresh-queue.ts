import type { Clock } from '../ports/clock.ts';

/**
 * A node refreshes with few threads, one index after the other: what hundreds of pairs ask for at once would time out in its queue, and hold every
 * connection meanwhile.
 */
const AT_ONCE = 4;
/** One that takes longer makes room for another, so that a node that hangs, or is far away, does not hold up the indices of all others. */
const SLOW_MS = 500;
/** Of the 16 connections that a cluster has unless configured otherwise. */
const UNDER_WAY_MAX = 12;

interface Turn {
  readonly index: string;
  readonly ended: Promise<number>;
  readonly resolve: (refreshMs: number) => void;
  readonly reject: (reason: unknown) => void;
  readonly wanted: (() => boolean)[];
}

export interface RefreshWish {
  /** Whoever holds a page or a point in time goes first. */
  readonly urgent: boolean;
  /** Whether anybody still waits for it. */
  readonly wanted: () => boolean;
}

/** Refreshes of one cluster, by turns. */
export class RefreshQueue {
  readonly #refresh: (index: string) => Promise<void>;
  readonly #clock: Clock;
  /** By index, first come, first served. */
  readonly #urgent = new Map<string, Turn>();
  readonly #waiting = new Map<string, Turn>();
  #underWay = 0;
  #quick = 0;

  constructor(refresh: (index: string) => Promise<void>, clock: Clock) {
    this.#refresh = refresh;
    this.#clock = clock;
  }

  /**
   * Resolves when a refresh of the index has ended that began after this call; whoever comes before it begins shares it. Gives how long the refresh
   * itself took.
   */
  async refresh(index: string, { urgent, wanted }: RefreshWish): Promise<number> {
    const turn = this.#urgent.get(index) ?? this.#waiting.get(index) ?? newTurn(index);
    turn.wanted.push(wanted);
    if (urgent) this.#waiting.delete(index);
    if (urgent || this.#urgent.has(index)) this.#urgent.set(index, turn);
    else this.#waiting.set(index, turn);
    this.#begin();
    return turn.ended;
  }

  /** Those that wait hear the reason. */
  end(reason: unknown): void {
    for (const turns of [this.#urgent, this.#waiting]) {
      for (const { reject } of turns.values()) reject(reason);
      turns.clear();
    }
  }

  #begin(): void {
    while (this.#quick < AT_ONCE && this.#underWay < UNDER_WAY_MAX) {
      const turns = this.#urgent.size > 0 ? this.#urgent : this.#waiting;
      const [turn] = turns.values();
      if (turn === undefined) return;
      turns.delete(turn.index);
      if (turn.wanted.some((wanted) => wanted())) void this.#run(turn);
      else turn.resolve(0);
    }
  }

  async #run({ index, resolve, reject }: Turn): Promise<void> {
    this.#underWay += 1;
    this.#quick += 1;
    let quick = true;
    const slow = (): void => {
      if (quick) this.#quick -= 1;
      quick = false;
    };
    const timer = this.#clock.setTimeout(() => {
      slow();
      this.#begin();
    }, SLOW_MS);
    const startedMs = this.#clock.monotonic();
    await this.#refresh(index).then(() => resolve(this.#clock.monotonic() - startedMs), reject);
    this.#clock.clearTimeout(timer);
    slow();
    this.#underWay -= 1;
    this.#begin();
  }
}

function newTurn(index: string): Turn {
  const { promise: ended, resolve, reject } = Promise.withResolvers<number>();
  return { index, ended, resolve, reject, wanted: [] };
}
