import { Failed, failed, failureOf, type Failure } from '../domain/failure.ts';
import type { IndexEvent } from '../domain/journal.ts';
import { indexKey, pairKey, shownIndex, type FollowerIndexRef } from '../domain/names.ts';
import { DEFAULT_PARAMETERS } from '../domain/parameters.ts';
import { slotOf } from '../domain/slots.ts';
import { pairSubject, subjectTarget } from '../domain/subjects.ts';
import { Semaphore } from '../replication/semaphore.ts';
import type { StoredEvent, UnreadableEvent } from '../ports/event-log.ts';
import type { SlotHandlers } from '../ports/ownership.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import type { EventCause } from './event-cause.ts';
import { FollowerIndex } from './follower-index.ts';
import { type Followed, type Refused } from './index-status.ts';
import { untilReached } from './journal-patience.ts';
import type { JournalView } from './journal-view.ts';
import { openLease, type Lease } from './lease.ts';
import { PairActor } from './pair-actor.ts';
import { forgetQuarantine } from './quarantine-entries.ts';
import { servedElsewhere } from './reach.ts';

export interface OwnedIndicesOptions {
  readonly ports: SupervisorPorts;
  readonly view: JournalView;
  /** Nobody else can be on this journal, so no owner of the past has to be shut out. */
  readonly exclusive: boolean;
  /** Something that a command may wait for. */
  readonly changed: () => void;
  readonly signal: AbortSignal;
}

interface OwnedSlot {
  readonly lease: Lease;
  /** Its indices are being taken up. */
  ready: Promise<unknown>;
  /** It is being given up: nothing more is begun. */
  leaving: boolean;
  /** Nothing of it was begun: it is somebody else's to take. */
  shunned: boolean;
}

/** Indices whose pairs begin at once: after a crash each of them appends an event first. */
const STARTS_MAX = 64;

/** The actors of the indices whose slots this supervisor owns: started when a slot comes, ended when it goes. */
export class OwnedIndices implements SlotHandlers {
  readonly #options: OwnedIndicesOptions;
  readonly #slots = new Map<number, OwnedSlot>();
  readonly #followed = new Map<string, Followed>();
  /** Followed according to the journal, but in clusters that are not configured. */
  readonly #refused = new Map<string, Refused>();
  /** What is done to one index does not overlap. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #releases = new Map<string, Promise<void>>();
  readonly #starts = new Semaphore(STARTS_MAX);
  /** Left to those that can run what is in them. */
  readonly #shunned = new Set<number>();

