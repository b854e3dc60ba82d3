/** The command line of the benchmark. */
import { parseArgs } from 'node:util';

/** Ways of copying. Where one has variants, all run in the first round, and those that come near the best in the others. */
export const CONTESTANTS = {
  slipstream: ['slipstream'],
  reindex: ['reindex'],
  'reindex-ranges': ['reindex-ranges-1', 'reindex-ranges-2', 'reindex-ranges-4'],
  elasticdump: ['elasticdump'],
  floor: ['floor-2', 'floor-4', 'floor-8'],
  'floor-reading': ['floor-reading'],
} as const;

export type Group = keyof typeof CONTESTANTS;
export type Variant = (typeof CONTESTANTS)[Group][number];

export const GROUPS = Object.keys(CONTESTANTS) as readonly Group[];
const PHASES = ['live', 'price', 'big'] as const;
export type Phase = (typeof PHASES)[number];

export interface BenchOptions {
  readonly json: boolean;
  readonly rounds: number;
  /** How often the cities are loaded; 8 are 1,081,864 documents. */
  readonly copies: number;
  readonly variants: readonly Variant[];
  readonly phases: readonly Phase[];
}

export const USAGE = `npm run bench -- [--rounds N] [--copies N] [--only NAME,...] [--big] [--json]

  --rounds N    rounds of every comparison, 5 unless told; medians are reported
  --copies N    how often the 135,233 cities are copied: 8 (1,081,864 documents) unless told
  --only NAMES  of ${[...GROUPS, ...PHASES].join(', ')};
                or one variant, as in floor-4
  --big         also 5,000,000 documents (the cities 37 times, or as many times --copies / 8)
  --json        text to stderr; the last line of stdout is one JSON object
`;

const ROUNDS = 5;
const COPIES = 8;

/** Undefined: the command line is wrong, or asks for help. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean', default: false },
        big: { type: 'boolean', default: false },
        rounds: { type: 'string', default: String(ROUNDS) },
        copies: { type: 'string', default: String(COPIES) },
        only: { type: 'string' },
      },
    });
    const [rounds, copies] = [Number(values.rounds), Number(values.copies)];
    if (![rounds, copies].every((number) => Number.isInteger(number) && number > 0)) return undefined;
    const names = values.only?.split(',');
    const chosen = names === undefined ? everything() : chosenOf(names);
    if (chosen === undefined) return undefined;
    const phases = values.big && !chosen.phases.includes('big') ? [...chosen.phases, 'big' as const] : chosen.phases;
    return { json: values.json, rounds, copies, variants: chosen.variants, phases };
  } catch {
    return undefined;
  }
}

type Chosen = Pick<BenchOptions, 'variants' | 'phases'>;

function everything(): Chosen {
  return { variants: GROUPS.flatMap((group) => [...CONTESTANTS[group]]), phases: ['live', 'price'] };
}

function chosenOf(names: readonly string[]): Chosen | undefined {
  const variants = GROUPS.flatMap((group) =>
    CONTESTANTS[group].filter((variant) => names.includes(group) || names.includes(variant)),
  );
  const phases = PHASES.filter((phase) => names.includes(phase));
  const known = [...GROUPS, ...Object.values(CONTESTANTS).flat(), ...PHASES] as readonly string[];
  return names.every((name) => known.includes(name)) ? { variants, phases } : undefined;
}

export function groupOf(variant: Variant): Group {
  const group = GROUPS.find((name) => (CONTESTANTS[name] as readonly Variant[]).includes(variant));
  if (group === undefined) throw new Error(`${variant} belongs to no group`);
  return group;
}
