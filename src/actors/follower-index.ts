import { FAILURES, Failed, failed, type Failure, failureOf } from '../domain/failure.ts';
import type { IndexEvent, IndexFact, IndexSnapshot } from '../domain/journal.ts';
import { indexKey } from '../domain/names.ts';
import type { Outage } from '../domain/outage.ts';
import { indexSubject } from '../domain/subjects.ts';
import type { ClusterBreaker } from '../replication/cluster-breaker.ts';
import type { Observation } from '../replication/cluster-watcher.ts';
import { IndexAudit } from '../replication/index-audit.ts';
import type { ShardReplicator } from '../replication/shard-replicator.ts';
import type { FollowerLink } from '../replication/index/follower-link.ts';
import { forgetsDeletes } from '../replication/index/delete-memory.ts';
import { markEpoch, requireFollower } from '../replication/index/mark.ts';
import { preflight } from '../replication/index/preflight.ts';
import { prepareFollower } from '../replication/index/prepare.ts';
import { releaseFollower, restoreAfterBootstrap } from '../replication/index/restore.ts';
import { EPOCH_MAX, nextEpoch, type VersionLayout } from '../domain/version.ts';
import { type ClusterAccess, creatingByTurns, type SupervisorPorts } from './cluster-access.ts';
import { DeleteMemory } from './delete-memory.ts';
import { causeFields, type EventCause } from './event-cause.ts';
import { writtenVersion } from './event-version.ts';
import type { IndexPair } from './index-pair.ts';
import type { Folded } from './journal-fold.ts';
import { type Lease, leasedSide } from './lease.ts';
import { MetadataInStep } from './metadata-in-step.ts';

/** What pairs need to know of their index before they move data. */
export interface PreparedIndex {
  readonly aligned: boolean;
  readonly layout: VersionLayout;
  readonly followerUuid: string;
  readonly resultWindow: number;
  /** Created by this process a moment ago: nothing of the past can be under way, and every shard is empty. */
  readonly fresh: boolean;
}

interface Found {
  /** Monotonic clock, before it was asked. */
  readonly atMs: number;
  /** The follower forgets its deletes at each refresh. */
  readonly forgets: boolean;
}

const PRIMARIES_TIMEOUT_MS = 60_000;
const RESTORE_RETRY_MS = 5_000;

/** The keeper of one follower index: creates it, keeps its metadata in step, and gives it back at the end. */
export class FollowerIndex {
  readonly #ports: SupervisorPorts;
  /** Every write to the follower asks for it. */
  readonly lease: Lease;
  readonly leaderSide: ClusterAccess;
  readonly followerSide: ClusterAccess;
  readonly #link: FollowerLink;
  readonly #stop = new AbortController();
  readonly #unwatch: (() => void)[] = [];
  readonly #copied = new Set<number>();
  readonly #pairs = new Set<IndexPair>();
  readonly #indexAudit = new IndexAudit();
  readonly deleteMemory: DeleteMemory;
  readonly #metadata: MetadataInStep;
  #snapshot: IndexSnapshot;
  #seq: number;
  #prepared: Promise<PreparedIndex> | undefined;
  #restored: Promise<void> | undefined;
  #durable = false;
  /** Calls that change the follower do not overlap. */
  #turn: Promise<unknown> = Promise.resolve();
  /** What a follower that stood already was found to be. */
  #found: Found | undefined;
  #deleteMemoryAtMs = 0;
  /** Shards that have to be copied before the bootstrap settings are put back; told by the supervisor. */
  activeShards: () => readonly number[] = () => [];
  /** The greatest epoch of its pairs in the journal; told by the supervisor. */
  journalEpoch: () => number = () => EPOCH_MAX;