  constructor(options: OwnedIndicesOptions) {
    this.#options = options;
    options.view.observe((event) => this.#observed(event));
    const unobserve = options.ports.ownership.observe(() => this.#othersChanged());
    options.signal.addEventListener('abort', unobserve, { once: true });
  }

  get all(): readonly Followed[] {
    return [...this.#followed.values()];
  }

  get refused(): readonly Refused[] {
    return [...this.#refused.values()];
  }

  /** Undefined for one that runs elsewhere, or ends here. */
  of(follower: FollowerIndexRef): Followed | undefined {
    return this.#slots.get(slotOf(follower))?.leaving === false ? this.#followed.get(indexKey(follower)) : undefined;
  }

  /** Also one that ends here. */
  here(follower: FollowerIndexRef): Followed | undefined {
    return this.#followed.get(indexKey(follower));
  }

  owns(follower: FollowerIndexRef): boolean {
    return this.#slots.has(slotOf(follower));
  }

  leaseOf(follower: FollowerIndexRef): Lease | undefined {
    return this.#slots.get(slotOf(follower))?.lease;
  }

  /** Resolves when everything that is owned now runs. */
  async ready(): Promise<void> {
    await Promise.all([...this.#slots.values()].map(({ ready }) => ready));
  }

  /** The same for one index; at once if it is not owned. */
  async readyOf(follower: FollowerIndexRef): Promise<void> {
    await this.#slots.get(slotOf(follower))?.ready;
    await this.#turns.get(indexKey(follower))?.catch(() => undefined);
  }

  // --- slots ----------------------------------------------------------------------------------------------------------------

  acquired(slot: number, term: number, released = false): void {
    const { ports } = this.#options;
    const lease = openLease(ports.ownership, { slot, term, released });
    const owned: OwnedSlot = { lease, ready: Promise.resolve(), leaving: false, shunned: false };
    this.#slots.set(slot, owned);
    this.#beginSlot(slot, owned);
  }

  #beginSlot(slot: number, owned: OwnedSlot): void {
    const { ports, signal } = this.#options;
    owned.ready = this.#takeUpSlot(owned).catch((thrown: unknown) => {
      if (owned.lease.ended || owned.leaving || signal.aborted) return;
      ports.narrator.log('error', 'a slot was not taken up', { slot, failure: failureOf(thrown, 'take up') });
    });
  }

  lost(slot: number): void {
    const owned = this.#slots.get(slot);
    if (owned === undefined) return;
    owned.lease.end();
    this.#slots.delete(slot);
    for (const followed of this.#forget(slot)) {
      for (const pair of followed.pairs) pair.kill();
      void followed.index.stop();
    }
    this.#options.changed();
  }

  async give(slot: number): Promise<void> {
    const owned = this.#slots.get(slot);
    if (owned === undefined) return;
    owned.leaving = true;
    const leaving = this.#in(slot);
    await Promise.allSettled(leaving.flatMap(({ pairs }) => pairs.map((pair) => pair.stop())));
    await Promise.allSettled(leaving.map(({ index }) => index.stop()));
    await owned.ready;
    owned.lease.end();
    if (this.#slots.get(slot) !== owned) return;
    this.#slots.delete(slot);
    this.#forget(slot);
    this.#options.changed();
  }

  /** Ends at once what was not given in time. */
  kill(): void {
    for (const { pairs } of this.#followed.values()) for (const pair of pairs) pair.kill();
  }

  #in(slot: number): readonly Followed[] {
    return this.all.filter(({ index }) => index.lease.slot === slot);
  }

  #forget(slot: number): readonly Followed[] {
    const leaving = this.#in(slot);
    for (const { index } of leaving) this.#followed.delete(indexKey(index.snapshot.follower));
    for (const [key, { follower }] of this.#refused) if (slotOf(follower) === slot) this.#refused.delete(key);
    return leaving;
  }

  async #takeUpSlot(owned: OwnedSlot): Promise<void> {
    const { ports, view, signal } = this.#options;
    const { lease } = owned;
    // What the owner before appended last is known before anything is decided.
    await untilReached(ports, `slot ${lease.slot}`, () => view.current(), signal);
    if (lease.ended) return;
    owned.shunned = this.#leftToOthers(lease.slot);
    if (owned.shunned) return;
    await Promise.all(
      view
        .followedIn(lease.slot)
        .map(({ follower }) => this.#inTurn(follower, () => this.#takeUp(follower, lease, START))),
    );
  }

  #leftToOthers(slot: number, elsewhere = servedElsewhere(this.#options)): boolean {
    if (!elsewhere(slot)) return false;
    this.#shunned.add(slot);
    return this.#options.ports.ownership.shun(slot);
  }

  /** Who can run more than we may have come; or gone, and then the rest of those slots is ours to take again. */
  #othersChanged(): void {
    if (this.#options.view.refused.size + this.#refused.size + this.#shunned.size === 0) return;
    const elsewhere = servedElsewhere(this.#options);
    for (const slot of this.#shunned) {
      if (elsewhere(slot)) continue;
      this.#shunned.delete(slot);
      this.#options.ports.ownership.shun(slot, false);
    }
    for (const [slot, owned] of this.#slots) {
      if (owned.leaving || this.#leftToOthers(slot, elsewhere) || !owned.shunned) continue;
      owned.shunned = false;
      this.#beginSlot(slot, owned);
    }
  }

  // --- indices --------------------------------------------------------------------------------------------------------------

  /** One index that cannot be taken up, since its cluster is not configured, keeps no other from being so. */
  async #takeUp(follower: FollowerIndexRef, lease: Lease, cause: EventCause): Promise<void> {
    const { ports, view, signal } = this.#options;
    const key = indexKey(follower);
    const folded = view.index(follower);
    if (folded === undefined || folded.snapshot.state === 'released' || view.refused.has(key)) return;
    if (lease.ended || signal.aborted || this.#followed.has(key)) return;
    if (this.#slots.get(lease.slot)?.leaving !== false) return;
    let index: FollowerIndex;
    try {
      index = new FollowerIndex(ports, folded, lease);
    } catch (thrown) {
      const failure = failureOf(thrown, 'take up');
      if (failure.code !== 'unknown_cluster') throw thrown;
      this.#refuse({ follower, snapshot: folded.snapshot, failure });
      return;
    }
    const pairs = this.#pairsOf(index);
    index.activeShards = () => pairs.filter(isCopying).map(({ pair }) => pair.shard);
    index.journalEpoch = () => Math.max(1, ...pairs.map((pair) => pair.snapshot?.epoch ?? 1));
    this.#followed.set(key, { index, pairs, rates: [] });
    index.start();
    if (index.snapshot.state === 'unfollowed') this.#releaseLeftOver(follower);
    await this.#starts.use(signal, () => Promise.all(pairs.map((pair) => pair.start(cause))));
  }

  #refuse(refused: Refused): void {
    const key = indexKey(refused.follower);
    this.#options.ports.narrator.log('error', 'an index is not taken up', { index: key, failure: refused.failure });
    this.#refused.set(key, refused);
    this.#othersChanged();
  }

  #pairsOf(index: FollowerIndex): readonly PairActor[] {
    const { ports, view, exclusive, changed } = this.#options;
    const { snapshot, lease } = index;
    const fence = !exclusive && !lease.released;
    // A journal may be older than a parameter.
    const parameters = { ...DEFAULT_PARAMETERS, ...snapshot.parameters };
    const superseded = (): void => this.#superseded(lease);
    return Array.from({ length: snapshot.state === 'unfollowed' ? 0 : snapshot.shards }, (_, shard) => {
      const pair = { follower: snapshot.follower, shard };
      return new PairActor({
        ports,
        index,
        pair,
        parameters,
        folded: view.pair(pair, snapshot.followId),
        lastSeq: view.lastSeqOf(pairSubject(pair)),
        fence,
        decided: (cause) => view.decided(pair, cause),
        changed,
        superseded,
      });
    });
  }

  /** Somebody else has the slot, whatever we were told. */
  #superseded(lease: Lease): void {
    if (this.#slots.get(lease.slot)?.lease !== lease) return;
    this.#options.ports.narrator.log('warn', 'a slot is owned under a later term', {
      slot: lease.slot,
      term: lease.term,
    });
    this.lost(lease.slot);
  }

  /** Stops the pairs and gives the follower back. Safe to repeat; whoever asks meanwhile waits for the same. */
  async release(follower: FollowerIndexRef): Promise<void> {
    const key = indexKey(follower);
    const release =
      this.#releases.get(key) ??
      this.#inTurn(follower, () => this.#release(key)).finally(() => this.#releases.delete(key));
    this.#releases.set(key, release);
    try {
      await release;
    } catch (thrown) {
      if (thrown instanceof Failed || this.#slots.get(slotOf(follower))?.leaving === false) throw thrown;
      const reason = `${shownIndex(follower)} has just been given up here, and is released by the next owner`;
      throw failed('no_lease', { op: 'unfollow', reason }, thrown);
    }
  }

  async #release(key: string): Promise<void> {
    const followed = this.#followed.get(key);
    // Whoever waited for another release may find it followed anew.
    if (followed?.index.snapshot.state !== 'unfollowed') return;
    const { index, pairs } = followed;
    const { signal } = this.#options;
    await Promise.all(pairs.map((pair) => pair.stop()));
    await index.release();
    const { follower, shards } = index.snapshot;
    const keys = Array.from({ length: shards }, (_, shard) => pairKey({ follower, shard }));
    await index.followerSide.positions.remove(keys, signal);
    for (const pair of keys) await forgetQuarantine(index.followerSide.quarantine, pair, signal);
    await index.append({ type: 'RELEASED' }, { ...index.snapshot, state: 'released' }, { cause: 'unfollow' }, signal);
    this.#followed.delete(key);
    await index.stop();
    this.#options.changed();
  }

  /** What fails now is left for a repeated command or the next owner. */
  #releaseLeftOver(follower: FollowerIndexRef): void {
    const { ports, signal } = this.#options;
    // After the turn in which it was found.
    Promise.resolve()
      .then(() => this.release(follower))
      .catch((thrown: unknown) => {
        if (signal.aborted) return;
        ports.narrator.log('warn', 'an unfollowed index was not released yet; unfollow it again', {
          index: indexKey(follower),
          failure: failureOf(thrown, 'unfollow'),
        });
      });
  }

  // --- the journal ----------------------------------------------------------------------------------------------------------

  #observed(stored: StoredEvent | UnreadableEvent): void {
    const target = subjectTarget(stored.subject);
    const lease = target === undefined ? undefined : this.leaseOf(target.follower);
    if (target === undefined || lease === undefined) return;
    if ('failure' in stored) this.#unreadable(target.follower, stored.failure, lease);
    else if (stored.event.entity === 'index') this.#indexObserved(stored.event, stored.seq, lease);
    else this.#pairObserved(stored, target);
    this.#options.changed();
  }

