import type {
  CommandOptions,
  CommandResult,
  FollowCommand,
  PairStatus,
  RepairCommand,
  QueryPages,
  RepairResult,
  ResumeCommand,
  ServedSurface,
  TargetCommand,
} from '../domain/commands.ts';
import { failed, failureOf, type Failure } from '../domain/failure.ts';
import { type IndexFact, type IndexSnapshot, type JournalEvent, type Lifecycle } from '../domain/journal.ts';
import { isPattern } from '../domain/index-name.ts';
import { indexKey, shownIndex, shownPair, type FollowerIndexRef } from '../domain/names.ts';
import type { FollowParameters } from '../domain/parameters.ts';
import { slotOf } from '../domain/slots.ts';
import { indexSubject, pairSubject } from '../domain/subjects.ts';
import { preflight } from '../replication/index/preflight.ts';
import { Changes } from './changes.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import { commandResult, decideEach, requireRecovered, type Target, type Targets } from './command-outcome.ts';
import { causeFields, commandCause, type CommandCause } from './event-cause.ts';
import { writtenVersion } from './event-version.ts';
import { pairStatuses } from './index-status.ts';
import type { Folded } from './journal-fold.ts';
import { JournalledPair } from './journalled-pair.ts';
import { JournalView } from './journal-view.ts';
import { OwnedIndices } from './owned-indices.ts';
import type { PairActor } from './pair-actor.ts';
import type { Peers } from './owners-pages.ts';
import { Queries } from './queries.ts';
import { isFor, reaches } from './reach.ts';
import { repairThrough } from './repair-command.ts';
import { Selection } from './selection.ts';
import { noSuchShard } from './unknown-pair.ts';

export interface SupervisorOptions {
  readonly ports: SupervisorPorts;
  readonly defaults: FollowParameters;
  /** What the other supervisors offer by themselves (`alone`); absent: there are none. */
  readonly peers?: Peers | undefined;
  /** Nobody else can be on this journal (a NATS server of our own). */
  readonly exclusive?: boolean | undefined;
}

/** A release that takes longer goes on after the answer, where another supervisor does it. */
const RELEASE_WAIT_MS = 5000;

/**
 * One of the supervisors of a journal. It runs the actors of the slots that it owns, and takes commands for every index: deciding is
 * appending, so a command for an index of another supervisor, or of none, is accepted here as well.
 */
export class Supervisor implements ServedSurface {
  readonly #ports: SupervisorPorts;
  readonly #defaults: FollowParameters;
  readonly #peers: Peers | undefined;
  readonly #stop = new AbortController();
  readonly #changes: Changes;
  readonly #view: JournalView;
  readonly #owned: OwnedIndices;
  readonly #selection: Selection;
  readonly #queries: Queries;
  /** Commands on one follower index do not overlap. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor({ ports, defaults, peers, exclusive = false }: SupervisorOptions) {
    const { signal } = this.#stop;
    this.#ports = ports;
    this.#defaults = defaults;
    this.#peers = peers;
    this.#changes = new Changes(ports.clock, signal);
    this.#view = new JournalView(ports, signal);
    const changed = (): void => this.#changes.tell();
    this.#view.observe(changed);
    this.#owned = new OwnedIndices({ ports, view: this.#view, exclusive, changed, signal });
    this.#selection = new Selection(this.#view, this.#owned);
    this.#queries = new Queries({
      ports,
      view: this.#view,
      owned: this.#owned,
      selection: this.#selection,
      peers,
      signal,
    });
  }

  /** Reads the newest event of every subject, then takes up the slots that it gets. Resolves when those it has got at once run. */
  async start(): Promise<void> {
    await this.#view.open();
    await this.#ports.ownership.start(this.#owned, this.#stop.signal);
    await this.#owned.ready();
  }

  /** Work ends at the next safe point; positions are saved; slots are given up; the journal stays as it is. */
  async stop(): Promise<void> {
    await this.#ports.ownership.stop();
    this.#stop.abort(new DOMException('the supervisor stops', 'AbortError'));
  }

  /** Ends at once what `stop` did not end in time. */
  kill(): void {
    this.#stop.abort(new DOMException('the supervisor stops', 'AbortError'));
    this.#owned.kill();
  }

  /** What it offers to other supervisors: answers for what it owns, and follows what it reaches. */
  get alone(): ServedSurface {
    return {
      follow: (command) => this.#follow(command),
      unfollow: (command) => this.unfollow(command),
      pause: (command) => this.pause(command),
      resume: (command) => this.resume(command),
      retryQuarantine: (command) => this.retryQuarantine(command),
      repair: (command) => this.#repair(command),
      pages: this.#queries.own,
    };
  }

