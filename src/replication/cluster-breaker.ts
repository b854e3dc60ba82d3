import { backoffMs } from '../domain/backoff.ts';
import { failed, Failed, failureOf, type Failure, type FailureCode } from '../domain/failure.ts';
import type { Outage } from '../domain/outage.ts';
import type { Clock } from '../ports/clock.ts';
import type { Narrator } from '../ports/narrator.ts';
import type { Random } from '../ports/random.ts';
import type { RequestGate } from '../ports/request-gate.ts';
import { PacedQueue } from './paced-queue.ts';

/** What may be a fault of the whole cluster. Only a probe that fails as well makes it one. */
const SUSPICIOUS: ReadonlySet<FailureCode> = new Set([
  'cluster_unreachable',
  'request_timeout',
  'answer_cut',
  'unexpected_answer',
  'unauthorized',
  'forbidden',
  'no_master',
  'other_cluster',
  // Of another cluster that took the address, every index is missing.
  'index_deleted',
] satisfies FailureCode[]);

/** A stream of faults that are not the cluster's costs one probe in this time. */
const CONFIRM_SPACING_MS = 1000;
/** Between two probes at least this, so never more than four a second, and at most 2 s. */
const PROBE_SPACING_MS = 250;
const PROBE_BACKOFF_MAX_MS = 1750;
const PROBE_TIMEOUT_MS = 5000;
/** One probe in so many waits as long as any request may: a cluster that needs longer for everything is slow, not away. */
const PATIENT_PROBE_EVERY = 12;
/** In 100 ms. */
const TURNS_MAX = 100;

export interface BreakerOptions {
  readonly cluster: string;
  /** A cheap authenticated request that concerns no index and needs the master. Throws `Failed`. */
  readonly probe: (signal: AbortSignal) => Promise<unknown>;
  /** Longest life of an ordinary request. */
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly narrator: Narrator;
}

type State =
  | { readonly kind: 'unproven' }
  | { readonly kind: 'closed'; readonly sinceMs: number }
  | {
      readonly kind: 'open';
      readonly sinceMs: number;
      probes: number;
      nextProbeAtMs: number | undefined;
      failure: Failure;
    };

/**
 * One for each cluster. It opens when a request failed in a way that may concern the whole cluster and a probe, sent at once, fails too; no
 * single index or shard can open it, since the probe asks for none. While it is open nothing goes to the cluster but one probe at a time.
 * The first probe that is answered closes it, and those that wait leave at a rate that grows. Before its first request it is unproven: that
 * request waits for a probe, so that thousands of pairs that start together do not run into a cluster that is away.
 */
