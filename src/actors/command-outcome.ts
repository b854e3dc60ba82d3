import type { CommandResult, PairResult } from '../domain/commands.ts';
import { failed, failureOf, type Failure } from '../domain/failure.ts';
import type { Lifecycle } from '../domain/journal.ts';
import type { Refused } from './index-status.ts';
import type { PairActor } from './pair-actor.ts';

/** What a command is for. */
export interface Targets {
  readonly pairs: readonly PairActor[];
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
  decide: (pair: PairActor) => Promise<void>,
): Promise<ReadonlyMap<PairActor, Failure>> {
  const failures = new Map<PairActor, Failure>();
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
  failures: ReadonlyMap<PairActor, Failure>,
  done: (pair: PairActor) => boolean,
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
export function requireRecovered({ snapshot }: PairActor): void {
  const failure = snapshot?.failure;
  if (failure?.code === 'journal_older_than_data') throw failed(failure.code, failure);
}