  #pairObserved(stored: StoredEvent, { follower, shard = 0 }: { follower: FollowerIndexRef; shard?: number }): void {
    const known = this.of(follower);
    if (known !== undefined) return known.pairs[shard]?.observed(stored);
    const owned = this.#slots.get(slotOf(follower));
    if (owned === undefined) return;
    // It may have been left alone, since the event before could not be read.
    const run = async (): Promise<void> => (owned.shunned ? undefined : this.#takeUp(follower, owned.lease, START));
    void owned.ready.then(() => this.#inTurnTold(follower, owned.lease, run));
  }

  #indexObserved(event: IndexEvent, seq: number, lease: Lease): void {
    const { result: snapshot } = event;
    const { follower } = snapshot;
    const { cause, by, request } = event;
    const run = async (): Promise<void> => {
      const known = this.of(follower);
      if (known === undefined) return this.#takeUp(follower, lease, { cause, by, request });
      // The same one may have been met before, by an append that it came before.
      if (seq < known.index.seq) return;
      if (event.term > lease.term) return this.#superseded(lease);
      known.index.adopt({ snapshot, seq });
      if (snapshot.state === 'unfollowed') this.#releaseLeftOver(follower);
      else if (snapshot.state === 'released') await this.#drop(follower);
    };
    void this.#inTurnTold(follower, lease, run);
  }