  constructor(
    ports: SupervisorPorts,
    { snapshot, seq }: Pick<Folded<IndexSnapshot>, 'snapshot' | 'seq'>,
    lease: Lease,
  ) {
    this.lease = lease;
    this.#ports = ports;
    this.#snapshot = snapshot;
    this.#seq = seq;
    this.leaderSide = ports.cluster(snapshot.leader.cluster);
    this.followerSide = leasedSide(ports.cluster(snapshot.follower.cluster), lease);
    this.#link = {
      leaderAdmin: this.leaderSide.admin,
      followerAdmin: this.followerSide.admin,
      leader: snapshot.leader,
      follower: snapshot.follower,
      journalId: ports.log.journalId,
      leaderUuid: snapshot.leaderUuid,
      followerUuid: () => this.#snapshot.followerUuid,
    };
    const { name, requestTimeoutMs } = this.followerSide;
    const writeLifeMs = Math.max(requestTimeoutMs, ports.ownership.longestRequestMs(name));
    this.#metadata = new MetadataInStep({
      ports,
      link: this.#link,
      signal: this.#stop.signal,
      inTurn: (work) => this.#inTurn(work),
    });
    this.deleteMemory = new DeleteMemory({ clock: ports.clock, link: this.#link, writeLifeMs });
  }

  get snapshot(): IndexSnapshot {
    return this.#snapshot;
  }

  /** The breaker of the side that does not answer as a whole. */
  get away(): ClusterBreaker | undefined {
    return [this.leaderSide.breaker, this.followerSide.breaker].find(({ outage }) => outage !== undefined);
  }

  /** Of the clusters of both sides. */
  get outages(): readonly Outage[] {
    return [...new Set([this.leaderSide.breaker, this.followerSide.breaker])].flatMap(({ outage }) => outage ?? []);
  }

  /** Sequence of the newest event of the index's subject, as far as this actor knows. */
  get seq(): number {
    return this.#seq;
  }

  /** True until the follower acknowledges only what is synced. */
  get durabilityIsAsync(): boolean {
    return !this.#durable;
  }

  start(): void {
    if (this.#stop.signal.aborted || this.#unwatch.length > 0) return;
    const { leader, follower } = this.#snapshot;
    const notObserved = (failure: Failure): void => {
      for (const pair of this.#pairs) pair.notObserved(failure);
    };
    this.#unwatch.push(
      this.leaderSide.watcher.watch(leader.index, {
        observed: (observation) => {
          if (this.#prepared !== undefined && this.lease.held) this.#metadata.followIdle(observation);
          for (const pair of this.#pairs) pair.leaderObserved(observation);
        },
        failed: notObserved,
      }),
      this.followerSide.watcher.watch(follower.index, {
        observed: (observation) => {
          this.#audit(observation);
          if (observation.versions !== undefined) this.deleteMemory.settingsSeen(observation.versions.settingsVersion);
          if (this.deleteMemory.toBeRestored) this.#restoreDeleteMemory();
          for (const pair of this.#pairs) pair.followerObserved(observation);
        },
        failed: notObserved,
      }),
    );
  }

  /** From now on it hears what is observed; with a replicator it takes part in the ledger of the index. */
  join(pair: IndexPair): void {
    this.#pairs.add(pair);
  }

  leave(pair: IndexPair): void {
    this.#pairs.delete(pair);
  }

  get #replicators(): readonly ShardReplicator[] {
    return [...this.#pairs].flatMap(({ replicator }) => replicator ?? []);
  }

  /**
   * Runs the work while the follower forgets its deletes at each refresh. Throws `follower_unsteady` while a write of any of its pairs may still be under
   * way without our knowing.
   */
  async forgettingDeletes<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.#inTurn(() => this.deleteMemory.without(this.#replicators, work, signal));
  }

  #restoreDeleteMemory(): void {
    const now = this.#ports.clock.monotonic();
    if (now < this.#deleteMemoryAtMs || this.#prepared === undefined || !this.lease.held) return;
    this.#deleteMemoryAtMs = now + RESTORE_RETRY_MS;
    // Tried again at a later tick.
    this.#inTurn(() => this.deleteMemory.restore(this.#stop.signal)).catch(() => undefined);
  }

  /** What the pairs believe they have on the follower may be wrong, except for the one that says so. */
  miscounted(beforeMs: number, by: ShardReplicator | undefined): void {
    for (const replicator of this.#replicators) if (replicator !== by) replicator.miscounted(beforeMs);
  }

  #audit(observation: Observation): void {
    if (this.#snapshot.aligned !== false) return;
    // Of all its pairs or of none: one that is paused has no numbers.
    const verdict = this.#indexAudit.observed(observation, this.#replicators);
    if (verdict === undefined) return;
    for (const replicator of this.#replicators) replicator.indexAudited(verdict, observation.startedAtMs);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new DOMException('the index actor stops', 'AbortError'));
    for (const unwatch of this.#unwatch.splice(0)) unwatch();
    await this.#turn.catch(() => undefined);
  }

  /** Creates the follower or finds it again; shared by all pairs, tried anew after a failure. */
  async prepared(): Promise<PreparedIndex> {
    this.#prepared ??= this.#inTurn(() => this.#prepare()).catch((thrown: unknown) => {
      this.#prepared = undefined;
      throw thrown;
    });
    return this.#prepared;
  }

  /**
   * Before anything is written: the follower still is the index that was prepared. Bulk requests would otherwise create an index of that
   * name, or go into somebody else's. Not asked again if `prepared` asked it since then (monotonic clock).
   */
  async requireSame(sinceMs: number, signal: AbortSignal): Promise<void> {
    const found = this.#found?.atMs ?? Number.NEGATIVE_INFINITY;
    const forgets =
      found >= sinceMs
        ? this.#found?.forgets === true
        : forgetsDeletes((await requireFollower(this.#link, signal)).description);
    if (forgets && !this.deleteMemory.busy) await this.#inTurn(() => this.deleteMemory.restoreLeft(signal));
  }

  async #prepare(): Promise<PreparedIndex> {
    const { signal } = this.#stop;
    if (this.#snapshot.state !== 'followed') return this.#findAgain(signal);
    const { leader, follower, settings } = this.#snapshot;
    const plan = await preflight(
      {
        leaderAdmin: this.leaderSide.admin,
        followerAdmin: this.followerSide.admin,
        leader,
        follower,
        overrides: settings,
        journalId: this.#link.journalId,
      },
      signal,
    ).catch((thrown: unknown) => {
      // A refusal when it is asked for; once it is accepted, something to wait for.
      if (thrown instanceof Failed && thrown.failure.code === 'leader_closed')
        throw failed('index_closed', { ...thrown.failure, hint: FAILURES.index_closed.hint });
      throw thrown;
    });
    const making = { ...plan, followerAdmin: creatingByTurns(this.followerSide) };
    const made = await prepareFollower(making, { epoch: 1, primariesTimeoutMs: PRIMARIES_TIMEOUT_MS }, signal);
    const { followerUuid, followerShards, aligned, layout } = made;
    const { state } = this.snapshot;
    // Whoever owned it before has ended the same work a little earlier.
    if (state === 'prepared') return this.#findAgain(signal);
    // It may have been unfollowed meanwhile, and stays so.
    if (state !== 'followed')
      throw failed('unknown_pair', { op: 'prepare', reason: `${indexKey(follower)} is unfollowed` });
    const own = await this.append(
      { type: 'PREPARED' },
      { ...this.#snapshot, state: 'prepared', followerUuid, followerShards, aligned },
      { cause: 'start' },
      signal,
    );
    if (!own) return this.#findAgain(signal);
    for (const { what, name, how, verdict } of made.differences) {
      this.#ports.narrator.log('info', 'the follower index differs from what was asked for', {
        index: indexKey(follower),
        what,
        name,
        how,
        verdict,
      });
    }
    if (made.guard !== 'set')
      this.#ports.narrator.log('warn', 'no write guard on the follower', {
        index: indexKey(follower),
        reason: made.guard.notSet,
      });
    return {
      aligned,
      layout,
      followerUuid,
      resultWindow: resultWindowOf(plan.leaderDescription.settings),
      fresh: made.created,
    };
  }

  async #findAgain(signal: AbortSignal): Promise<PreparedIndex> {
    const atMs = this.#ports.clock.monotonic();
    // Side by side, since hundreds are found again at once when a supervisor dies. What the follower's engine can do is known only once it has been asked.
    const [engine, follower, leader] = await Promise.allSettled([
      this.followerSide.admin.identify(signal),
      requireFollower(this.#link, signal),
      this.leaderSide.admin.describe(this.#snapshot.leader.index, signal),
    ]);
    // The first of those that failed by this order, not by chance.
    if (engine.status === 'rejected') throw engine.reason;
    if (follower.status === 'rejected') throw follower.reason;
    const { description, mark } = follower.value;
    const known = this.journalEpoch();
    if (mark.epoch > known)
      throw failed('journal_older_than_data', {
        op: 'read mark',
        cluster: this.followerSide.name,
        reason: `the mark of ${this.#snapshot.follower.index} has epoch ${mark.epoch}, the journal knows of none above ${known}`,
      });
    if (leader.status === 'rejected') throw leader.reason;
    this.#durable = mark.restore === undefined;
    this.#found = { atMs, forgets: forgetsDeletes(description) };
    this.#metadata.known(leader.value);
    return {
      aligned: this.#snapshot.aligned ?? false,
      layout: mark.versions ?? 'interleaved',
      followerUuid: description.uuid,
      resultWindow: resultWindowOf(leader.value?.settings ?? {}),
      fresh: false,
    };
  }

  /** Metadata first, then documents: brings the follower in step if the observation shows other versions than were synced last. */
  async syncMetadata(observation: Observation): Promise<void> {
    await this.#metadata.sync(observation);
  }

  /** A pair drains: what it asked of the leader's watcher may be given up. */
  reconsider(): void {
    this.leaderSide.watcher.reconsider(this.#snapshot.leader.index);
  }

  /** Whether the leader index is gone for good. A cluster that is still starting does not answer this question, and throws. */
  async leaderIsGone(signal: AbortSignal): Promise<boolean> {
    return (await this.leaderSide.admin.describe(this.#snapshot.leader.index, signal)) === undefined;
  }

  /** A shard has everything; when all that bootstrap have, the settings for speed make way for the wanted ones. */
  copied(shard: number): void {
    this.#copied.add(shard);
    this.changed();
  }

  /** Tells those who wait for the others that something changed. */
  changed(): void {
    for (const pair of this.#pairs) pair.wake();
  }

  /** Whether a shard that has everything has something to tell, or to do at once. */
  mayEnd(shard: number): boolean {
    return this.allCopied || !this.#copied.has(shard);
  }

  get allCopied(): boolean {
    return this.activeShards().every((shard) => this.#copied.has(shard));
  }

  async restoreSettings(): Promise<void> {
    this.#restored ??= this.#inTurn(async () => {
      await restoreAfterBootstrap(this.#link, this.#stop.signal);
      await this.followerSide.follower.flush(this.#snapshot.follower.index, this.#stop.signal);
      this.#durable = true;
    }).catch((thrown: unknown) => {
      this.#restored = undefined;
      throw thrown;
    });
    return this.#restored;
  }

  /** The epoch above everything that the follower holds and that is recorded anywhere. */
  async epochAbove(epoch: number, signal: AbortSignal): Promise<number> {
    const { mark } = await requireFollower(this.#link, signal);
    const { follower } = this.followerSide;
    await follower.refresh(this.#snapshot.follower.index, signal);
    const greatest = follower.versionAggregates ? await follower.maxVersion(this.#snapshot.follower.index, signal) : 0;
    const next = nextEpoch(greatest, Math.max(mark.epoch, epoch));
    if (next <= EPOCH_MAX) return next;
    throw failed('epochs_exhausted', {
      op: 'raise epoch',
      cluster: this.followerSide.name,
      reason: `the greatest version in ${this.#snapshot.follower.index} is ${greatest}; no epoch up to ${EPOCH_MAX} lies above it`,
    });
  }

  async markEpoch(epoch: number): Promise<void> {
    await this.#inTurn(async () => {
      const { mark } = await requireFollower(this.#link, this.#stop.signal);
      if (mark.epoch < epoch) await markEpoch(this.#link, epoch, this.#stop.signal);
    });
  }

  async release(): Promise<void> {
    const refused = await this.#inTurn(() => releaseFollower(this.#link, 'released', this.#stop.signal));
    for (const { key, failure } of refused)
      this.#ports.narrator.log('warn', 'the released follower index has the default of a setting', {
        index: indexKey(this.#snapshot.follower),
        key,
        failure,
      });
  }

  /** What another supervisor has appended. */
  adopt({ snapshot, seq }: Pick<Folded<IndexSnapshot>, 'snapshot' | 'seq'>): void {
    if (seq <= this.#seq) return;
    this.#seq = seq;
    this.#snapshot = snapshot;
  }

  /** Appends to the index's subject and takes the result over. False: somebody else has come to the same a little earlier, which counts. */
  async append(fact: IndexFact, result: IndexSnapshot, cause: EventCause, signal: AbortSignal): Promise<boolean> {
    const event: IndexEvent = {
      id: this.#ports.random.id(),
      version: writtenVersion(this.#ports.ownership),
      atMs: this.#ports.clock.now(),
      ...causeFields(cause),
      term: this.lease.term,
      fact,
      result,
    };
    const { log } = this.#ports;
    const subject = indexSubject(this.#snapshot.follower);
    try {
      this.#seq = await log.append(subject, { entity: 'index', ...event }, this.#seq, signal);
      this.#snapshot = result;
      return true;
    } catch (thrown) {
      if (failureOf(thrown, 'append').code !== 'journal_conflict') throw thrown;
      // An earlier try may have been stored although its answer was lost.
      const latest = await log.latestOf(subject, signal);
      if (latest?.event.entity !== 'index') throw thrown;
      this.#seq = latest.seq;
      this.#snapshot = latest.event.result;
      if (this.#snapshot.state !== result.state) throw thrown;
      return latest.event.id === event.id;
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => {
      if (this.#stop.signal.aborted)
        throw failed('cluster_unreachable', { op: 'index actor', reason: 'the supervisor is stopping' });
      return work();
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

function resultWindowOf(settings: Readonly<Record<string, unknown>>): number {
  const window = Number(settings['index.max_result_window'] ?? 10_000);
  return Number.isFinite(window) && window > 0 ? window : 10_000;
}
