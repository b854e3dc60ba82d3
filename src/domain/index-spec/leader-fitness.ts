import type { FailureCode } from '../failure.ts';
import type { IndexShape } from './index-shape.ts';
import { isRecord } from './json-tree.ts';

export interface Unfitness {
  readonly code: Extract<FailureCode, 'leader_closed' | 'source_unusable' | 'seq_no_unusable'>;
  readonly reason: string;
}

/**
 * Why an index cannot be followed from outside. All three would go unnoticed otherwise: searches simply return no or shortened documents, or refuse
 * every question about sequence numbers. Synthetic `_source` is fine: documents are copied as the leader returns them.
 */
export function unfitness(leader: IndexShape): Unfitness | undefined {
  if (leader.state === 'close') return { code: 'leader_closed', reason: `index ${leader.name} is closed` };
  const source = sourceFault(leader);
  if (source !== undefined) return { code: 'source_unusable', reason: `${source} in index ${leader.name}` };
  if (setting(leader, 'index.disable_sequence_numbers') === 'true') {
    return { code: 'seq_no_unusable', reason: `index.disable_sequence_numbers is true in index ${leader.name}` };
  }
  return undefined;
}

function sourceFault(leader: IndexShape): string | undefined {
  const source = leader.mappings['_source'];
  if (isRecord(source)) {
    if (String(source['enabled']) === 'false') return '_source is disabled';
    if (String(source['mode']).toLowerCase() === 'disabled') return '_source has the mode disabled';
    const filter = ['includes', 'excludes'].find((part) => [source[part] ?? []].flat().length > 0);
    if (filter !== undefined) return `_source has ${filter}`;
  }
  return setting(leader, 'index.mapping.source.mode')?.toLowerCase() === 'disabled'
    ? 'index.mapping.source.mode is disabled'
    : undefined;
}

function setting(index: IndexShape, key: string): string | undefined {
  const value = index.settings[key] ?? index.defaults[key];
  return typeof value === 'string' ? value : undefined;
}
