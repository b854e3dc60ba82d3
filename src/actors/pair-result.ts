import type { SnapshotFrom } from 'xstate';
import { assert } from '../domain/assert.ts';
import type { PairFact, PairSnapshot } from '../domain/journal.ts';
import { lifecycleOf, type shardPairMachine } from '../machines/shard-pair.ts';
import type { SupervisorPorts } from './cluster-access.ts';

export type MachineSnapshot = SnapshotFrom<typeof shardPairMachine>;

const RUN_TRANSITIONS_MAX = 200;
const RUN_AGE_MAX_MS = 24 * 3600 * 1000;

export interface Before {
  readonly pair: string;
  readonly followId: string;
  readonly recorded: PairSnapshot | undefined;
  /** Documents in quarantine. */
  readonly quarantined: number;
}

/** The record of an event: what the machine has come to by it, and what of the pair outlives that. */
export function resultOf(
  ports: Pick<SupervisorPorts, 'clock' | 'narrator'>,
  after: MachineSnapshot,
  fact: PairFact,
  before: Before,
): PairSnapshot {
  const { recorded, followId, quarantined } = before;
  const { context } = after;
  const state = lifecycleOf(after.value);
  assert(state !== undefined, `${fact.type} leads to one of the five states`);
  const checkpoint = 'checkpoint' in fact && fact.checkpoint >= 0 ? fact.checkpoint : recorded?.checkpoint;
  const failure = state === 'retrying' || state === 'fatal' ? context.failure : undefined;
  const massDeleteAllowedBy = allowedBy(fact, recorded);
  return {
    state,
    followId,
    resumeTo: context.resumeTo,
    desired: context.desired,
    epoch: context.epoch,
    ...(context.raiseEpoch ? { raiseEpoch: true } : {}),
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(failure === undefined ? {} : { failure }),
    ...(quarantined === 0 ? {} : { quarantined }),
    ...(massDeleteAllowedBy === undefined ? {} : { massDeleteAllowedBy }),
    run: runOf(ports, fact, before),
  };
}

/** The last resume decides, until a scan has made use of it; of a leader that came back as another state nobody has spoken. */
function allowedBy(fact: PairFact, recorded: PairSnapshot | undefined): string | undefined {
  if (fact.type === 'RESUME') return fact.allowMassDelete === true ? fact.commandId : undefined;
  const allowed = recorded?.massDeleteAllowedBy;
  const over = fact.type === 'HISTORY_GONE' || (fact.type === 'MASS_DELETE_USED' && fact.commandId === allowed);
  return over ? undefined : allowed;
}

/** One trace for a run: from start or resume until pause, stop or fatal; a new one, linked, when it gets long. */
function runOf(
  { clock, narrator }: Pick<SupervisorPorts, 'clock' | 'narrator'>,
  fact: PairFact,
  { pair, recorded }: Before,
): PairSnapshot['run'] {
  const run = recorded?.run;
  const begins =
    run === undefined || (fact.type === 'RESUME' && (recorded?.state === 'paused' || recorded?.state === 'fatal'));
  if (begins || run.transitions >= RUN_TRANSITIONS_MAX || clock.now() - run.startedAtMs > RUN_AGE_MAX_MS)
    return { traceId: narrator.startRun(pair, run?.traceId), startedAtMs: clock.now(), transitions: 1 };
  return { ...run, transitions: run.transitions + 1 };
}
