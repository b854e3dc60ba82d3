import { followerAliases } from './follower-aliases.ts';
import { followerMappings } from './follower-mapping.ts';
import type { FollowerMark, LeaderIdentity } from './follower-mark.ts';
import { followerSettings } from './follower-settings.ts';
import type { IndexBody, IndexShape } from './index-shape.ts';
import type { SettingValues } from './setting-values.ts';

export interface FollowerBodyRequest {
  readonly leader: IndexShape;
  readonly leaderCluster: string;
  readonly leaderClusterUuid: string;
  readonly followerIndex: string;
  readonly journalId: string;
  readonly epoch: number;
  readonly overrides: SettingValues;
  readonly guarded: boolean;
  readonly followerKnowsAll: boolean;
}

/** The follower to create: the leader's settings, mapping and aliases, with bootstrap values and our mark. */
export function followerIndexBody(request: FollowerBodyRequest): { body: IndexBody; mark: FollowerMark } {
  const { leader, followerIndex } = request;
  const settings = followerSettings(request);
  const aliases = followerAliases(leader.aliases, followerIndex);
  const mark: FollowerMark = {
    role: 'follower',
    journalId: request.journalId,
    epoch: request.epoch,
    leader: leaderIdentity(request),
    shards: shardsOf(leader),
    restore: settings.restore,
    heldBack: settings.heldBack,
    overrides: settings.overrides,
    copied: { settings: settings.copied, aliases: Object.keys(aliases).toSorted() },
  };
  return {
    body: {
      settings: { ...settings.create },
      mappings: followerMappings(leader.mappings, mark),
      aliases: { ...aliases },
    },
    mark,
  };
}

function leaderIdentity({ leader, leaderCluster, leaderClusterUuid }: FollowerBodyRequest): LeaderIdentity {
  return { cluster: leaderCluster, clusterUuid: leaderClusterUuid, index: leader.name, uuid: leader.uuid };
}

/** Number of primary shards. */
export function shardsOf(index: IndexShape): number {
  return Number(index.settings['index.number_of_shards'] ?? index.defaults['index.number_of_shards'] ?? 1);
}
