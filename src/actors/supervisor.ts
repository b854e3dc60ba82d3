import type {
  CommandOptions,
  CommandResult,
  ControlSurface,
  FollowCommand,
  IndexStatus,
  PairStatus,
  QuarantineEntry,
  QuarantineQuery,
  ResumeCommand,
  StatusQuery,
  TargetCommand,
} from '../domain/commands.ts';
import { failed, failureOf, type Failure } from '../domain/failure.ts';
import {
  EVENT_VERSION,
  type IndexSnapshot,
  type JournalEvent,
  type Lifecycle,
  type PairSnapshot,
} from '../domain/journal.ts';
import { indexMatcher, isPattern } from '../domain/index-name.ts';
import { indexKey, pairKey, shownIndex, shownPair, type FollowerIndexRef } from '../domain/names.ts';
import { DEFAULT_PARAMETERS, type FollowParameters } from '../domain/parameters.ts';
import { indexSubject, pairSubject } from '../domain/subjects.ts';
import { preflight } from '../replication/index/preflight.ts';
import { Changes } from './changes.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import { commandResult, decideEach, type Targets } from './command-outcome.ts';
import { causeFields, type CommandCause, commandCause, type EventCause } from './event-cause.ts';
import { FollowerIndex } from './follower-index.ts';
import { PairActor } from './pair-actor.ts';
import { indexStatus, newRates, pairStatuses, refusedStatus, type Followed, type Refused } from './index-status.ts';
import { foldJournal, type Folded, type FoldedJournal } from './journal-fold.ts';
import { forgetQuarantine, quarantineEntries } from './quarantine-entries.ts';
import { noSuchShard, notFollowed } from './unknown-pair.ts';

interface Selection {
  readonly followed: readonly Followed[];
  readonly refused: readonly Refused[];
}

export interface SupervisorOptions {
  readonly ports: SupervisorPorts;
  readonly defaults: FollowParameters;
}

