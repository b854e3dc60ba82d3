import type { CommandResult, PairResult } from '../domain/commands.ts';
import { failed, failureOf, type Failure } from '../domain/failure.ts';
import type { Lifecycle, PairSnapshot } from '../domain/journal.ts';
import type { PairRef } from '../domain/names.ts';
import type { EventCause } from './event-cause.ts';
import type { Refused } from './index-status.ts';

export interface ResumeOptions {
  readonly commandId: string;
  readonly rebootstrap: boolean;
  /** Once: a delete scan may pass the brake. */
  readonly allowMassDelete?: true;
}

/** A pair as commands know it, whoever runs it. A command is accepted when its method returns: the decision is in the journal. */
export interface Target {
  readonly pair: PairRef;
  /** What the journal says of it. */
  readonly snapshot: PairSnapshot | undefined;
  pause(commandId: string, cause: EventCause): Promise<void>;
  resume(options: ResumeOptions, cause: EventCause): Promise<void>;
  retryQuarantine(commandId: string, cause: EventCause): Promise<void>;
  /** Nothing that was asked to be tried again is left; not so for one that does not run. */
  readonly quarantineTried: boolean;
}

/** What a command is for. */
export interface Targets {
  readonly pairs: readonly Target[];
  /** Indices that a pattern means as well, and that take no commands. */
  readonly refused: readonly Refused[];
  /** Named by a pattern: each result then tells its index. */
  readonly several: boolean;
}

/** Decisions that are on their way to the journal at once. */
const DECISIONS_MAX = 64;

/** Decides for each pair. Gives why, where it was not accepted. Throws if a command for one index was accepted for no pair at all. */
export async function decideEach(
  { pairs, several }: Targets,
  decide: (pair: Target) => Promise<void>,
): Promise<ReadonlyMap<Target, Failure>> {
  const failures = new Map<Target, Failure>();
  const left = pairs.values();
  const takeTurns = async (): Promise<void> => {
    for (const pair of left) {
      try {
        await decide(pair);
      } catch (thrown) {
        failures.set(pair, failureOf(thrown, 'decide'));
      }
    }
  };
  await Promise.all(Array.from({ length: DECISIONS_MAX }, takeTurns));
  const [first] = failures.values();
  if (first !== undefined && failures.size === pairs.length && !several) throw failed(first.code, first);
  return failures;
}

export function commandResult(
  commandId: string,
  { pairs, refused, several }: Targets,
  failures: ReadonlyMap<Target, Failure>,
  done: (pair: Target) => boolean,
): CommandResult {
  const results = pairs.map((actor): PairResult => {
    const { pair, snapshot } = actor;
    const refusal = failures.get(actor);
    const failure = refusal ?? snapshot?.failure;
    return {
      ...(several ? { index: pair.follower.index } : {}),
      shard: pair.shard,
      accepted: refusal === undefined,
      effective: refusal === undefined && done(actor),
      state: snapshot?.state ?? 'bootstrapping',
      ...(failure === undefined ? {} : { failure }),
    };
  });
  const all = [...results, ...refused.flatMap(refusedResults)];
  return {
    commandId,
    accepted: all.every(({ accepted }) => accepted),
    effective: all.every(({ effective }) => effective),
    pairs: all,
  };
}

function refusedResults({ follower, snapshot, failure }: Refused): readonly PairResult[] {
  const state: Lifecycle = 'fatal';
  return Array.from({ length: snapshot?.shards ?? 1 }, (_, shard) => ({
    index: follower.index,
    shard,
    accepted: false,
    effective: false,
    state,
    failure,
  }));
}

/** Every event brings an old journal nearer to the data that it does not fit: until it is rebuilt nothing is decided on it. */
export function requireRecovered({ snapshot }: Target): void {
  const failure = snapshot?.failure;
  if (failure?.code === 'journal_older_than_data') throw failed(failure.code, failure);
}
