import { type Failed, failed } from '../../../src/domain/failure.ts';
import type { StoredEvent } from '../../../src/ports/event-log.ts';
import type { SimRandom } from '../../support/sim-random.ts';
import type { RequestFate } from '../../support/memory-leases.ts';
import type { VirtualClock } from '../../support/virtual-clock.ts';
import type { ControlOptions } from './control-options.ts';
import type { ProcessClock } from './process-clock.ts';

/** The process that calls. */
export interface Caller {
  readonly clock: ProcessClock;
  /** Nothing of NATS reaches it. */
  cutOff: boolean;
  crash(): void;
}

/** Which server is called: the journal, the store of answers, or a search cluster. */
export interface Called {
  readonly server: 'journal' | 'answers' | 'search';
  readonly cluster?: string;
}

const SEARCH = 'a search request';
const RARE = new Set([
  ...['BOOTSTRAPPED', 'FATAL', 'RECOVERED', 'HISTORY_GONE', 'LEASE_EXPIRED', 'ROLLED_BACK', 'EPOCH_RAISED'].map(append),
  ...['QUARANTINED', 'QUARANTINE_RETRY', 'MASS_DELETE_USED', 'UNFOLLOWED', 'RELEASED'].map(append),
]);

interface Call {
  readonly caller: Caller;
  readonly called: Called;
  readonly method: string;
  readonly args: readonly unknown[];
  readonly run: () => unknown;
}

interface Fate {
  /** Undefined: it never runs. */
  readonly runsAfterMs?: number;
  /** Undefined: nobody hears. */
  readonly answersAfterMs?: number;
  readonly failure?: Failed;
  /** It is delivered once more, so much later. */
  readonly againAfterMs?: number;
  readonly crashes?: boolean;
}

const REQUEST_TIMEOUT_MS = 1000;
/** Requests of search clusters that take time at all: the rest is answered at once, which is cheap. */
const SEARCH_TAKES_TIME = 0.1;
/** Methods of the journal and the answers that change something. */
const WRITES = new Set(['append', 'claim', 'keep']);

/** Draws what becomes of each call of a process, and counts what was drawn. */
export class ControlNetwork {
  readonly #options: ControlOptions;
  readonly #random: SimRandom;
  readonly #clock: VirtualClock;
  readonly #told: (line: string) => void;
  readonly drawn = new Map<string, number>();
  faulty = true;
  journalFull = false;
  /** Sees every call to a search cluster when it is sent. */
  sent: (caller: Caller, cluster: string, method: string, args: readonly unknown[]) => void = () => undefined;
  /** What a call to a search cluster fails with before it runs. */
  refusal: (cluster: string, method: string, args: readonly unknown[]) => Failed | undefined = () => undefined;

  constructor(world: {
    readonly options: ControlOptions;
    readonly random: SimRandom;
    readonly clock: VirtualClock;
    readonly told: (line: string) => void;
  }) {
    this.#options = world.options;
    this.#random = world.random;
    this.#clock = world.clock;
    this.#told = world.told;
  }

  count(kind: string): void {
    this.#told(`  ${kind}`);
    this.drawn.set(kind, (this.drawn.get(kind) ?? 0) + 1);
  }

  /** The port as a process sees it over the network. */
  over<P extends object>(port: P, called: Called, caller: Caller): P {
    const methods = new Map<string | symbol, unknown>();
    return new Proxy(port, {
      get: (target, name, receiver) => {
        const member: unknown = Reflect.get(target, name, receiver);
        if (typeof member !== 'function') return member;
        const known = methods.get(name);
        if (known !== undefined) return known;
        const method = String(name);
        const reads = method === 'read';
        const over = (...args: readonly unknown[]): unknown => {
          const run = (): unknown => Reflect.apply(member, target, args);
          const call = { caller, called, method, args, run };
          return reads ? this.#reading(call) : this.#call(call);
        };
        methods.set(name, over);
        return over;
      },
    });
  }

