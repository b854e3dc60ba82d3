import type { ReplicatorPorts } from '../replication/replicator-setup.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import type { FollowerIndex } from './follower-index.ts';

export function replicatorPorts(ports: SupervisorPorts, { leaderSide, followerSide }: FollowerIndex): ReplicatorPorts {
  const { clock, random, narrator, budget } = ports;
  return {
    leader: leaderSide.leader,
    follower: followerSide.follower,
    leaderWatcher: leaderSide.watcher,
    followerWatcher: followerSide.watcher,
    clock,
    random,
    narrator,
    budget,
    views: leaderSide.views,
    comparisons: leaderSide.comparisons,
  };
}
