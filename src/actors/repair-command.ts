import type { PairResult, RepairCommand, RepairResult } from '../domain/commands.ts';
import { failed, failureOf, type Failure } from '../domain/failure.ts';
import { shownPair } from '../domain/names.ts';
import type { RepairOutcome } from '../domain/repair.ts';
import { pairSubject } from '../domain/subjects.ts';
import type { Changes } from './changes.ts';
import type { CommandCause } from './event-cause.ts';
import type { PairActor } from './pair-actor.ts';

interface Asked {
  readonly command: RepairCommand;
  readonly cause: CommandCause;
  /** Subjects for which this very command was decided before. */
  readonly decided: Pick<ReadonlySet<string>, 'has'>;
  readonly changes: Changes;
}

/** What one pair is asked about: positions in the command's documents. */
interface Share {
  readonly pair: PairActor;
  readonly places: readonly number[];
}

/** Every pair is asked about its own documents, and about those whose shard is not known. Throws if none of them may be asked. */
export async function repairThrough(pairs: readonly PairActor[], asked: Asked): Promise<RepairResult> {
  const { command, cause, changes } = asked;
  const shares = pairs
    .map((pair) => ({ pair, places: placesOf(command, pair.pair.shard) }))
    .filter(({ places }) => places.length > 0);
  const failures = new Map<PairActor, Failure>();
  const done = new Map<PairActor, readonly RepairOutcome[]>();
  for (const share of shares) {
    const { pair } = share;
    try {
      await begin(share, asked, (outcomes) => {
        done.set(pair, outcomes);
        changes.tell();
      });
    } catch (thrown) {
      failures.set(pair, failureOf(thrown, 'repair'));
    }
  }
  const [first] = failures.values();
  if (first !== undefined && failures.size === shares.length) throw failed(first.code, first);
  const settled = ({ pair }: Share): boolean =>
    done.has(pair) || failures.has(pair) || pair.snapshot?.state === 'fatal';
  await changes.until(() => shares.every(settled), command.waitMs ?? 0);
  const results = shares.map(({ pair }): PairResult => {
    const failure = failures.get(pair) ?? pair.snapshot?.failure;
    return {
      shard: pair.pair.shard,
      accepted: !failures.has(pair),
      effective: done.has(pair),
      state: pair.snapshot?.state ?? 'bootstrapping',
      ...(failure === undefined ? {} : { failure }),
    };
  });
  return {
    commandId: cause.commandId,
    accepted: failures.size === 0,
    effective: results.every(({ effective }) => effective),
    pairs: results,
    documents: command.documents.map((_, place) => outcomeOf(place, shares, done)),
  };
}

function placesOf({ documents }: RepairCommand, shard: number): readonly number[] {
  return documents.flatMap((document, place) =>
    document.shard === undefined || document.shard === shard ? place : [],
  );
}

async function begin(
  { pair, places }: Share,
  { command, cause, decided }: Asked,
  ended: (outcomes: readonly RepairOutcome[]) => void,
): Promise<void> {
  const { snapshot } = pair;
  const { state, failure, desired } = snapshot ?? {};
  // It stopped for what is put right now.
  const stopped = state === 'fatal' && failure?.code === 'follower_newer';
  const follows = snapshot?.resumeTo === 'following' && (state === 'following' || state === 'retrying' || stopped);
  if (!follows || desired !== 'running')
    throw failed('not_following', { op: 'repair', reason: `${shownPair(pair.pair)} is ${state ?? 'not started yet'}` });
  if (!decided.has(pairSubject(pair.pair))) await pair.recordRepair(cause.commandId, places.length, cause);
  const keys = places.flatMap((place) => command.documents[place] ?? []);
  void pair.session.repair(keys).then(ended);
  const { commandId } = cause;
  if (stopped) await pair.resume({ commandId, rebootstrap: false }, cause);
}

/** That of the pair whose document it is. */
function outcomeOf(
  place: number,
  shares: readonly Share[],
  done: ReadonlyMap<PairActor, readonly RepairOutcome[]>,
): RepairOutcome | null {
  const told = shares
    .filter(({ places }) => places.includes(place))
    .map(({ pair, places }) => done.get(pair)?.[places.indexOf(place)] ?? null);
  return told.find((outcome) => outcome !== 'elsewhere') ?? told.find((outcome) => outcome !== undefined) ?? null;
}
