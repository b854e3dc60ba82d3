/** Which faults are next: each kind as often as its weight says before any comes again, in an order that the seed decides. */
import { FAULT_KINDS, type FaultKind, leaderIsWhole } from './fault-kinds.ts';
import type { Field } from './field.ts';

export interface FaultBag {
  /** The next one that `fits`; those that do not stay for later. */
  take(fits: (kind: FaultKind) => boolean): FaultKind | undefined;
}

const MOST_AT_ONCE = 3;
/** Of a second and a third one in the same round. */
const ANOTHER_SHARE = 0.5;

export function faultBag(random: () => number, kinds: readonly FaultKind[] = FAULT_KINDS): FaultBag {
  const all = kinds.flatMap((kind) => Array<FaultKind>(kind.weight).fill(kind));
  const left: FaultKind[] = [];
  return {
    take(fits) {
      // Again only once: none of them may fit now.
      for (const again of [true, false]) {
        const at = left.findIndex(fits);
        const [taken] = at < 0 ? [] : left.splice(at, 1);
        if (taken !== undefined) return taken;
        if (again && left.length < 2 * all.length) left.push(...shuffled(all, random));
      }
      return undefined;
    },
  };
}

/** None, where nothing may be done now. */
export async function drawFaults(bag: FaultBag, field: Field, random: () => number): Promise<readonly FaultKind[]> {
  const met = {
    'whole leader': await leaderIsWhole(field),
    'every supervisor': field.supervisors.every(({ up }) => up),
  };
  const drawn: FaultKind[] = [];
  do {
    const kind = bag.take(
      ({ target, needs }) => drawn.every((other) => other.target !== target) && (needs === undefined || met[needs]),
    );
    if (kind === undefined) break;
    drawn.push(kind);
  } while (drawn.length < MOST_AT_ONCE && random() < ANOTHER_SHARE);
  return drawn;
}

function shuffled<T>(items: readonly T[], random: () => number): readonly T[] {
  return items
    .map((item) => ({ item, place: random() }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ item }) => item);
}