  /** Nobody waits for it: what fails is told. */
  async #inTurnTold(follower: FollowerIndexRef, lease: Lease, work: () => Promise<void>): Promise<void> {
    try {
      await this.#inTurn(follower, work);
    } catch (thrown) {
      if (lease.ended || this.#slots.get(lease.slot)?.leaving === true || this.#options.signal.aborted) return;
      const failure = failureOf(thrown, 'take up');
      this.#options.ports.narrator.log('error', 'an index was not taken up', { index: indexKey(follower), failure });
    }
  }

  /** A newer version wrote it: whoever reads that does better with the slot. Nothing of the index is decided here any more. */
  #unreadable(follower: FollowerIndexRef, failure: Failure, lease: Lease): void {
    if (this.#leftToOthers(lease.slot)) return;
    this.#inTurn(follower, () => this.#drop(follower)).catch(() => {
      this.#options.ports.narrator.log('error', 'an index was not stopped', { index: indexKey(follower), failure });
    });
  }

  async #drop(follower: FollowerIndexRef): Promise<void> {
    const key = indexKey(follower);
    const known = this.#followed.get(key);
    if (known === undefined) return;
    await Promise.all(known.pairs.map((pair) => pair.stop()));
    await known.index.stop();
    this.#followed.delete(key);
  }

  async #inTurn(follower: FollowerIndexRef, work: () => Promise<void>): Promise<void> {
    const key = indexKey(follower);
    const before = this.#turns.get(key);
    const turn = before === undefined ? work() : before.catch(() => undefined).then(work);
    this.#turns.set(key, turn);
    try {
      await turn;
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    }
  }
}

const START: EventCause = { cause: 'start' };

function isCopying({ snapshot }: PairActor): boolean {
  return snapshot?.resumeTo === 'bootstrapping' && snapshot.state !== 'paused' && snapshot.state !== 'fatal';
}
