import { isHarmfulPart, partDifferences } from './follower-mapping.ts';
import type { IndexBody, IndexShape } from './index-shape.ts';
import { classOf, isHarmlessWhenAdded } from './setting-rules.ts';
import { settingOf, type SettingValue, type SettingValues, textOf } from './setting-values.ts';

/** One way in which a created index is not what was asked for: a template of the follower's cluster, or the cluster itself, had a say. */
export interface Difference {
  readonly what: 'setting' | 'mapping' | 'alias';
  /** Setting key, path in the mapping, or alias; never a value. */
  readonly name: string;
  readonly how: 'added' | 'changed' | 'missing';
  /**
   * undo    can be put right on the open index, and is
   * refuse  would lose or change documents, and cannot be put right
   * report  the follower's own business
   */
  readonly verdict: 'undo' | 'refuse' | 'report';
}

export interface CreatedComparison {
  readonly differences: readonly Difference[];
  /** Settings that put right what has `undo`. */
  readonly settings: SettingValues;
}

export function compareAfterCreate(asked: IndexBody, created: IndexShape): CreatedComparison {
  const { settings, differences } = compareSettings(asked.settings, created);
  return {
    settings,
    differences: [...differences, ...compareMappings(asked, created), ...compareAliases(asked, created)],
  };
}

function compareSettings(
  asked: Readonly<Record<string, unknown>>,
  created: IndexShape,
): { settings: SettingValues; differences: readonly Difference[] } {
  const settings: Record<string, SettingValue | null> = {};
  const differences: Difference[] = [];
  for (const key of new Set([...Object.keys(asked), ...Object.keys(created.settings)])) {
    const [one, other] = [textOf(asked[key]), textOf(created.settings[key])];
    if (one === other || classOf(key) === 'private') continue;
    const how = one === undefined ? 'added' : other === undefined ? 'missing' : 'changed';
    const verdict = judge(key, how, created.settings[key]);
    differences.push({ what: 'setting', name: key, how, verdict });
    if (verdict === 'undo') settings[key] = settingOf(asked[key]);
  }
  return { settings, differences };
}

function judge(key: string, how: Difference['how'], value: unknown): Difference['verdict'] {
  switch (classOf(key)) {
    case 'live':
    case 'managed':
      return 'undo';
    case 'fixed':
      return how === 'added' && isHarmlessWhenAdded(key, value) ? 'report' : 'refuse';
    case 'foreign':
      // A block would stop our own writes; the rest of these is the follower cluster's to decide.
      return key.startsWith('index.blocks.') ? 'undo' : 'report';
    case 'once':
    case 'private':
      return 'report';
  }
}

function compareMappings(asked: IndexBody, created: IndexShape): readonly Difference[] {
  return partDifferences(asked.mappings, created.mappings).map(({ name, how }) => {
    const refused = how !== 'missing' && isHarmfulPart(name, created.mappings);
    return {
      what: 'mapping',
      name,
      how,
      verdict: refused
        ? 'refuse'
        : name.startsWith('properties.') || (name.startsWith('_') && name !== '_meta')
          ? 'report'
          : 'undo',
    };
  });
}

function compareAliases(asked: IndexBody, created: IndexShape): readonly Difference[] {
  const missing = Object.keys(asked.aliases).filter((name) => created.aliases[name] === undefined);
  const added = Object.keys(created.aliases).filter((name) => asked.aliases[name] === undefined);
  return [
    ...missing.map((name): Difference => ({ what: 'alias', name, how: 'missing', verdict: 'report' })),
    ...added.map((name): Difference => ({ what: 'alias', name, how: 'added', verdict: 'report' })),
  ];
}
