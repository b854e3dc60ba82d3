import type {
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
import { EVENT_VERSION, type IndexSnapshot, type Lifecycle, type PairSnapshot } from '../domain/journal.ts';
import { indexKey, pairKey, type FollowerIndexRef } from '../domain/names.ts';
import { DEFAULT_PARAMETERS, type FollowParameters } from '../domain/parameters.ts';
import { indexSubject, pairSubject } from '../domain/subjects.ts';
import type { Clock } from '../ports/clock.ts';
import { preflight } from '../replication/index/preflight.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import { FollowerIndex } from './follower-index.ts';
import { summary } from './index-summary.ts';
import { causeOf } from './command-cause.ts';
import { PairActor, type EventCause } from './pair-actor.ts';
import { newRates, pairStatus, type PairRates } from './pair-status.ts';
import { forgetQuarantine, quarantineEntries } from './quarantine-entries.ts';

interface Followed {
  readonly index: FollowerIndex;
  readonly pairs: readonly PairActor[];
  readonly rates: readonly PairRates[];
}

interface Folded<S> {
  readonly snapshot: S;
  readonly seq: number;
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
  /** Followed according to the journal, in clusters that are not configured. */
  readonly #orphans: { readonly snapshot: IndexSnapshot; readonly failure: Failure }[] = [];
  readonly #listeners = new Set<() => void>();
  /** Last sequences of subjects without an actor, e.g. of an index that was unfollowed. */
  readonly #lastSeqs = new Map<string, number>();
  readonly #stop = new AbortController();
  /** Commands on one follower index do not overlap. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: SupervisorOptions) {
    this.#ports = options.ports;
    this.#defaults = options.defaults;
  }

  /** Reads the newest event of every subject and takes every pair up where it was. */
  async start(): Promise<void> {
    const { indices, pairs } = await this.#fold();
    const alive = [...indices.values()].filter(({ snapshot }) => snapshot.state !== 'released');
    await Promise.all(alive.map((folded) => this.#takeUpOrTell(folded, pairs)));
  }

  /** One index that cannot be taken up, since its cluster is not configured any more, keeps no other from being so. */
  async #takeUpOrTell(folded: Folded<IndexSnapshot>, pairs: ReadonlyMap<string, Folded<PairSnapshot>>): Promise<void> {
    try {
      await this.#takeUp(folded, pairs, { cause: 'start' });
    } catch (thrown) {
      const failure = failureOf(thrown, 'take up');
      if (failure.code !== 'unknown_cluster') throw thrown;
      const { narrator } = this.#ports;
      narrator.log('error', 'an index is not taken up', { index: indexKey(folded.snapshot.follower), failure });
      this.#orphans.push({ snapshot: folded.snapshot, failure });
    }
  }

  async #fold(): Promise<{
    readonly indices: ReadonlyMap<string, Folded<IndexSnapshot>>;
    readonly pairs: ReadonlyMap<string, Folded<PairSnapshot>>;
  }> {
    const indices = new Map<string, Folded<IndexSnapshot>>();
    const pairs = new Map<string, Folded<PairSnapshot>>();
    for (const { subject, seq, event } of await this.#ports.log.latest(this.#stop.signal)) {
      this.#lastSeqs.set(subject, seq);
      if (event.entity === 'index') indices.set(subject, { snapshot: event.result, seq });
      else pairs.set(subject, { snapshot: event.result, seq });
    }
    return { indices, pairs };
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
    const cause = causeOf(command, this.#ports.random);
    await this.#inTurn(key, async () => {
      if (this.#followed.has(key))
        throw failed('already_followed', {
          op: 'follow',
          reason: `${key} follows ${indexKey(this.#find(follower).index.snapshot.leader)} already`,
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
      const subject = indexSubject(follower);
      const event = {
        entity: 'index' as const,
        id: this.#ports.random.id(),
        version: EVENT_VERSION,
        atMs: this.#ports.clock.now(),
        cause: cause.cause,
        ...(cause.by === undefined ? {} : { by: cause.by }),
        term: this.#ports.term,
        fact: { type: 'FOLLOWED' as const, commandId: cause.commandId },
        result: snapshot,
      };
      const seq = await this.#ports.log
        .append(subject, event, this.#lastSeqs.get(subject) ?? 0, this.#stop.signal)
        .catch((thrown: unknown) => this.#takeUpAccepted(thrown, subject, cause));
      if (seq !== undefined) await this.#takeUp({ snapshot, seq }, new Map(), cause);
      const followed = this.#find(follower).index.snapshot.leader;
      if (indexKey(followed) !== indexKey(leader))
        throw failed('already_followed', { op: 'follow', reason: `${key} follows ${indexKey(followed)} already` });
    });
    return this.#result(command, cause.commandId, this.#find(follower).pairs, (state) => state === 'following');
  }

  /** An earlier command may have been accepted although its answer was lost; otherwise throws what was thrown. */
  async #takeUpAccepted(thrown: unknown, subject: string, cause: EventCause): Promise<undefined> {
    if (failureOf(thrown, 'follow').code !== 'journal_conflict') throw thrown;
    const { indices, pairs } = await this.#fold();
    const accepted = indices.get(subject);
    if (accepted === undefined || ['unfollowed', 'released'].includes(accepted.snapshot.state)) throw thrown;
    await this.#takeUp(accepted, pairs, cause);
  }

  async unfollow(command: TargetCommand): Promise<CommandResult> {
    const { follower } = command;
    const key = indexKey(follower);
    const cause = causeOf(command, this.#ports.random);
    if (command.shard !== undefined)
      throw failed('invalid_command', { op: 'unfollow', reason: 'shard: an index is unfollowed as a whole' });
    const { index, pairs } = this.#find(follower);
    await this.#inTurn(key, async () => {
      // The decision first: whatever fails afterwards is done again, by the next command or the next start.
      const { signal } = this.#stop;
      const unfollowed = { ...index.snapshot, state: 'unfollowed' as const };
      if (index.snapshot.state !== 'unfollowed')
        await index.append({ type: 'UNFOLLOWED', commandId: cause.commandId }, unfollowed, cause.cause, signal);
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
    await index.append({ type: 'RELEASED' }, { ...index.snapshot, state: 'released' }, 'unfollow', signal);
    this.#followed.delete(key);
    await index.stop();
    for (const { subject, seq } of await this.#ports.log.latest(signal)) this.#lastSeqs.set(subject, seq);
  }

  async pause(command: TargetCommand): Promise<CommandResult> {
    const cause = causeOf(command, this.#ports.random);
    const pairs = this.#targets(command);
    await Promise.all(pairs.map((pair) => pair.pause(cause.commandId, cause)));
    return this.#result(command, cause.commandId, pairs, (state) => state === 'paused');
  }

  async resume(command: ResumeCommand): Promise<CommandResult> {
    const cause = causeOf(command, this.#ports.random);
    const pairs = this.#targets(command);
    const [rebootstrap, allowMassDelete] = [command.rebootstrap ?? false, command.allowMassDelete ?? false];
    const running = pairs.filter(
      ({ snapshot }) =>
        snapshot?.desired === 'running' && (snapshot.state === 'following' || snapshot.state === 'bootstrapping'),
    );
    const [first] = running;
    if (first !== undefined && rebootstrap) {
      throw failed('not_paused', {
        op: 'resume',
        reason: `${pairKey(first.pair)} is ${first.snapshot?.state ?? 'starting'}; pause it before it is copied again`,
      });
    }
    await Promise.all(
      pairs
        .filter((pair) => !running.includes(pair))
        .map((pair) => pair.resume({ commandId: cause.commandId, rebootstrap, allowMassDelete }, cause)),
    );
    return this.#result(command, cause.commandId, pairs, (state) => state === 'following' || state === 'bootstrapping');
  }

  /** Asks the follower's index, since a pair that is paused or failed has nothing in memory. */
  async quarantine(query: QuarantineQuery): Promise<readonly QuarantineEntry[]> {
    const followed = query.follower === undefined ? [...this.#followed.values()] : [this.#find(query.follower)];
    const pairs = followed.flatMap(({ index, pairs: all }) =>
      all
        .filter(({ pair }) => query.shard === undefined || pair.shard === query.shard)
        .map((actor) => ({ index, actor })),
    );
    const entries: QuarantineEntry[] = [];
    for (const { index, actor } of pairs) entries.push(...(await quarantineEntries(actor, index, this.#stop.signal)));
    return entries;
  }

  async retryQuarantine(command: TargetCommand): Promise<CommandResult> {
    const cause = causeOf(command, this.#ports.random);
    const pairs = this.#targets(command);
    const waiting = pairs.filter((pair) => pair.quarantined > 0);
    await Promise.all(waiting.map((pair) => pair.retryQuarantine(cause.commandId, cause)));
    return this.#result(
      command,
      cause.commandId,
      pairs,
      (_, pair) => pair.quarantined === 0 || pair.session.quarantineTried,
    );
  }

  async status(query: StatusQuery): Promise<readonly IndexStatus[]> {
    const followed = query.follower === undefined ? [...this.#followed.values()] : [this.#find(query.follower)];
    const statuses = followed.map((one) => {
      const all = statusesOf(one, this.#ports.clock);
      return {
        ...summary(one.index.snapshot, all, one.index.outages),
        pairs:
          one.index.snapshot.state === 'unfollowed'
            ? []
            : all.filter(({ shard }) => query.shard === undefined || shard === query.shard),
      };
    });
    const orphans = query.follower === undefined ? this.#orphans : [];
    const told = orphans.map(({ snapshot, failure }) => ({
      ...summary(snapshot, []),
      state: `${failure.code}: ${failure.reason}`,
      pairs: [],
    }));
    return [...statuses, ...told];
  }

  /** The actor of every pair. */
  get pairs(): readonly PairActor[] {
    return [...this.#followed.values()].flatMap(({ pairs }) => pairs);
  }

  /** For metrics: every pair, now. */
  pairStatuses(): readonly PairStatus[] {
    return [...this.#followed.values()].flatMap((followed) => statusesOf(followed, this.#ports.clock));
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
        changed: () => this.#changed(),
      });
    });
    index.activeShards = () =>
      pairs
        .filter(
          ({ snapshot: state }) =>
            state?.resumeTo === 'bootstrapping' && state.state !== 'paused' && state.state !== 'fatal',
        )
        .map(({ pair }) => pair.shard);
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

  #find(follower: FollowerIndexRef): Followed {
    const found = this.#followed.get(indexKey(follower));
    if (found === undefined)
      throw failed('unknown_pair', { op: 'find', reason: `${indexKey(follower)} is not followed here` });
    return found;
  }

  #targets(command: TargetCommand): readonly PairActor[] {
    const { index, pairs } = this.#find(command.follower);
    if (index.snapshot.state === 'unfollowed')
      throw failed('unknown_pair', {
        op: 'find',
        reason: `${indexKey(command.follower)} is unfollowed, and only to be released`,
      });
    if (command.shard === undefined) return pairs;
    const pair = pairs[command.shard];
    if (pair === undefined)
      throw failed('unknown_pair', {
        op: 'find',
        reason: `${indexKey(command.follower)} has shards 0 to ${pairs.length - 1}, not ${command.shard}`,
      });
    return [pair];
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

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  async #result(
    command: { waitMs?: number },
    commandId: string,
    pairs: readonly PairActor[],
    effective: (state: Lifecycle, pair: PairActor) => boolean,
  ): Promise<CommandResult> {
    const done = (pair: PairActor): boolean => pair.snapshot !== undefined && effective(pair.snapshot.state, pair);
    if ((command.waitMs ?? 0) > 0)
      await this.#until(
        () => pairs.every((pair) => done(pair) || pair.snapshot?.state === 'fatal'),
        command.waitMs ?? 0,
      );
    const results = pairs.map((pair) => {
      const state = pair.snapshot?.state ?? 'bootstrapping';
      const failure = pair.snapshot?.failure;
      return {
        shard: pair.pair.shard,
        accepted: true,
        effective: done(pair),
        state,
        ...(failure === undefined ? {} : { failure }),
      };
    });
    return { commandId, accepted: true, effective: results.every((result) => result.effective), pairs: results };
  }

  async #until(condition: () => boolean, waitMs: number): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        this.#listeners.delete(check);
        this.#ports.clock.clearTimeout(timer);
        this.#stop.signal.removeEventListener('abort', end);
        resolve();
      };
      const check = (): void => {
        if (condition()) end();
      };
      const timer = this.#ports.clock.setTimeout(end, waitMs);
      this.#listeners.add(check);
      this.#stop.signal.addEventListener('abort', end, { once: true });
    });
  }
}

function statusesOf({ index, pairs, rates }: Followed, clock: Clock): readonly PairStatus[] {
  return pairs.map((pair, at) => pairStatus(pair, index, rates[at] ?? newRates(), clock));
}
