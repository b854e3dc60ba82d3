import type { FollowerCluster } from '../../ports/follower-cluster.ts';
import type { IndexAdmin } from '../../ports/index-admin.ts';
import type { LeaderCluster } from '../../ports/leader-cluster.ts';
import type { ClusterInspection } from '../../ports/cluster-inspection.ts';
import type { PositionStore } from '../../ports/position-store.ts';
import type { RequestGate } from '../../ports/request-gate.ts';
import { createClusterInspection } from './cluster-inspection.ts';
import type { QuarantineStore } from '../../ports/quarantine-store.ts';
import { createSearchClient, type SearchClientOptions } from './client.ts';
import { type ClusterIdentity, createClusterState } from './cluster-state.ts';
import { createEngineProbe } from './engine.ts';
import { createFollowerCluster } from './follower.ts';
import { gatedClient } from './gated-client.ts';
import { createIndexAdmin } from './index-admin.ts';
import { createLeaderCluster } from './leader.ts';
import { createPositionStore } from './position-store.ts';
import { createQuarantineStore } from './quarantine-store.ts';

export interface OpenCluster {
  readonly leader: LeaderCluster;
  readonly follower: FollowerCluster;
  readonly admin: IndexAdmin;
  readonly positions: PositionStore;
  /** The version of the cluster's state, past the gate. Throws `Failed`. */
  probe(signal: AbortSignal): Promise<unknown>;
  readonly inspection: ClusterInspection;
  readonly quarantine: QuarantineStore;
  /** Waits for requests under way. */
  close(): Promise<void>;
}

/** Every role a cluster can have, over one connection pool. Nothing is sent yet: a cluster may be down when Slipstream starts. */
export function openCluster(options: SearchClientOptions, gate?: RequestGate): OpenCluster {
  const ungated = createSearchClient(options);
  const client = gate === undefined ? ungated : gatedClient(ungated, gate);
  const engine = createEngineProbe(client);
  const identity: ClusterIdentity = { uuid: undefined };
  const state = createClusterState(client, identity);
  return {
    leader: createLeaderCluster(client, engine, state),
    follower: createFollowerCluster(client, engine, state),
    admin: createIndexAdmin(client, engine),
    positions: createPositionStore(client),
    probe: (signal) => createClusterState(ungated, identity).stateVersion(signal),
    inspection: createClusterInspection(client),
    quarantine: createQuarantineStore(client, state),
    close: () => client.close(),
  };
}