/** Starts an actor for every pair that the journal knows, takes commands, and ends everything in order. */
export class Supervisor implements ControlSurface {
  readonly #ports: SupervisorPorts;
  readonly #defaults: FollowParameters;
  readonly #followed = new Map<string, Followed>();
  /** Followed according to the journal, but in clusters that are not configured, or with events that cannot be read. */
  readonly #refused = new Map<string, Refused>();
  /** Last sequences of subjects without an actor, e.g. of an index that was unfollowed. */
  readonly #lastSeqs = new Map<string, number>();
  readonly #stop = new AbortController();
  readonly #changes: Changes;
  /** Commands on one follower index do not overlap. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: SupervisorOptions) {
    this.#ports = options.ports;
    this.#changes = new Changes(options.ports.clock, this.#stop.signal);
    this.#defaults = options.defaults;
  }

  /** Reads the newest event of every subject and takes every pair up where it was. */
  async start(): Promise<void> {
    const { indices, pairs, refused } = await this.#fold();
    for (const [key, { follower, failure }] of refused)
      this.#refused.set(key, { follower, snapshot: indices.get(indexSubject(follower))?.snapshot, failure });
    const alive = [...indices.values()].filter(
      ({ snapshot }) => snapshot.state !== 'released' && !refused.has(indexKey(snapshot.follower)),
    );
    await Promise.all(alive.map((folded) => this.#takeUpOrTell(folded, pairs)));
  }

  /** One index that cannot be taken up, since its cluster is not configured any more, keeps no other from being so. */
  async #takeUpOrTell(folded: Folded<IndexSnapshot>, pairs: ReadonlyMap<string, Folded<PairSnapshot>>): Promise<void> {
    try {
      await this.#takeUp(folded, pairs, { cause: 'start' });
    } catch (thrown) {
      const failure = failureOf(thrown, 'take up');
      if (failure.code !== 'unknown_cluster') throw thrown;
      const { snapshot } = folded;
      const key = indexKey(snapshot.follower);
      this.#ports.narrator.log('error', 'an index is not taken up', { index: key, failure });
      this.#refused.set(key, { follower: snapshot.follower, snapshot, failure });
    }
  }

  async #fold(): Promise<FoldedJournal> {
    const folded = await foldJournal(this.#ports, this.#stop.signal);
    for (const [subject, seq] of folded.lastSeqs) this.#lastSeqs.set(subject, seq);
    return folded;
  }

  /** Work ends at the next safe point; positions are saved; the journal stays as it is. */
  async stop(): Promise<void> {
    this.#stop.abort(new DOMException('the supervisor stops', 'AbortError'));
    await Promise.allSettled([...this.#followed.values()].flatMap(({ pairs }) => pairs.map((pair) => pair.stop())));
    await Promise.allSettled([...this.#followed.values()].map(({ index }) => index.stop()));
  }

  /** Ends at once what `stop` did not end in time. */
  kill(): void {
    for (const { pairs } of this.#followed.values()) for (const pair of pairs) pair.kill();
  }

  // --- commands -------------------------------------------------------------------------------------------------------------

  async follow(command: FollowCommand): Promise<CommandResult> {
    const { leader, follower } = command;
    const key = indexKey(follower);
    const cause = commandCause(command, this.#ports.random);
    const subject = indexSubject(follower);
    const decided = (await this.#decided(command)).has(subject);
    await this.#inTurn(key, async () => {
      this.#requireReadable(follower);
      // This very command was accepted before.
      if (this.#followed.get(key)?.index.snapshot.followId === cause.commandId) return;
      if (decided) return this.#takeUpDecided(subject, cause);
      if (this.#followed.has(key))
        throw failed('already_followed', {
          op: 'follow',
          reason: `${shownIndex(follower)} follows ${shownIndex(this.#find(follower, 'follow').index.snapshot.leader)} already`,
        });
      const parameters = { ...this.#defaults, ...command.parameters };
      const [leaderSide, followerSide] = [this.#ports.cluster(leader.cluster), this.#ports.cluster(follower.cluster)];
      const settings = command.settings ?? {};
      const request = {
        leaderAdmin: leaderSide.admin,
        followerAdmin: followerSide.admin,
        leader,
        follower,
        overrides: settings,
        journalId: this.#ports.log.journalId,
      };
      const plan = await preflight(request, this.#stop.signal);
      const snapshot: IndexSnapshot = {
        state: 'followed',
        followId: cause.commandId,
        leader,
        follower,
        leaderUuid: plan.leaderDescription.uuid,
        shards: plan.shards,
        parameters,
        settings,
      };
      const event = {
        entity: 'index' as const,
        id: this.#ports.random.id(),
        version: EVENT_VERSION,
        atMs: this.#ports.clock.now(),
        ...causeFields(cause),
        term: this.#ports.term,
        fact: { type: 'FOLLOWED' as const, commandId: cause.commandId },
        result: snapshot,
      };
      const seq = await this.#ports.log
        .append(subject, event, this.#lastSeqs.get(subject) ?? 0, this.#stop.signal)
        .catch((thrown: unknown) => this.#takeUpAccepted(thrown, subject, cause));
      if (seq !== undefined) await this.#takeUp({ snapshot, seq }, new Map(), cause);
      const followed = this.#find(follower, 'follow').index.snapshot.leader;
      if (indexKey(followed) !== indexKey(leader))
        throw failed('already_followed', {
          op: 'follow',
          reason: `${shownIndex(follower)} follows ${shownIndex(followed)} already`,
        });
    });
    const superseded = decided && this.#followed.get(key)?.index.snapshot.followId !== cause.commandId;
    const pairs = superseded ? [] : this.#find(follower, 'follow').pairs;
    const targets = { pairs, refused: [], several: false };
    return this.#result(command, cause.commandId, targets, new Map(), (state) => state === 'following');
  }

  /** An earlier command may have been accepted although its answer was lost; otherwise throws what was thrown. */
  async #takeUpAccepted(thrown: unknown, subject: string, cause: EventCause): Promise<undefined> {
    if (failureOf(thrown, 'follow').code !== 'journal_conflict') throw thrown;
    const { indices, pairs } = await this.#fold();
    const accepted = indices.get(subject);
    if (accepted === undefined || ['unfollowed', 'released'].includes(accepted.snapshot.state)) throw thrown;
    await this.#takeUp(accepted, pairs, cause);
  }

  /** Decided by a supervisor that did not answer, and perhaps unfollowed since. */
  async #takeUpDecided(subject: string, cause: CommandCause): Promise<void> {
    const { indices, pairs } = await this.#fold();
    const newest = indices.get(subject);
    if (newest === undefined || this.#followed.has(indexKey(newest.snapshot.follower))) return;
    if (newest.snapshot.followId === cause.commandId && newest.snapshot.state !== 'released')
      await this.#takeUp(newest, pairs, cause);
  }

  async unfollow(command: TargetCommand): Promise<CommandResult> {
    const { follower } = command;
    const key = indexKey(follower);
    const cause = commandCause(command, this.#ports.random);
    if (command.shard !== undefined)
      throw failed('invalid_command', { op: 'unfollow', reason: 'shard: an index is unfollowed as a whole' });
    const decision = (await this.#decided(command)).get(indexSubject(follower));
    // It has been released since, and may be followed anew.
    if (decision !== undefined && this.#followed.get(key)?.index.snapshot.followId !== decision.result.followId)
      return { commandId: cause.commandId, accepted: true, effective: true, pairs: [] };
    const { index, pairs } = this.#find(follower, 'unfollow');
    await this.#inTurn(key, async () => {
      // The decision first: whatever fails afterwards is done again, by the next command or the next start.
      const { signal } = this.#stop;
      if (this.#followed.get(key)?.index !== index) return;
      const unfollowed = { ...index.snapshot, state: 'unfollowed' as const };
      if (index.snapshot.state !== 'unfollowed')
        await index.append({ type: 'UNFOLLOWED', commandId: cause.commandId }, unfollowed, cause, signal);
      await this.#release(key);
    });
    const ended = pairs.map((pair) => ({
      shard: pair.pair.shard,
      accepted: true,
      effective: true,
      state: pair.snapshot?.state ?? ('paused' as const),
    }));
    return { commandId: cause.commandId, accepted: true, effective: true, pairs: ended };
  }

  /** Stops the pairs and gives the follower back. Safe to repeat. */
  async #release(key: string): Promise<void> {
    const followed = this.#followed.get(key);
    if (followed === undefined) return;
    const { index, pairs } = followed;
    const { signal } = this.#stop;
    await Promise.all(pairs.map((pair) => pair.stop()));
    await index.release();
    const { follower, shards } = index.snapshot;
    const keys = Array.from({ length: shards }, (_, shard) => pairKey({ follower, shard }));
    await index.followerSide.positions.remove(keys, signal);
    for (const pair of keys) await forgetQuarantine(index.followerSide.quarantine, pair, signal);
    await index.append({ type: 'RELEASED' }, { ...index.snapshot, state: 'released' }, { cause: 'unfollow' }, signal);
    this.#followed.delete(key);
    await index.stop();
    this.#lastSeqs.set(indexSubject(follower), index.seq);
    for (const pair of pairs) this.#lastSeqs.set(pairSubject(pair.pair), pair.seq);
  }

  async pause(command: TargetCommand): Promise<CommandResult> {
    const cause = commandCause(command, this.#ports.random);
    const targets = this.#targets(command, 'pause');
    const decided = await this.#decided(command);
    const failures = await decideEach(targets, async (pair) => {
      requireRecovered(pair);
      if (!decided.has(pairSubject(pair.pair))) await pair.pause(cause.commandId, cause);
    });
    return this.#result(command, cause.commandId, targets, failures, (state) => state === 'paused');
  }

  async resume(command: ResumeCommand): Promise<CommandResult> {
    const cause = commandCause(command, this.#ports.random);
    const targets = this.#targets(command, 'resume');
    const decided = await this.#decided(command);
    const [rebootstrap, allowMassDelete] = [command.rebootstrap ?? false, command.allowMassDelete ?? false];
    const failures = await decideEach(targets, async (pair) => {
      const { snapshot } = pair;
      requireRecovered(pair);
      if (decided.has(pairSubject(pair.pair))) return;
      const running =
        snapshot?.desired === 'running' && (snapshot.state === 'following' || snapshot.state === 'bootstrapping');
      if (running && rebootstrap)
        throw failed('not_paused', {
          op: 'resume',
          reason: `${shownPair(pair.pair)} is ${snapshot.state}; pause it before it is copied again`,
        });
      if (!running) await pair.resume({ commandId: cause.commandId, rebootstrap, allowMassDelete }, cause);
    });
    const effective = (state: Lifecycle): boolean => state === 'following' || state === 'bootstrapping';
    return this.#result(command, cause.commandId, targets, failures, effective);
  }

  /** By subject: what a supervisor that did not answer has decided for this command. */
  async #decided({ commandId, begunAtMs }: CommandOptions): Promise<ReadonlyMap<string, JournalEvent>> {
    const events = new Map<string, JournalEvent>();
    if (begunAtMs === undefined) return events;
    const since = { fromSeq: 1, fromTimeMs: begunAtMs, follow: false };
    for await (const { subject, event } of this.#ports.log.read('>', since, this.#stop.signal))
      if (event.cause === `command:${commandId}`) events.set(subject, event);
    return events;
  }

  /** Asks the follower's index, since a pair that is paused or failed has nothing in memory. */
  async quarantine({ follower, shard }: QuarantineQuery): Promise<readonly QuarantineEntry[]> {
    const { followed } = follower === undefined ? this.#everything() : this.#matching(follower, 'list quarantine');
    const entries: QuarantineEntry[] = [];
    for (const { index, pairs } of followed)
      for (const actor of pairs)
        if (shard === undefined || actor.pair.shard === shard)
          entries.push(...(await quarantineEntries(actor, index, this.#stop.signal)));
    return entries;
  }

  async retryQuarantine(command: TargetCommand): Promise<CommandResult> {
    const cause = commandCause(command, this.#ports.random);
    const targets = this.#targets(command, 'retry quarantine');
    const decided = await this.#decided(command);
    const failures = await decideEach(targets, async (pair) => {
      requireRecovered(pair);
      // Something may be on its way into it.
      if (pair.quarantined === 0) pair.session.retryQuarantine();
      else if (!decided.has(pairSubject(pair.pair))) await pair.retryQuarantine(cause.commandId, cause);
    });
    const effective = (_: Lifecycle, pair: PairActor): boolean =>
      pair.quarantined === 0 || pair.session.quarantineTried;
    return this.#result(command, cause.commandId, targets, failures, effective);
  }

  async status(query: StatusQuery): Promise<readonly IndexStatus[]> {
    const { follower, shard } = query;
    const { followed, refused } = follower === undefined ? this.#everything() : this.#matching(follower, 'status');
    const alive = followed.filter(({ index }) => index.snapshot.state !== 'unfollowed');
    if (follower !== undefined && shard !== undefined && alive.length > 0 && refused.length === 0)
      if (alive.every(({ pairs }) => shard >= pairs.length)) throw noSuchShard('status', follower, shard, alive);
    return [...followed.map((one) => indexStatus(one, shard, this.#ports.clock)), ...refused.map(refusedStatus)];
  }

  /** The actor of every pair. */
  get pairs(): readonly PairActor[] {
    return [...this.#followed.values()].flatMap(({ pairs }) => pairs);
  }

  /** For metrics: every pair, now. */
  pairStatuses(): readonly PairStatus[] {
    return [...this.#followed.values()].flatMap((followed) => pairStatuses(followed, this.#ports.clock));
  }

  async list(): Promise<readonly Omit<IndexStatus, 'pairs'>[]> {
    return (await this.status({})).map(({ pairs: _, ...rest }) => rest);
  }

  // --- actors ---------------------------------------------------------------------------------------------------------------

  async #takeUp(
    folded: Folded<IndexSnapshot>,
    known: ReadonlyMap<string, Folded<PairSnapshot>>,
    cause: EventCause,
  ): Promise<void> {
    const { snapshot, seq } = folded;
    const index = new FollowerIndex(this.#ports, snapshot, seq);
    const going = snapshot.state === 'unfollowed';
    const pairs = Array.from({ length: going ? 0 : snapshot.shards }, (_, shard) => {
      const pair = { follower: snapshot.follower, shard };
      const subject = pairSubject(pair);
      const folded = known.get(subject);
      return new PairActor({
        ports: this.#ports,
        index,
        pair,
        // A journal may be older than a parameter.
        parameters: { ...DEFAULT_PARAMETERS, ...snapshot.parameters },
        // Of an earlier life of the same name nothing is taken up.
        folded: folded?.snapshot.followId === snapshot.followId ? folded : undefined,
        lastSeq: this.#lastSeqs.get(subject) ?? 0,
        changed: () => this.#changes.tell(),
      });
    });
    index.activeShards = () =>
      pairs
        .filter(
          ({ snapshot: state }) =>
            state?.resumeTo === 'bootstrapping' && state.state !== 'paused' && state.state !== 'fatal',
        )
        .map(({ pair }) => pair.shard);
    index.journalEpoch = () => Math.max(1, ...pairs.map((pair) => pair.snapshot?.epoch ?? 1));
    this.#followed.set(indexKey(snapshot.follower), { index, pairs, rates: pairs.map(newRates) });
    index.start();
    if (going) void this.#releaseLeftOver(indexKey(snapshot.follower));
    await Promise.all(pairs.map((pair) => pair.start(cause)));
  }

  /** An unfollow that a stop or a failure interrupted; what fails now too is left for a repeated command or the next start. */
  async #releaseLeftOver(key: string): Promise<void> {
    try {
      await this.#inTurn(key, () => this.#release(key));
    } catch (thrown) {
      if (this.#stop.signal.aborted) return;
      this.#ports.narrator.log('warn', 'an unfollowed index was not released yet; unfollow it again', {
        index: key,
        failure: failureOf(thrown, 'unfollow'),
      });
    }
  }

  #find(follower: FollowerIndexRef, op: string): Followed {
    this.#requireReadable(follower);
    const found = this.#followed.get(indexKey(follower));
    if (found === undefined) throw notFollowed(op, follower, [...this.#followed.values()]);
    return found;
  }

  /** Nothing is decided, let alone overwritten, where the journal cannot be read. */
  #requireReadable(follower: FollowerIndexRef): void {
    const refused = this.#refused.get(indexKey(follower));
    if (refused !== undefined) throw failed(refused.failure.code, refused.failure);
  }

  #everything(): Selection {
    return { followed: [...this.#followed.values()], refused: [...this.#refused.values()] };
  }

  /** One index, or those that a pattern means. Throws `unknown_pair` when there is none. */
  #matching({ cluster, index }: FollowerIndexRef, op: string): Selection {
    const matches = indexMatcher(index);
    const meant = (ref: FollowerIndexRef): boolean => ref.cluster === cluster && matches(ref.index);
    const { followed, refused } = this.#everything();
    const found = {
      followed: followed.filter((one) => meant(one.index.snapshot.follower)),
      refused: refused.filter((one) => meant(one.follower)),
    };
    if (found.followed.length + found.refused.length > 0) return found;
    throw notFollowed(op, { cluster, index }, followed);
  }

  #targets({ follower, shard }: TargetCommand, op: string): Targets {
    const several = isPattern(follower.index);
    if (!several) this.#requireReadable(follower);
    const { followed, refused } = this.#matching(follower, op);
    const alive = followed.filter(({ index }) => index.snapshot.state !== 'unfollowed');
    if (alive.length + refused.length === 0)
      throw failed('unknown_pair', {
        op,
        reason: `${shownIndex(follower)} is unfollowed, and only to be released`,
        hint: 'Unfollow it again: that releases it.',
      });
    const pairs = alive.flatMap((one) => one.pairs.filter(({ pair }) => shard === undefined || pair.shard === shard));
    if (pairs.length + refused.length === 0) throw noSuchShard(op, follower, shard ?? 0, alive);
    return { pairs, refused, several };
  }

  async #inTurn(key: string, work: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(key) ?? Promise.resolve()).catch(() => undefined).then(work);
    this.#turns.set(key, turn);
    try {
      await turn;
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    }
  }

  // --- answers --------------------------------------------------------------------------------------------------------------

  async #result(
    command: CommandOptions,
    commandId: string,
    targets: Targets,
    failures: ReadonlyMap<PairActor, Failure>,
    effective: (state: Lifecycle, pair: PairActor) => boolean,
  ): Promise<CommandResult> {
    const { waitMs = 0 } = command;
    const done = (pair: PairActor): boolean => pair.snapshot !== undefined && effective(pair.snapshot.state, pair);
    const settled = (pair: PairActor): boolean => done(pair) || pair.snapshot?.state === 'fatal' || failures.has(pair);
    if (waitMs > 0) await this.#changes.until(() => targets.pairs.every(settled), waitMs);
    return commandResult(commandId, targets, failures, done);
  }
}

/** Every event brings an old journal nearer to the data that it does not fit: until it is rebuilt nothing is decided on it. */
function requireRecovered({ snapshot }: PairActor): void {
  const failure = snapshot?.failure;
  if (failure?.code === 'journal_older_than_data') throw failed(failure.code, failure);
}
