/** With so many seeds everything below has to come. */
export const SEEDS_FOR_EVERYTHING = 5000;

/** Every transition of the machine, and every fact of an index. */
const TRANSITIONS: readonly string[] = [
];

/** What is drawn. */
const FAULTS: readonly string[] = [
];

/** What never came, and so was not tested. */
export function missing(came: {
  readonly faults: ReadonlyMap<string, number>;
  readonly transitions: ReadonlyMap<string, number>;
}): readonly string[] {
  return [
    ...TRANSITIONS.filter((name) => !came.transitions.has(name)),
    ...FAULTS.filter((name) => !came.faults.has(name)),
  ];
}