  // --- commands -------------------------------------------------------------------------------------------------------------

  async follow(command: FollowCommand): Promise<CommandResult> {
    const { ownership } = this.#ports;
    const other = reaches(this.#ports, command)
      ? undefined
      : ownership.live().find((live) => live.session !== ownership.session && isFor(live, command));
    if (other === undefined || this.#peers === undefined) return this.#follow(command);
    const { request: _, begunAtMs: __, ...asked } = command;
    return this.#peers(other.session, command.waitMs).follow(asked);
  }

  async #follow(command: FollowCommand): Promise<CommandResult> {
    const { leader, follower } = command;
    const cause = commandCause(command, this.#ports.random);
    const decided = (await this.#decided(command)).has(indexSubject(follower));
    const isOwn = (): boolean => this.#view.index(follower)?.snapshot.followId === cause.commandId;
    await this.#inTurn(follower, async () => {
      this.#selection.requireReadable(follower);
      const known = this.#view.index(follower)?.snapshot;
      const free = known === undefined || known.state === 'released';
      // This very command was accepted before, and may have been followed by others.
      if (decided || (!free && isOwn())) return;
      if (!free) throw alreadyFollowed(known);
      const expectedSeq = this.#view.lastSeqOf(indexSubject(follower));
      const snapshot = await this.#planned(command, cause.commandId);
      await this.#appendToIndex({ type: 'FOLLOWED', commandId: cause.commandId }, { snapshot, expectedSeq }, cause);
    });
    const superseded = { commandId: cause.commandId, accepted: true, effective: true, pairs: [] };
    if (decided && (!isOwn() || this.#view.index(follower)?.snapshot.state === 'released')) return superseded;
    const followed = this.#selection.one(follower, 'follow');
    if (indexKey(followed.leader) !== indexKey(leader)) throw alreadyFollowed(followed);
    await this.#owned.readyOf(follower);
    const targets = { pairs: this.#targetsOf(followed), refused: [], several: false };
    return this.#result(command, cause.commandId, targets, new Map(), (state) => state === 'following');
  }

  async #planned(
    { leader, follower, parameters, settings = {} }: FollowCommand,
    followId: string,
  ): Promise<IndexSnapshot> {
    const [leaderSide, followerSide] = [this.#ports.cluster(leader.cluster), this.#ports.cluster(follower.cluster)];
    const plan = await preflight(
      {
        leaderAdmin: leaderSide.admin,
        followerAdmin: followerSide.admin,
        leader,
        follower,
        overrides: settings,
        journalId: this.#ports.log.journalId,
      },
      this.#stop.signal,
    );
    return {
      state: 'followed',
      followId,
      leader,
      follower,
      leaderUuid: plan.leaderDescription.uuid,
      shards: plan.shards,
      parameters: { ...this.#defaults, ...parameters },
      settings,
    };
  }

  /** Behind the event that it was decided on. What was accepted meanwhile to the same end counts; otherwise throws what was thrown. */
  async #appendToIndex(
    fact: IndexFact,
    { snapshot: result, expectedSeq }: Pick<Folded<IndexSnapshot>, 'snapshot'> & { readonly expectedSeq: number },
    cause: CommandCause,
  ): Promise<void> {
    const { log, random, clock, ownership } = this.#ports;
    const { follower } = result;
    const subject = indexSubject(follower);
    const known = this.#view.index(follower);
    const event = {
      entity: 'index' as const,
      id: random.id(),
      version: writtenVersion(ownership),
      atMs: clock.now(),
      ...causeFields(cause),
      // What we know of owners may be older than what the last one appended.
      term: Math.max(ownership.ownerOf(slotOf(follower))?.term ?? 0, known?.term ?? 0),
      fact,
      result,
    };
    try {
      const seq = await log.append(subject, event, expectedSeq, this.#stop.signal);
      this.#view.appended(subject, seq, event);
    } catch (thrown) {
      if (failureOf(thrown, 'append').code !== 'journal_conflict') throw thrown;
      await this.#view.current();
      const now = this.#view.index(follower)?.snapshot;
      const going = now?.state === 'unfollowed' || now?.state === 'released';
      if (now === undefined || going !== (fact.type === 'UNFOLLOWED')) throw thrown;
    }
  }

  async unfollow(command: TargetCommand): Promise<CommandResult> {
    const { follower, shard, waitMs = 0 } = command;
    const cause = commandCause(command, this.#ports.random);
    const answer = { commandId: cause.commandId, accepted: true };
    if (shard !== undefined)
      throw failed('invalid_command', { op: 'unfollow', reason: 'shard: an index is unfollowed as a whole' });
    const gone = (): boolean => this.#view.index(follower)?.snapshot.state === 'released';
    const decision = (await this.#decided(command)).get(indexSubject(follower));
    // It was released since, and may have been followed anew.
    const another = decision?.result.followId !== this.#view.index(follower)?.snapshot.followId;
    if (decision !== undefined && (gone() || another)) return { ...answer, effective: true, pairs: [] };
    const index = this.#selection.one(follower, 'unfollow');
    const pairs = this.#targetsOf(index);
    await this.#inTurn(follower, async () => {
      // The decision first: whatever fails afterwards is done again, by the next command or the next owner.
      const now = this.#view.index(follower)?.snapshot ?? index;
      if (now.state === 'unfollowed' || now.state === 'released') return;
      await this.#appendToIndex(
        { type: 'UNFOLLOWED', commandId: cause.commandId },
        { snapshot: { ...now, state: 'unfollowed' }, expectedSeq: this.#view.lastSeqOf(indexSubject(follower)) },
        cause,
      );
    });
    if (this.#owned.owns(follower)) {
      await this.#owned.readyOf(follower);
      await this.#owned.release(follower);
    } else await this.#changes.until(gone, Math.max(waitMs, RELEASE_WAIT_MS));
    const effective = this.#owned.owns(follower) || gone();
    const ended = pairs.map(({ pair, snapshot }) => ({
      shard: pair.shard,
      accepted: true,
      effective,
      state: snapshot?.state ?? ('paused' as const),
    }));
    return { ...answer, effective, pairs: ended };
  }

  async pause(command: TargetCommand): Promise<CommandResult> {
    const cause = commandCause(command, this.#ports.random);
    const decide = (pair: Target): Promise<void> => pair.pause(cause.commandId, cause);
    return this.#decide(command, 'pause', cause, decide, (state) => state === 'paused');
  }

  async resume(command: ResumeCommand): Promise<CommandResult> {
    const cause = commandCause(command, this.#ports.random);
    const { rebootstrap = false, allowMassDelete } = command;
    const brake = allowMassDelete === true ? { allowMassDelete } : {};
    const decide = async (pair: Target): Promise<void> => {
      const { snapshot } = pair;
      const running =
        snapshot?.desired === 'running' && (snapshot.state === 'following' || snapshot.state === 'bootstrapping');
      if (running && rebootstrap)
        throw failed('not_paused', {
          op: 'resume',
          reason: `${shownPair(pair.pair)} is ${snapshot.state}; pause it before it is copied again`,
        });
      if (!running || allowMassDelete === true)
        await pair.resume({ commandId: cause.commandId, rebootstrap, ...brake }, cause);
    };
    const effective = (state: Lifecycle): boolean => state === 'following' || state === 'bootstrapping';
    return this.#decide(command, 'resume', cause, decide, effective);
  }

  async retryQuarantine(command: TargetCommand): Promise<CommandResult> {
    const cause = commandCause(command, this.#ports.random);
    const decide = (pair: Target): Promise<void> => pair.retryQuarantine(cause.commandId, cause);
    return this.#decide(command, 'retry quarantine', cause, decide, (_, pair) => pair.quarantineTried);
  }

  async #decide(
    command: TargetCommand,
    op: string,
    { commandId }: CommandCause,
    decide: (pair: Target) => Promise<void>,
    effective: (state: Lifecycle, pair: Target) => boolean,
  ): Promise<CommandResult> {
    const targets = await this.#targets(command, op);
    const decided = await this.#decided(command);
    const failures = await decideEach(targets, async (pair) => {
      requireRecovered(pair);
      if (decided.has(pairSubject(pair.pair))) return;
      try {
        await decide(pair);
      } catch (thrown) {
        const index = this.#view.index(pair.pair.follower)?.snapshot;
        if (failureOf(thrown, op).code !== 'no_lease' || index === undefined) throw thrown;
        // It was given up while it was asked.
        await this.#view.current();
        await decide(this.#journalled(index, pair.pair.shard));
      }
    });
    return this.#result(command, commandId, targets, failures, effective);
  }

  /** By the owner alone: what is repaired is seen by the one that follows. */
  async repair(command: RepairCommand): Promise<RepairResult> {
    const { follower, waitMs } = command;
    const { ownership } = this.#ports;
    this.#selection.one(follower, 'repair');
    const owner = ownership.ownerOf(slotOf(follower));
    const elsewhere = owner !== undefined && owner.session !== ownership.session;
    if (!elsewhere || this.#peers === undefined) return this.#repair(command);
    const { request: _, begunAtMs: __, ...asked } = command;
    return this.#peers(owner.session, waitMs).repair(asked);
  }

  async #repair(command: RepairCommand): Promise<RepairResult> {
    const { follower } = command;
    this.#selection.requireReadable(follower);
    await this.#owned.readyOf(follower);
    const pairs = this.#owned.of(follower)?.pairs;
    if (pairs === undefined)
      throw failed('no_lease', {
        op: 'repair',
        reason: `no supervisor runs ${shownIndex(follower)} now`,
        hint: 'Repeat it when slipstream status shows an owner.',
      });
    for (const pair of pairs) requireRecovered(pair);
    const cause = commandCause(command, this.#ports.random);
    const decided = await this.#decided(command);
    return repairThrough(pairs, { command, cause, decided, changes: this.#changes });
  }

  /** By subject: what a supervisor that did not answer has decided for this command. */
  async #decided({ commandId, begunAtMs }: CommandOptions): Promise<ReadonlyMap<string, JournalEvent>> {
    const events = new Map<string, JournalEvent>();
    if (begunAtMs === undefined) return events;
    const unreadable = (): void => undefined;
    const since = { fromSeq: 1, fromTimeMs: begunAtMs, follow: false, unreadable };
    for await (const { subject, event } of this.#ports.log.read('>', since, this.#stop.signal))
      // That a pair began comes before what was wanted of it, which may not have come.
      if (event.cause === `command:${commandId}` && event.fact.type !== 'STARTED') events.set(subject, event);
    // On these the decision for the others rests.
    await this.#view.current();
    return events;
  }

  async #targets({ follower, shard }: TargetCommand, op: string): Promise<Targets> {
    const several = isPattern(follower.index);
    if (!several) this.#selection.requireReadable(follower);
    const { followed, refused } = this.#selection.matching(follower, op);
    const alive = followed.filter(({ state }) => state !== 'unfollowed');
    if (alive.length + refused.length === 0)
      throw failed('unknown_pair', {
        op,
        reason: `${shownIndex(follower)} is unfollowed, and only to be released`,
        hint: 'Unfollow it again: that releases it.',
      });
    await Promise.all(alive.map((index) => this.#owned.readyOf(index.follower)));
    const pairs = alive.flatMap((index) => this.#targetsOf(index, shard));
    if (pairs.length + refused.length === 0) throw noSuchShard(op, follower, shard ?? 0, alive);
    return { pairs, refused, several };
  }

  /** Its actors where they run here. */
  #targetsOf(index: IndexSnapshot, shard?: number): readonly Target[] {
    const { follower, shards } = index;
    const own = this.#owned.of(follower);
    const wanted = ({ pair }: Target): boolean => shard === undefined || pair.shard === shard;
    if (own !== undefined && own.index.snapshot.state !== 'unfollowed') return own.pairs.filter(wanted);
    return Array.from({ length: shards }, (_, number) => this.#journalled(index, number)).filter(wanted);
  }

  #journalled(index: IndexSnapshot, shard: number): Target {
    const { signal } = this.#stop;
    const pair = { follower: index.follower, shard };
    return new JournalledPair({ ports: this.#ports, view: this.#view, index, pair, signal });
  }

  async #inTurn(follower: FollowerIndexRef, work: () => Promise<void>): Promise<void> {
    const key = indexKey(follower);
    const turn = (this.#turns.get(key) ?? Promise.resolve()).catch(() => undefined).then(work);
    this.#turns.set(key, turn);
    try {
      await turn;
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    }
  }

  async #result(
    { waitMs = 0 }: CommandOptions,
    commandId: string,
    targets: Targets,
    failures: ReadonlyMap<Target, Failure>,
    effective: (state: Lifecycle, pair: Target) => boolean,
  ): Promise<CommandResult> {
    const done = (pair: Target): boolean => pair.snapshot !== undefined && effective(pair.snapshot.state, pair);
    const settled = (pair: Target): boolean => done(pair) || pair.snapshot?.state === 'fatal' || failures.has(pair);
    if (waitMs > 0) await this.#changes.until(() => targets.pairs.every(settled), waitMs);
    return commandResult(commandId, targets, failures, done);
  }

  // --- queries --------------------------------------------------------------------------------------------------------------

  get pages(): QueryPages {
    return this.#queries.all;
  }

  /** The actor of every pair that runs here. */
  get pairs(): readonly PairActor[] {
    return this.#owned.all.flatMap(({ pairs }) => pairs);
  }

  /** For metrics: every pair that runs here, now. */
  pairStatuses(): readonly PairStatus[] {
    return this.#owned.all.flatMap((followed) => pairStatuses(followed, this.#ports));
  }
}

function alreadyFollowed({ follower, leader }: IndexSnapshot): Error {
  return failed('already_followed', {
    op: 'follow',
    reason: `${shownIndex(follower)} follows ${shownIndex(leader)} already`,
  });
}
