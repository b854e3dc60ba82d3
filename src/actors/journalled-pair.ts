import { initialTransition, transition } from 'xstate';
import { failed, failureOf } from '../domain/failure.ts';
import type { IndexSnapshot, PairEvent, PairFact, PairSnapshot } from '../domain/journal.ts';
import { pairKey, shownPair, type PairRef } from '../domain/names.ts';
import { slotOf } from '../domain/slots.ts';
import { pairSubject } from '../domain/subjects.ts';
import { shardPairMachine, type PairMachineEvent } from '../machines/shard-pair.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import type { ResumeOptions, Target } from './command-outcome.ts';
import { causeFields, type EventCause } from './event-cause.ts';
import { writtenVersion } from './event-version.ts';
import type { Folded } from './journal-fold.ts';
import type { JournalView } from './journal-view.ts';
import { resultOf } from './pair-result.ts';
import { commandEvent } from './telling.ts';

export interface JournalledPairOptions {
  readonly ports: Pick<SupervisorPorts, 'log' | 'clock' | 'random' | 'narrator' | 'ownership'>;
  readonly view: JournalView;
  readonly index: IndexSnapshot;
  readonly pair: PairRef;
  readonly signal: AbortSignal;
}

/** Appends of one decision that others came before. */
const CONFLICTS_MAX = 8;

/**
 * A pair that another supervisor runs, or none. A command for it is accepted by appending its decision, made on the state that the journal
 * holds, behind the event that it was made on. Its owner sees the event, or the next one begins with it.
 */
export class JournalledPair implements Target {
  readonly #options: JournalledPairOptions;
  #triedAfterSeq = Number.POSITIVE_INFINITY;

  constructor(options: JournalledPairOptions) {
    this.#options = options;
  }

  get pair(): PairRef {
    return this.#options.pair;
  }

  get snapshot(): PairSnapshot | undefined {
    return this.#folded?.snapshot;
  }

  /** Its owner records how many are left when it has tried. */
  get quarantineTried(): boolean {
    const folded = this.#folded;
    if ((folded?.snapshot.quarantined ?? 0) === 0) return true;
    return folded?.fact === 'QUARANTINED' && folded.seq > this.#triedAfterSeq;
  }

  async pause(commandId: string, cause: EventCause): Promise<void> {
    await this.#decide({ type: 'PAUSE', commandId }, cause);
  }

  async resume(options: ResumeOptions, cause: EventCause): Promise<void> {
    await this.#decide({ type: 'RESUME', ...options }, cause);
  }

  async retryQuarantine(commandId: string, cause: EventCause): Promise<void> {
    if ((this.snapshot?.quarantined ?? 0) === 0) return;
    await this.#decide({ type: 'QUARANTINE_RETRY', commandId }, cause);
    this.#triedAfterSeq = this.#folded?.seq ?? 0;
  }

  get #folded(): Folded<PairSnapshot> | undefined {
    return this.#options.view.pair(this.#options.pair, this.#options.index.followId);
  }

  async #decide(fact: PairFact, cause: EventCause): Promise<void> {
    const event = commandEvent(fact);
    if (event === undefined) throw new Error(`${fact.type} is no command`);
    for (let tries = 1; ; tries += 1) {
      try {
        // The same command, which another supervisor runs as well, since it was repeated.
        if (this.#options.view.decided(this.pair, cause.cause)) return;
        // Followed a moment ago, and nobody has taken it up: that it exists comes before what is wanted of it.
        if (this.#folded === undefined) await this.#append({ type: 'STARTED' }, { type: 'STARTED' }, cause);
        if (fact.type === 'PAUSE' && this.snapshot?.desired === 'paused') return;
        await this.#append(event, fact, cause);
        return;
      } catch (thrown) {
        if (failureOf(thrown, 'decide').code !== 'journal_conflict' || tries === CONFLICTS_MAX) throw thrown;
        await this.#options.view.current();
      }
    }
  }

  async #append(event: PairMachineEvent, fact: PairFact, cause: EventCause): Promise<void> {
    const { ports, view, index, pair, signal } = this.#options;
    const subject = pairSubject(pair);
    // It was unfollowed meanwhile, and may be followed anew: nothing begins again of the life that was meant.
    const { followId, state } = view.index(pair.follower)?.snapshot ?? index;
    if (followId !== index.followId || state === 'unfollowed' || state === 'released')
      throw failed('journal_conflict', { op: 'decide', reason: `${shownPair(pair)} is unfollowed since` });
    const expectedSeq = view.lastSeqOf(subject);
    const untold = this.#eventOf(event, fact, cause);
    const recorded = { ...untold, trace: ports.narrator.transition(untold, untold.result.run.traceId) };
    const journalled = { entity: 'pair', ...recorded } as const;
    view.appended(subject, await ports.log.append(subject, journalled, expectedSeq, signal), journalled);
  }

  #eventOf(event: PairMachineEvent, fact: PairFact, cause: EventCause): Omit<PairEvent, 'trace'> {
    const { ports, view, index, pair } = this.#options;
    const recorded = this.snapshot;
    const input = { snapshot: recorded, onMissingHistory: index.parameters.on_missing_history, delayMs: 0 };
    const [before] = initialTransition(shardPairMachine, input);
    const [after] = transition(shardPairMachine, before, event);
    if (after.value === 'folded')
      throw failed('bug', { op: 'decide', reason: `${shownPair(pair)} cannot take ${event.type} now` });
    const { followId } = index;
    const quarantined = recorded?.quarantined ?? 0;
    return {
      id: ports.random.id(),
      version: writtenVersion(ports.ownership),
      atMs: ports.clock.now(),
      ...causeFields(cause),
      term: Math.max(ports.ownership.ownerOf(slotOf(pair.follower))?.term ?? 0, view.termOf(pair)),
      pair,
      fact,
      from: recorded?.state ?? 'none',
      result: resultOf(ports, after, fact, { pair: pairKey(pair), followId, recorded, quarantined }),
    };
  }
}