  /** A reading is asked for as anything is; then what it gives comes as it can. */
  async *#reading(call: Call): AsyncGenerator<StoredEvent> {
    await this.#call({ ...call, run: () => undefined });
    const { caller, args } = call;
    const signal = signalOf(args);
    for await (const event of call.run() as AsyncIterable<StoredEvent>) {
      // What is read live is kept for a reader that is cut off.
      while (caller.cutOff || caller.clock.suspended) await caller.clock.sleep(50, signal);
      yield event;
    }
  }

  #call(call: Call): Promise<unknown> {
    const { caller, args, method } = call;
    const signal = signalOf(args);
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    if (!caller.clock.alive) return new Promise(() => undefined);
    if (call.called.cluster !== undefined) this.sent(caller, call.called.cluster, method, args);
    const fate = this.#fate(call);
    if (fate === undefined) return runNow(() => this.#run(call));
    const { runsAfterMs, answersAfterMs, failure, againAfterMs, crashes = false } = fate;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const giveUp = (): void => reject(signal?.reason as Error);
    signal?.addEventListener('abort', giveUp, { once: true });
    let answer: Promise<unknown> | undefined;
    const crash = (): void => {
      if (!caller.clock.alive) return;
      this.#told(`the process dies ${runsAfterMs === undefined ? 'before' : 'after'} ${method} ran`);
      caller.crash();
    };
    if (runsAfterMs !== undefined)
      this.#clock.setTimeout(() => {
        answer = runNow(() => this.#run(call));
        if (crashes) crash();
      }, runsAfterMs);
    else if (crashes) this.#clock.setTimeout(crash, 0);
    if (againAfterMs !== undefined)
      this.#clock.setTimeout(() => void runNow(() => this.#run(call)), (runsAfterMs ?? 0) + againAfterMs);
    if (answersAfterMs !== undefined)
      this.#clock.setTimeout(() => {
        signal?.removeEventListener('abort', giveUp);
        caller.clock.hear(() => {
          if (failure !== undefined || answer === undefined) reject(failure ?? new Error(`${method} never ran`));
          else resolve(answer);
        });
      }, answersAfterMs);
    return promise;
  }

  /** What becomes of a request to the store of leases. */
  leaseFate(caller: Caller): RequestFate {
    const random = this.#random;
    const quick = {
      stored: 1,
      beforeMs: 0,
      afterMs: random.chance(0.2) ? random.between(1, 20) : 0,
      answered: true,
    } as const;
    if (!this.faulty) return quick;
    if (random.chance(this.#options.faults.crash)) {
      const before = random.chance(0.5);
      this.count(`crash ${before ? 'before' : 'after'} a lease request`);
      this.#clock.setTimeout(() => caller.crash(), before ? 0 : 1);
      return { ...quick, stored: before ? 0 : 1, answered: false };
    }
    if (!random.chance(this.#options.faults.lease)) return quick;
    const kind = random.pick('lost before', 'lost after', 'late', 'twice', 'slow');
    this.count(`lease request ${kind}`);
    switch (kind) {
      case 'lost before':
        return { ...quick, stored: 0, answered: false };
      case 'lost after':
        return { ...quick, answered: false };
      case 'late':
        return { ...quick, beforeMs: random.between(500, 3000) };
      case 'twice':
        return { ...quick, stored: 2 };
      case 'slow':
        return { ...quick, afterMs: random.between(50, 1500) };
    }
  }

  #run({ called, method, args, run }: Call): unknown {
    // Closing a view is never told to have failed.
    if (called.cluster !== undefined && method !== 'closeView') {
      const refusal = this.refusal(called.cluster, method, args);
      if (refusal !== undefined) throw refusal;
    }
    if (method === 'append' && this.journalFull) {
      this.count('journal is full for append');
      throw failed('journal_full', { op: 'append', reason: 'no space left on device' });
    }
    return run();
  }

  /** Undefined: at once. */
  #fate(call: Call): Fate | undefined {
    const { caller, called, method } = call;
    const random = this.#random;
    const search = called.server === 'search';
    const name = nameOf(call);
    if (this.faulty && random.chance(this.#options.faults.crash * oftenAs(name))) {
      const before = random.chance(0.5);
      this.count(`crash ${before ? 'before' : 'after'} ${name}`);
      return before ? { crashes: true } : { runsAfterMs: 1, crashes: true };
    }
    if (search) return this.#searchFate(called.cluster ?? '', method);
    const there = 1;
    const back = there + random.between(1, 4);
    if (caller.cutOff) {
      this.count(`${called.server} cut off`);
      return { answersAfterMs: REQUEST_TIMEOUT_MS, failure: lost(call) };
    }
    if (!this.faulty || !random.chance(this.#options.faults.call)) return { runsAfterMs: there, answersAfterMs: back };
    const kind = random.pick('lost before', 'lost after', 'late', 'twice', 'slow');
    if (!WRITES.has(method) && kind !== 'slow') {
      this.count(`${method} lost`);
      return { answersAfterMs: back, failure: lost(call) };
    }
    this.count(`${method} ${kind}`);
    switch (kind) {
      case 'lost before':
        return { answersAfterMs: back, failure: lost(call) };
      case 'lost after':
        return { runsAfterMs: there, answersAfterMs: back, failure: lost(call) };
      case 'late':
        return { runsAfterMs: back + random.between(1, 2000), answersAfterMs: back, failure: lost(call) };
      case 'twice':
        return { runsAfterMs: there, answersAfterMs: back, againAfterMs: random.between(1, 2000) };
      case 'slow':
        return { runsAfterMs: 20, answersAfterMs: back * random.between(20, 200) };
    }
  }

  #searchFate(cluster: string, method: string): Fate | undefined {
    const random = this.#random;
    // Closing a view is never told to have failed.
    if (this.faulty && method !== 'closeView' && random.chance(this.#options.faults.search)) {
      const after = random.chance(0.5);
      this.count(`${after ? 'answer' : 'request'} of search lost`);
      const failure = failed('answer_cut', { op: method, cluster, reason: 'cut', ambiguous: true });
      return { ...(after ? { runsAfterMs: 1 } : {}), answersAfterMs: random.between(2, 50), failure };
    }
    if (!random.chance(SEARCH_TAKES_TIME)) return undefined;
    return { runsAfterMs: 1, answersAfterMs: random.between(2, 100) };
  }
}

function lost({ called, method }: Call): Failed {
  const ambiguous = WRITES.has(method) ? { ambiguous: true } : {};
  return failed('journal_unreachable', { op: method, reason: `${called.server} did not answer`, ...ambiguous });
}

/** Calls that come seldom meet a crash more often. */
function oftenAs(name: string): number {
  if (name === SEARCH) return 0.3;
  if (RARE.has(name)) return 15;
  return name.startsWith('append') ? 3 : 1;
}

/** What of a call a crash is counted under: of appends also the event. */
function nameOf({ called, method, args }: Call): string {
  if (called.server === 'search') return SEARCH;
  if (method !== 'append') return method;
  const { fact } = args[1] as { fact: { type: string } };
  return append(fact.type);
}

function append(type: string): string {
  return `append ${type}`;
}

function signalOf(args: readonly unknown[]): AbortSignal | undefined {
  const last = args.at(-1);
  return last instanceof AbortSignal ? last : undefined;
}

function runNow(run: () => unknown): Promise<unknown> {
  const answer = new Promise<unknown>((resolve) => resolve(run()));
  // Whoever waits for it hears of a rejection; nobody may be waiting.
  answer.catch(() => undefined);
  return answer;
}
