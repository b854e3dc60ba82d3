import { failed, type Failure, failureOf } from '../domain/failure.ts';
import { pairKey } from '../domain/names.ts';
import type { RepairKey, RepairOutcome } from '../domain/repair.ts';
import type { WorkerInput } from '../machines/shard-pair.ts';
import type { Observation } from '../replication/cluster-watcher.ts';
import { newCounters, type PairProgress } from '../replication/pair-progress.ts';
import type { PairQuarantine } from '../replication/quarantine/pair-quarantine.ts';
import { PairRepairs } from '../replication/pair-repairs.ts';
import { ShardReplicator } from '../replication/shard-replicator.ts';
import { mayTry } from './clusters-back.ts';
import type { PreparedIndex } from './follower-index.ts';
import type { IndexPair } from './index-pair.ts';
import { lookBack } from './look-back.ts';
import { MassDeletes } from './mass-deletes.ts';
import type { PositionToken } from '../ports/position-store.ts';
import type { KeptPair, PositionDraft } from './position-keeper.ts';
import { leaderHistory, leaderIdentity } from './leader-identity.ts';
import { requireLease } from './lease.ts';
import { positionDraft } from './position-draft.ts';
import { fittingPosition } from './position-fit.ts';
import { replicatorPorts } from './replicator-ports.ts';
import { SessionQuarantine, type SessionQuarantineOptions } from './session-quarantine.ts';

/** How a worker ended, or what it has to say on its way. */
export type WorkOutcome =
  | { readonly type: 'PAUSED'; readonly checkpoint: number }
  | { readonly type: 'RECOVERED' }
  | { readonly type: 'BOOTSTRAPPED'; readonly checkpoint: number };

export interface SessionOptions extends SessionQuarantineOptions {
  /** Sequence of the pair's newest event when the supervisor started, or of what an owner before it appended later. */
  readonly startedSeq: () => number;
  readonly told: KeptPair['told'];
}

const DRAINS = new DOMException('the pair drains', 'AbortError');

