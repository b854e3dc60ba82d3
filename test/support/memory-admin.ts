import { present } from '../../src/domain/assert.ts';
import { failed } from '../../src/domain/failure.ts';
import { markOf } from '../../src/domain/index-spec/follower-mark.ts';
import { durationMs, textOf } from '../../src/domain/index-spec/setting-values.ts';
import type { AliasDefinition, IndexAdmin, IndexDescription } from '../../src/ports/index-admin.ts';
import {
  type MemoryCluster,
  type MemoryIndex,
  shardNumberOf,
  type RoutingFormula,
} from './memory-search/memory-cluster.ts';

interface Metadata {
  settings: Record<string, string | readonly string[]>;
  mappings: Record<string, unknown>;
  aliases: Record<string, AliasDefinition>;
}

export interface MemoryAdmin extends IndexAdmin {
  /** Metadata of an index that was made without this port. */
  readonly metadataOf: (index: string) => Metadata;
}

/** Creates indices in a cluster in memory and keeps their metadata. Durability of the translog takes effect on the shards; the rest is only kept. */
export function memoryAdmin(cluster: MemoryCluster, options: { formula?: RoutingFormula } = {}): MemoryAdmin {
  const byUuid = new Map<string, Metadata>();
  const pipelines = new Map<string, unknown>();

  const metadata = (index: MemoryIndex): Metadata => {
    const known = byUuid.get(index.uuid) ?? { settings: {}, mappings: {}, aliases: {} };
    byUuid.set(index.uuid, known);
    known.settings['index.number_of_shards'] = String(index.shards.length);
    known.settings['index.uuid'] = index.uuid;
    return known;
  };
  const find = (name: string, op: string): MemoryIndex => cluster.index(name, op);
  const applySettings = (index: MemoryIndex, settings: Readonly<Record<string, unknown>>): void => {
    const { settings: standing } = metadata(index);
    for (const [key, value] of Object.entries(settings)) {
      const text = textOf(value);
      if (text === undefined) delete standing[key];
      else standing[key] = Array.isArray(value) ? value.map(String) : text;
    }
    const gcDeletesMs = durationMs(String(standing['index.gc_deletes'] ?? ''));
    const asyncTranslog = standing['index.translog.durability'] === 'async';
    for (const shard of index.shards) {
      if (asyncTranslog && !shard.asyncTranslog) shard.sync();
      shard.asyncTranslog = asyncTranslog;
      if (gcDeletesMs !== undefined) shard.gcDeletesMs = gcDeletesMs;
    }
  };

  return {
    name: cluster.name,
    metadataOf: (index) => metadata(find(index, 'metadata')),
    identify: () =>
      Promise.resolve({ clusterUuid: `${cluster.name}-uuid`, version: '9.4.3', distribution: 'elasticsearch' }),
    kindOf: (name) => Promise.resolve(cluster.find(name) === undefined ? 'missing' : 'index'),
    readerView: () => Promise.resolve('whole'),
    markedIndices: () =>
      Promise.resolve(
        cluster.names.filter((name) => {
          const index = cluster.find(name);
          return index !== undefined && markOf(metadata(index).mappings).kind !== 'none';
        }),
      ),
    describe: (name) => {
      const index = cluster.find(name);
      if (index === undefined) return Promise.resolve(undefined);
      const { settings, mappings, aliases } = metadata(index);
      const { uuid, state } = index;
      const { mappingVersion: mapping, settingsVersion, aliasesVersion } = index;
      const versions = { mapping, settings: settingsVersion, aliases: aliasesVersion };
      const description: IndexDescription = {
        name,
        uuid,
        state,
        versions,
        settings,
        defaults: {},
        mappings,
        aliases,
      };
      return Promise.resolve(structuredClone(description));
    },
    shardsOf: (name, values) =>
      Promise.resolve(values.map((value) => shardNumberOf(find(name, 'routing'), { id: '', routing: value }))),
    createIndex: (name, body) => {
      if (cluster.find(name) !== undefined)
        return Promise.reject(failed('follower_exists', { op: 'create', reason: `index [${name}] exists` }));
      const shards = Number(body.settings['index.number_of_shards'] ?? 1);
      const index = cluster.createIndex(name, { shards, formula: options.formula ?? 'mod', gcDeletesMs: 15 * 60_000 });
      const created = structuredClone(body);
      Object.assign(metadata(index), { mappings: created.mappings, aliases: created.aliases });
      applySettings(index, created.settings);
      return Promise.resolve();
    },
    putMapping: (name, mappings) => {
      const index = find(name, 'put mapping');
      const standing = metadata(index);
      standing.mappings = structuredClone({
        ...standing.mappings,
        ...mappings,
        properties: { ...record(standing.mappings['properties']), ...record(mappings['properties']) },
      });
      index.mappingVersion += 1;
      return Promise.resolve();
    },
    putSettings: (name, settings) => {
      const index = find(name, 'put settings');
      applySettings(index, settings);
      index.settingsVersion += 1;
      return Promise.resolve();
    },
    updateAliases: (actions) => {
      for (const action of actions) applyAlias(action, (name) => metadata(find(name, 'aliases')));
      return Promise.resolve();
    },
    putPipeline: (id, body) => {
      pipelines.set(id, body);
      return Promise.resolve();
    },
    close: (name) => {
      present(cluster.find(name), `${name} exists`).state = 'close';
      return Promise.resolve();
    },
    open: (name) => {
      present(cluster.find(name), `${name} exists`).state = 'open';
      return Promise.resolve();
    },
    awaitPrimaries: () => Promise.resolve(),
  };
}

function record(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}

function applyAlias(action: Record<string, unknown>, of: (index: string) => Metadata): void {
  for (const [kind, body] of Object.entries(action)) {
    const { index, alias, ...definition } = body as { index: string; alias: string } & AliasDefinition;
    const { aliases } = of(index);
    if (kind === 'remove') delete aliases[alias];
    else aliases[alias] = definition;
  }
}