export class ClusterBreaker implements RequestGate {
  readonly #options: BreakerOptions;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #attempts: PacedQueue;
  readonly #failures: PacedQueue;
  #state: State = { kind: 'unproven' };
  #confirming: Promise<void> | undefined;
  #confirmedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: BreakerOptions) {
    this.#options = options;
    const { clock, random } = options;
    this.#attempts = new PacedQueue({ clock, random, perWindow: TURNS_MAX });
    this.#failures = new PacedQueue({ clock, random, perWindow: TURNS_MAX });
  }

  /** Undefined while the cluster answers. */
  get outage(): Outage | undefined {
    if (this.#state.kind !== 'open') return undefined;
    const { sinceMs, probes, nextProbeAtMs, failure } = this.#state;
    return {
      cluster: this.#options.cluster,
      sinceMs,
      ...(nextProbeAtMs === undefined ? {} : { nextProbeAtMs }),
      probes,
      waiting: this.#attempts.length,
      failure,
    };
  }

  /** Monotonic clock; what was seen later was seen of a cluster that answers. */
  get answersSinceMs(): number {
    return this.#state.kind === 'closed' ? this.#state.sinceMs : Number.POSITIVE_INFINITY;
  }

  async pass<T>(send: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#state.kind === 'unproven') await this.#known(signal);
    this.#requireClosed();
    try {
      return await send();
    } catch (thrown) {
      if (thrown instanceof Failed && SUSPICIOUS.has(thrown.failure.code) && !signal.aborted)
        await this.#known(signal).catch(() => undefined);
      if (this.#outageIs('other_cluster')) this.#requireClosed();
      throw thrown;
    }
  }

  /** The turn of a pair to try again: when the cluster answers, and not together with all others. Rejects with the signal's reason. */
  async turn(signal: AbortSignal): Promise<void> {
    await this.#attempts.turn(signal);
  }

  /** The turn of a pair to record that it fails: thousands fail in one moment. */
  async failureTurn(signal: AbortSignal): Promise<void> {
    await this.#failures.turn(signal);
  }

  /** Told whenever it opens and closes. Gives the function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): void {
    this.#stop.abort(new DOMException('the breaker stops', 'AbortError'));
  }

  #outageIs(code: FailureCode): boolean {
    return this.#state.kind === 'open' && this.#state.failure.code === code;
  }

  #requireClosed(): void {
    if (this.#state.kind !== 'open') return;
    const { code, op, reason, hint, cluster = this.#options.cluster, status } = this.#state.failure;
    throw failed(code, { op, reason, hint, cluster, ...(status === undefined ? {} : { status }) });
  }

  /** Until it is known whether the cluster answers; many ask with one probe. */
  async #known(signal: AbortSignal): Promise<void> {
    if (this.#state.kind === 'open') return;
    this.#confirming ??= this.#confirm().finally(() => {
      this.#confirming = undefined;
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#confirming.then(resolve, reject);
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #confirm(): Promise<void> {
    const { clock } = this.#options;
    const dueInMs = this.#confirmedAtMs + CONFIRM_SPACING_MS - clock.monotonic();
    if (dueInMs > 0) await clock.sleep(dueInMs, this.#stop.signal);
    const failure = await this.#probe(PROBE_TIMEOUT_MS);
    this.#confirmedAtMs = clock.monotonic();
    if (failure !== undefined) this.#open(failure);
    else if (this.#state.kind === 'unproven') this.#state = { kind: 'closed', sinceMs: clock.monotonic() };
  }

  #open(failure: Failure): void {
    const { clock, narrator, cluster } = this.#options;
    this.#state = { kind: 'open', sinceMs: clock.now(), probes: 1, nextProbeAtMs: undefined, failure };
    this.#attempts.shut();
    narrator.log('warn', 'the cluster does not answer; its pairs wait', { cluster, failure });
    narrator.count('cluster.outages', 1, { cluster });
    for (const listener of this.#listeners) listener();
    void this.#probeUntilAnswered(this.#state).catch((thrown: unknown) => {
      if (!this.#stop.signal.aborted)
        narrator.log('error', 'probing ended', { cluster, failure: failureOf(thrown, 'probe') });
    });
  }

  async #probeUntilAnswered(outage: State & { kind: 'open' }): Promise<void> {
    const { clock, random, requestTimeoutMs } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const delayMs = PROBE_SPACING_MS + backoffMs(attempt, PROBE_BACKOFF_MAX_MS, random.next());
      outage.nextProbeAtMs = clock.now() + delayMs;
      await clock.sleep(delayMs, this.#stop.signal);
      outage.nextProbeAtMs = undefined;
      const failure = await this.#probe(attempt % PATIENT_PROBE_EVERY === 0 ? requestTimeoutMs : PROBE_TIMEOUT_MS);
      if (failure === undefined) break;
      outage.probes += 1;
      outage.failure = failure;
    }
    this.#close(outage);
  }

  #close(outage: State & { kind: 'open' }): void {
    const { clock, narrator, cluster } = this.#options;
    this.#state = { kind: 'closed', sinceMs: clock.monotonic() };
    narrator.log('info', 'the cluster answers again', {
      cluster,
      awayMs: clock.now() - outage.sinceMs,
      probes: outage.probes,
      waiting: this.#attempts.length,
    });
    for (const listener of this.#listeners) listener();
    this.#attempts.open();
  }

  /** Undefined: it was answered. */
  async #probe(timeoutMs: number): Promise<Failure | undefined> {
    const { clock, cluster, narrator, requestTimeoutMs } = this.#options;
    const op = `${cluster} probe`;
    const patienceMs = Math.min(timeoutMs, requestTimeoutMs);
    const patience = new AbortController();
    const timer = clock.setTimeout(() => patience.abort(), patienceMs);
    narrator.count('cluster.probes', 1, { cluster });
    try {
      await this.#options.probe(AbortSignal.any([this.#stop.signal, patience.signal]));
      return undefined;
    } catch (thrown) {
      this.#stop.signal.throwIfAborted();
      if (patience.signal.aborted)
        return failed('request_timeout', { op, cluster, reason: `no answer within ${patienceMs} ms` }).failure;
      const failure = failureOf(thrown, op);
      // Whatever it is, it ends when the cluster answers.
      return failure.kind === 'transient'
        ? failure
        : failed('unexpected_answer', { op, cluster, reason: `${failure.code}: ${failure.reason}` }).failure;
    } finally {
      clock.clearTimeout(timer);
    }
  }
}