/** The data side of one pair: its replicator, its place in the watchers, and its saved position. Lives through retries and pauses. */
export class PairSession implements IndexPair {
  readonly #options: SessionOptions;
  readonly #counters = newCounters();
  readonly #quarantine: SessionQuarantine;
  readonly #massDeletes: MassDeletes;
  /** What an operator asked for; outlives replicators. */
  readonly repairs = new PairRepairs();
  #replicator: ShardReplicator | undefined;
  #progress: PairProgress | undefined;
  #epoch = 0;
  #scratches = 0;
  #seen: Observation | undefined;
  #watchFailure: Failure | undefined;
  /** Why the follower's settings are not restored, until it is told. */
  #notRestored: Failure | undefined;
  #wake: (() => void) | undefined;
  /** Made when somebody asks for it: thousands of pairs wait for ever, and nobody asks. */
  #drained: AbortController | undefined;
  #draining = false;
  /** Known from the first position on: what is saved since comes from this process. */
  #journalFits = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#quarantine = new SessionQuarantine(options);
    this.#massDeletes = new MassDeletes(options);
  }

  get replicator(): ShardReplicator | undefined {
    return this.#replicator;
  }

  /** That of the last replicator, also while the pair is paused. */
  get progress(): PairProgress | undefined {
    return this.#progress;
  }

  get quarantine(): PairQuarantine | undefined {
    return this.#quarantine.current;
  }

  /** Nothing that was asked to be tried again is left; never so for a pair that does not run. */
  get quarantineTried(): boolean {
    return this.#replicator !== undefined && this.quarantine?.retrying === false;
  }

  /** Reads what is in quarantine again; a pair that does not run does so when it is resumed. */
  retryQuarantine(): void {
    this.#quarantine.askRetry();
    this.#wake?.();
  }

  /** Resolves when each of them was looked at by the running pair. */
  repair(keys: readonly RepairKey[]): Promise<readonly RepairOutcome[]> {
    const done = this.repairs.ask(keys);
    this.#wake?.();
    return done;
  }

  get lastSeen(): Observation | undefined {
    return this.#seen ?? this.#options.index.leaderSide.watcher.latest(this.#options.index.snapshot.leader.index);
  }

  /** Of the work under way, or the last: it is told to end. */
  get drained(): AbortSignal {
    this.#drained ??= new AbortController();
    if (this.#draining) this.#drained.abort(DRAINS);
    return this.#drained.signal;
  }

  /** Ends the work at the next safe point. */
  drain(): void {
    this.#draining = true;
    this.#drained?.abort(DRAINS);
    this.#options.index.reconsider();
    this.wake();
  }

  /** Work that waits looks again. */
  wake(): void {
    this.#wake?.();
  }

  close(): void {
    const { index, pair } = this.#options;
    if (this.#replicator !== undefined) {
      this.#replicator.close();
      index.deleteMemory.left(this.#replicator);
      index.followerSide.keeper.forget(pair);
    }
    this.#replicator = undefined;
    this.#seen = undefined;
  }

  /** For good. */
  end(): void {
    this.close();
    this.#options.index.leave(this);
  }

  /** Whoever aborts the signal wakes it: a listener for each pair that waits would be heavier than all the rest of its waiting. */
  async work(input: WorkerInput, signal: AbortSignal): Promise<WorkOutcome> {
    this.#draining = false;
    this.#drained = undefined;
    this.#watchFailure = undefined;
    this.#notRestored = undefined;
    if (input.mode === 'drain') return this.#paused(signal);
    const waited = input.mode === 'attempt' && (await mayTry(this.#options, this.drained, signal));
    const { index, pair } = this.#options;
    requireLease(index.lease, 'open pair');
    let replicator = await this.#open(input, signal);
    for (let first = true; ; first = false) {
      if (this.#draining) return this.#paused(signal);
      if (replicator.audit.restarted) replicator = await this.#reopen(input, signal);
      // After every step, or a leader that is written to all the time would keep the pair from ever being done.
      if (!first && input.goal === 'bootstrapping' && (await this.#bootstrapped(replicator, signal)))
        return { type: 'BOOTSTRAPPED', checkpoint: replicator.progress.checkpoint };
      const idle = !replicator.needsStep(this.lastSeen);
      // The cluster was all that was wrong.
      if (first && waited && idle && input.goal === 'following') return { type: 'RECOVERED' };
      if (!first && idle) {
        // Here thousands of pairs wait: without a call of its own, which would be kept for each of them.
        while (!this.#hasNews(replicator, input.goal)) {
          await this.#woken(signal);
          this.#afterWaking(signal);
          this.#quarantine.tell();
        }
        continue;
      }
      requireLease(index.lease, 'replicate');
      const brief = input.mode === 'attempt';
      const { progress, more } = await replicator.step(signal, { brief }).catch((thrown: unknown) => {
        // Cursors may have moved before it failed.
        this.#options.index.followerSide.keeper.moved(this.#options.pair);
        throw thrown;
      });
      if (progress) this.#options.index.followerSide.keeper.moved(this.#options.pair);
      this.#quarantine.tell();
      // It may have been given up before it did anything, which is no success.
      if (this.#draining && !progress && !more) continue;
      // The end of a bootstrap is tried as well, or what fails only there would be entered and left for ever.
      if (input.mode === 'attempt' && (input.goal === 'following' || !replicator.settled)) return { type: 'RECOVERED' };
      if (input.mode === 'attempt')
        return (await this.#bootstrapped(replicator, signal))
          ? { type: 'BOOTSTRAPPED', checkpoint: replicator.progress.checkpoint }
          : { type: 'RECOVERED' };
      // Whether that was the end of a bootstrap is looked at now: the leader may have nothing new to wake us with. Not over and over while others copy.
      const ending = input.goal === 'bootstrapping' && replicator.settled && index.mayEnd(pair.shard);
      if (!progress && !this.#draining && !ending) {
        await this.#woken(signal);
        this.#afterWaking(signal);
      } else if (!more) await this.#options.ports.clock.sleep(0, signal);
    }
  }

  // --- opening --------------------------------------------------------------------------------------------------------------

  async #open(input: WorkerInput, signal: AbortSignal): Promise<ShardReplicator> {
    const { index, record } = this.#options;
    const anew = input.scratches > this.#scratches || input.raiseEpoch;
    if (this.#replicator !== undefined && !anew && this.#epoch === input.epoch) return this.#replicator;
    this.close();
    index.start();
    const sinceMs = this.#options.ports.clock.monotonic();
    const prepared = await index.prepared();
    await index.requireSame(sinceMs, signal);
    let { epoch } = input;
    if (input.raiseEpoch) {
      epoch = await index.epochAbove(epoch, signal);
      const reason = 'the copy begins anew over what the follower holds';
      // Decision before effect.
      await record({ event: { type: 'EPOCH_RAISED', epoch }, fact: { type: 'EPOCH_RAISED', epoch, reason } });
    }
    if (epoch > 1) await index.markEpoch(epoch);
    const replicator = await index.followerSide.openings.use(signal, () =>
      this.#build({ ...input, epoch }, prepared, anew, signal),
    );
    this.#epoch = epoch;
    this.#scratches = input.scratches;
    // An owner before may have used it and died before it told: used now, it is not left open for whatever is deleted later.
    if (this.#massDeletes.allowedBy !== undefined) replicator.compareNext();
    if (index.deleteMemory.interrupted) replicator.compareNext({ exact: true });
    return replicator;
  }

  /** Goes back to the saved position: the follower may have lost what it acknowledged after it. */
  async #reopen(input: WorkerInput, signal: AbortSignal): Promise<ShardReplicator> {
    const { ports, pair } = this.#options;
    ports.narrator.log('warn', 'the follower was restarted or is another one; going on from the saved position', {
      pair: pairKey(pair),
    });
    this.close();
    return this.#open({ ...input, epoch: this.#epoch, raiseEpoch: false }, signal);
  }

  async #build(
    input: WorkerInput,
    prepared: PreparedIndex,
    anew: boolean,
    signal: AbortSignal,
  ): Promise<ShardReplicator> {
    const { ports, index, pair, parameters, recorded } = this.#options;
    const { followerSide, snapshot } = index;
    const key = pairKey(pair);
    const [stored, followerNow] = await Promise.all([
      followerSide.positions.load([key], signal).then((found) => found.get(key)),
      followerSide.watcher.observe(pair.follower.index, { refresh: false }, signal),
    ]);
    const fit = anew
      ? { position: undefined, void: undefined }
      : fittingPosition(stored?.record, {
          follower: pair.follower,
          journalId: ports.log.journalId,
          epoch: input.epoch,
          eventSeq: this.#journalFits ? Number.POSITIVE_INFINITY : this.#options.startedSeq(),
          leaderUuid: snapshot.leaderUuid,
          followerNow,
        });
    if (fit.void !== undefined)
      ports.narrator.log('warn', 'the saved position is void; copying again from the beginning', {
        pair: key,
        reason: fit.void,
      });
    if (fit.position === undefined && !anew && input.goal === 'following') {
      throw failed('follower_rolled_back', {
        op: 'load position',
        cluster: followerSide.name,
        reason: fit.void ?? `there is no saved position of ${key}`,
      });
    }
    const { position } = fit;
    const quarantine = await this.#quarantine.open({ key, epoch: input.epoch, prepared, position }, signal);
    // Even a void position names the history that its epoch was copied from.
    const before = stored?.record.position;
    const named = before?.epoch === input.epoch && before.leader.uuid === snapshot.leaderUuid;
    const historyUuid = named ? before.leader.historyUuid : await leaderHistory(index, pair.shard, signal);
    // Whoever was ended meanwhile takes nothing up any more.
    signal.throwIfAborted();
    const setup = {
      pair: key,
      leader: leaderIdentity(snapshot, pair.shard, historyUuid),
      followerIndex: pair.follower.index,
      followerUuid: prepared.followerUuid,
      epoch: input.epoch,
      aligned: prepared.aligned,
      layout: prepared.layout,
      parameters,
      resultWindow: prepared.resultWindow,
      writeLifeMs: index.deleteMemory.writeLifeMs,
      quarantine,
      syncMetadata: (observation: Observation) => index.syncMetadata(observation),
      leaderIsGone: (gone: AbortSignal) => index.leaderIsGone(gone),
      forgettingDeletes: <T>(work: () => Promise<T>, asked: AbortSignal) => index.forgettingDeletes(work, asked),
      repairs: this.repairs,
      massDeletes: this.#massDeletes,
      miscounted: (beforeMs: number) => index.miscounted(beforeMs, this.#replicator),
      traceId: () => recorded()?.run.traceId,
      draining: () => this.#draining,
      moved: () => followerSide.keeper.moved(pair),
    };
    const replicator = new ShardReplicator(replicatorPorts(ports, index), setup, {
      position,
      fresh: prepared.fresh && this.#progress === undefined && stored === undefined && !anew,
      counters: this.#counters,
    });
    // What the position was found to fit is what the audit compares with from now on.
    replicator.followerObserved(followerNow);
    this.#replicator = replicator;
    this.#progress = replicator.progress;
    index.join(this);
    this.#keep(replicator, quarantine, input.epoch, stored?.token);
    this.#journalFits = true;
    if (fit.position === undefined || fit.position.clean) await this.#saveFirst(signal);
    return replicator;
  }

  /**
   * Before anything is copied: the history is on record then, and another one is known as such, whenever that is; a void position is replaced,
   * which could come to look valid again once new writes raise the follower's numbers; and a count that was saved as trustworthy is so
   * only until the first write.
   */
  async #saveFirst(signal: AbortSignal): Promise<void> {
    const { index, pair } = this.#options;
    try {
      await index.followerSide.keeper.saveNow(pair, false, signal);
    } catch (thrown) {
      // Or the next attempt would go on without.
      this.close();
      throw thrown;
    }
  }

  #keep(
    replicator: ShardReplicator,
    quarantine: PairQuarantine,
    epoch: number,
    token: PositionToken | undefined,
  ): void {
    const { index, pair, told } = this.#options;
    const { snapshot } = index;
    const draft = (): PositionDraft | undefined => positionDraft(replicator, { epoch, quarantine, snapshot });
    index.followerSide.keeper.keep(
      { ref: pair, draft, unsynced: () => index.durabilityIsAsync, told, lease: index.lease },
      token,
    );
  }

  // --- what the watchers see ------------------------------------------------------------------------------------------------

  leaderObserved(observation: Observation): void {
    const { index, pair, ports } = this.#options;
    if (this.#replicator === undefined) {
      // While it is paused its lag grows. A replicator that runs sees to it itself.
      const seen = observation.shards.get(pair.shard);
      if (seen !== undefined) this.#progress?.sampled(seen.globalCheckpoint, ports.clock.monotonic());
      return;
    }
    this.#seen = observation;
    this.#watchFailure = undefined;
    if (this.#replicator.leaderObserved(observation)) index.followerSide.keeper.moved(pair);
    this.#wake?.();
  }

  /** Also while there is nothing to write: nobody follows into a cluster that does not answer. */
  followerObserved(observation: Observation): void {
    const replicator = this.#replicator;
    if (replicator === undefined) return;
    replicator.followerObserved(observation);
    if (replicator.audit.restarted || replicator.needsStep(this.#seen)) this.#wake?.();
  }

  notObserved(failure: Failure): void {
    if (this.#replicator === undefined) return;
    this.#watchFailure = failure;
    this.wake();
  }

  // --- waiting --------------------------------------------------------------------------------------------------------------

  #hasNews(replicator: ShardReplicator, goal: WorkerInput['goal']): boolean {
    if (this.#draining || replicator.audit.restarted || replicator.needsStep(this.lastSeen)) return true;
    if (goal !== 'bootstrapping') return false;
    return this.#notRestored !== undefined || (replicator.settled && this.#options.index.allCopied);
  }

  /** Until the watcher has looked again, or somebody wakes us. */
  #woken(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Throws what the watcher met. */
  #afterWaking(signal: AbortSignal): void {
    this.#wake = undefined;
    signal.throwIfAborted();
    const failure = this.#watchFailure;
    this.#watchFailure = undefined;
    if (failure !== undefined) throw failed(failure.code, failure);
  }

  // --- ending ---------------------------------------------------------------------------------------------------------------

  /**
   * Everything is there: settings restored, both sides compared, counts equal, position saved. Until the other shards of the index have
   * everything too, the pair goes on following and says no.
   */
  async #bootstrapped(replicator: ShardReplicator, signal: AbortSignal): Promise<boolean> {
    const { index, pair } = this.#options;
    const notRestored = this.#notRestored;
    this.#notRestored = undefined;
    if (notRestored !== undefined) throw failed(notRestored.code, notRestored);
    if (!replicator.settled) return false;
    index.copied(pair.shard);
    if (!index.allCopied) return false;
    const restored = index.restoreSettings();
    if (!replicator.comparedOnce) {
      // Side by side: the one waits for the follower's disk, the other for both sides' processors.
      restored.catch((thrown: unknown) => {
        this.#notRestored = failureOf(thrown, 'restore settings');
        this.#wake?.();
      });
      replicator.compareNext();
      return false;
    }
    await restored;
    await index.followerSide.keeper.saveNow(pair, false, signal);
    return !replicator.audit.restarted;
  }

  /** Reading has stopped. The position is saved if the follower lets us; the old one serves as well, only with more to read again. */
  async #paused(signal: AbortSignal): Promise<WorkOutcome> {
    const { index, pair, ports } = this.#options;
    if (this.#replicator !== undefined) {
      try {
        await lookBack(ports.clock, index, this.#replicator.progress, signal);
        await index.followerSide.keeper.saveNow(pair, true, signal);
      } catch (thrown) {
        signal.throwIfAborted();
        ports.narrator.log('warn', 'paused without saving the position', {
          pair: pairKey(pair),
          reason: thrown instanceof Error ? thrown.message : String(thrown),
        });
      }
      this.close();
    }
    return { type: 'PAUSED', checkpoint: this.#progress?.checkpoint ?? -1 };
  }
}
