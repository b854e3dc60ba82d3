import { isDeepStrictEqual } from 'node:util';
import { initialTransition, transition } from 'xstate';
import type { IndexEvent, IndexSnapshot, PairEvent, PairSnapshot } from '../../../src/domain/journal.ts';
import { lifecycleOf, shardPairMachine } from '../../../src/machines/shard-pair.ts';
import { machineEvent } from '../../support/machine-event.ts';

/** What decides where an event leads: the machine is asked once for each. */
const known = new Map<string, string>();

/** Why an event may not stand behind the one before it; undefined: it may. */
export function illegalPairEvent(
  before: PairSnapshot | undefined,
  event: PairEvent,
  onMissingHistory: 'rebootstrap' | 'fail',
): string | undefined {
  // Of an earlier life of the same name nothing is taken up.
  const folded = before?.followId === event.result.followId ? before : undefined;
  const from = folded?.state ?? 'none';
  if (event.from !== from) return `it begins at ${event.from}, and the one before it ended at ${from}`;
  if (event.fact.type === 'TAKEN_OVER')
    return isDeepStrictEqual(event.result, folded) ? undefined : 'who takes over changes nothing';
  const told = machineEvent(event.fact);
  if (told === undefined) return 'nobody recovers here';
  if (!isRightlyAllowed(folded, event)) return `it says that ${event.result.massDeleteAllowedBy} allows a mass delete`;
  const { state, resumeTo, desired, epoch, raiseEpoch = false } = event.result;
  const recorded = [state, resumeTo, desired, epoch, raiseEpoch].join();
  const ours = folded && [folded.state, folded.resumeTo, folded.desired, folded.epoch, folded.raiseEpoch ?? false];
  const asked = [told.type, 'epoch' in told && told.epoch, 'rebootstrap' in told && told.rebootstrap];
  const key = [ours, asked, onMissingHistory].join();
  let goesTo = known.get(key);
  if (goesTo === undefined) {
    const [start] = initialTransition(shardPairMachine, { snapshot: folded, onMissingHistory, delayMs: 0 });
    const [{ value, context }] = transition(shardPairMachine, start, told);
    goesTo = [lifecycleOf(value), context.resumeTo, context.desired, context.epoch, context.raiseEpoch].join();
    known.set(key, goesTo);
  }
  return goesTo === recorded ? undefined : `it says ${recorded}, and the machine goes to ${goesTo}`;
}

/** Given by a resume, taken back by another, used once, and kept through everything else. */
function isRightlyAllowed(before: PairSnapshot | undefined, { fact, result }: PairEvent): boolean {
  const [was, is] = [before?.massDeleteAllowedBy, result.massDeleteAllowedBy];
  if (fact.type === 'RESUME') return is === (fact.allowMassDelete === true ? fact.commandId : undefined);
  if (fact.type === 'MASS_DELETE_USED' && fact.commandId === was) return is === undefined;
  return is === (fact.type === 'HISTORY_GONE' ? undefined : was);
}

const INDEX_STATES: Readonly<Record<IndexEvent['fact']['type'], readonly [from: readonly string[], to: string]>> = {
  FOLLOWED: [['none', 'released'], 'followed'],
  PREPARED: [['followed'], 'prepared'],
  UNFOLLOWED: [['followed', 'prepared'], 'unfollowed'],
  RELEASED: [['unfollowed'], 'released'],
  REBUILT: [[], 'prepared'],
};

export function illegalIndexEvent(before: IndexSnapshot | undefined, event: IndexEvent): string | undefined {
  const [from, to] = INDEX_STATES[event.fact.type];
  const state = before?.state ?? 'none';
  if (!from.includes(state)) return `it stands behind ${state}`;
  if (event.result.state !== to) return `it leads to ${event.result.state}`;
  if (event.fact.type !== 'FOLLOWED' && before?.followId !== event.result.followId) return 'it is of another life';
  return undefined;
}
