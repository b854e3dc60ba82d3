import type { FollowerMark } from '../../../src/domain/index-spec/follower-mark.ts';
import type { IndexDescription } from '../../../src/ports/index-admin.ts';

/** An open index of one shard, as a cluster describes it. */
export function described(parts: Partial<IndexDescription> = {}): IndexDescription {
  return {
    name: 'cities',
    uuid: 'leader-uuid',
    state: 'open',
    versions: { mapping: 1, settings: 1, aliases: 1 },
    settings: { 'index.number_of_shards': '1', 'index.uuid': 'leader-uuid' },
    defaults: {},
    mappings: {},
    aliases: {},
    ...parts,
  };
}

export function marked(parts: Partial<FollowerMark> = {}): FollowerMark {
  return {
    role: 'follower',
    journalId: 'journal',
    epoch: 1,
    leader: { cluster: 'left', clusterUuid: 'left-uuid', index: 'cities', uuid: 'leader-uuid' },
    shards: 1,
    overrides: [],
    copied: { settings: [], aliases: [] },
    ...parts,
  };
}
