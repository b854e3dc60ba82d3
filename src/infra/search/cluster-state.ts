import { z } from 'zod';
import { failed } from '../../domain/failure.ts';
import type { IndexShardStats, IndexVersions, ShardStats } from '../../domain/shard-stats.ts';
import type { ClusterState } from '../../ports/search-cluster.ts';
import type { SearchClient } from './client.ts';
import { ask, broadcast, pathOf } from './json-answer.ts';

const versionAnswer = z.object({ cluster_uuid: z.string(), version: z.number(), state_uuid: z.string() });
/** What a node calls a cluster whose state it does not know yet. */
const UNKNOWN_CLUSTER = '_na_';

const versionsAnswer = z.object({
  metadata: z
    .object({
      indices: z.record(
        z.string(),
        z.object({
          mapping_version: z.number(),
          settings_version: z.number(),
          aliases_version: z.number(),
          state: z.enum(['open', 'close']),
          settings: z.object({ index: z.object({ uuid: z.string() }) }),
          primary_terms: z.record(z.string(), z.number()),
        }),
      ),
    })
    .optional(),
});
const VERSION_FIELDS = [
  'mapping_version',
  'settings_version',
  'aliases_version',
  'state',
  'settings.index.uuid',
  'primary_terms',
];

/** Fields are missing while a copy starts: such a copy is unknown. */
const copy = z.object({
  routing: z.object({ primary: z.boolean(), node: z.string() }).optional(),
  seq_no: z.object({ max_seq_no: z.number(), global_checkpoint: z.number() }).optional(),
  commit: z.object({ user_data: z.object({ history_uuid: z.string() }) }).optional(),
});
const statsAnswer = z.object({
  indices: z.record(z.string(), z.object({ shards: z.record(z.string(), z.array(copy)) })).optional(),
});
const STATS_FIELDS = [
  'seq_no.max_seq_no',
  'seq_no.global_checkpoint',
  'commit.user_data.history_uuid',
  'routing.primary',
  'routing.node',
];

/**
 * Elasticsearch refuses request lines above 4,096 bytes (`http.max_initial_line_length`); the rest is for method, path and query.
 * Longer lists are asked for in parts: the answer of each part costs in proportion to what it names.
 */
const NAMES_BYTES_MAX = 3_000;

/** Which cluster answered first, as long as the process lives; shared by all that ask it. */
export interface ClusterIdentity {
  uuid: string | undefined;
}

/** What another cluster that took the address says of indices and shards is not to be believed: all of them would seem to be deleted. */
function requireSameCluster(name: string, identity: ClusterIdentity, uuid: string): void {
  if (uuid === UNKNOWN_CLUSTER) return;
  identity.uuid ??= uuid;
  if (identity.uuid === uuid) return;
  throw failed('other_cluster', {
    op: `${name} state version`,
    cluster: name,
    reason: `the cluster at this address has uuid ${uuid}; it was ${identity.uuid} when this process first asked it`,
  });
}

export function createClusterState(
  client: SearchClient,
  identity: ClusterIdentity = { uuid: undefined },
): ClusterState {
  const { name } = client;
  return {
    name,
    async stateVersion(signal) {
      const query = { filter_path: 'cluster_uuid,version,state_uuid' };
      const answer = await ask(
        client,
        { op: `${name} state version`, method: 'GET', path: '/_cluster/state/version', query, effect: 'read' },
        versionAnswer,
        signal,
      );
      requireSameCluster(name, identity, answer.cluster_uuid);
      return `${answer.version}/${answer.state_uuid}`;
    },
    async indexVersions(indices, signal) {
      const versions = new Map<string, IndexVersions>();
      const query = {
        filter_path: VERSION_FIELDS.map((field) => `metadata.indices.*.${field}`).join(','),
        ignore_unavailable: true,
        expand_wildcards: 'all',
      };
      for (const names of partsOf(indices)) {
        const path = `/_cluster/state/metadata/${names}`;
        const { metadata } = await ask(
          client,
          { op: `${name} index versions`, method: 'GET', path, query, effect: 'read' },
          versionsAnswer,
          signal,
        );
        for (const [index, found] of Object.entries(metadata?.indices ?? {})) {
          const primaryTerms: number[] = [];
          for (const [shard, term] of Object.entries(found.primary_terms)) primaryTerms[Number(shard)] = term;
          versions.set(index, {
            uuid: found.settings.index.uuid,
            state: found.state,
            primaryTerms,
            mappingVersion: found.mapping_version,
            settingsVersion: found.settings_version,
            aliasesVersion: found.aliases_version,
          });
        }
      }
      return versions;
    },
    async shardStats(indices, signal) {
      const stats = new Map<string, IndexShardStats>();
      const query = {
        level: 'shards',
        filter_path: STATS_FIELDS.map((field) => `indices.*.shards.*.${field}`).join(','),
        ignore_unavailable: true,
        expand_wildcards: 'all',
      };
      for (const names of partsOf(indices)) {
        const answer = await ask(
          client,
          { op: `${name} shard stats`, method: 'GET', path: `/${names}/_stats/docs`, query, effect: 'read' },
          statsAnswer,
          signal,
        );
        for (const [index, { shards }] of Object.entries(answer.indices ?? {})) stats.set(index, primariesOf(shards));
      }
      return stats;
    },
    async refresh(index, signal) {
      await broadcast(client, { op: `${name} refresh`, path: `${pathOf(index)}/_refresh` }, signal);
    },
  };
}

function primariesOf(shards: Readonly<Record<string, readonly z.output<typeof copy>[]>>): IndexShardStats {
  const primaries = new Map<number, ShardStats>();
  for (const [shard, copies] of Object.entries(shards)) {
    for (const { routing, seq_no: seqNo, commit } of copies) {
      if (routing?.primary !== true || seqNo === undefined || commit === undefined) continue;
      primaries.set(Number(shard), {
        globalCheckpoint: seqNo.global_checkpoint,
        maxSeqNo: seqNo.max_seq_no,
        historyUuid: commit.user_data.history_uuid,
        nodeId: routing.node,
      });
    }
  }
  return primaries;
}

/** Comma-separated encoded names, each part short enough for a request line. */
function partsOf(indices: readonly string[]): readonly string[] {
  const parts: string[] = [];
  let part = '';
  for (const index of indices) {
    const encoded = encodeURIComponent(index);
    if (part !== '' && part.length + 1 + encoded.length > NAMES_BYTES_MAX) {
      parts.push(part);
      part = '';
    }
    part = part === '' ? encoded : `${part},${encoded}`;
  }
  return part === '' ? parts : [...parts, part];
}
