import { z } from 'zod';
import { assert, present } from '../../domain/assert.ts';
import { failed } from '../../domain/failure.ts';
import { MARK_KEY } from '../../domain/index-spec/follower-mark.ts';
import type { IndexAdmin, IndexDescription, NameKind } from '../../ports/index-admin.ts';
import type { SearchClient } from './client.ts';
import { ask, pathOf } from './json-answer.ts';
import { readerView } from './reader-view.ts';
import { SEARCH_SHARDS_QUERY, searchShardsAnswer } from './shard-copies.ts';

const names = z.array(z.object({ name: z.string() })).optional();
const resolved = z.object({ indices: names, aliases: names, data_streams: names });

// A setting that was reset when the index was created is printed as null: it is not set.
const flat = z
  .record(z.string(), z.union([z.string(), z.array(z.string())]).nullable())
  .transform((settings) =>
    Object.fromEntries(
      Object.entries(settings).filter((entry): entry is [string, string | string[]] => entry[1] !== null),
    ),
  );
const description = z.object({
  settings: flat,
  defaults: flat.optional(),
  mappings: z.record(z.string(), z.unknown()),
  aliases: z.record(z.string(), z.record(z.string(), z.unknown())),
});
const STATE_FIELDS = ['state', 'mapping_version', 'settings_version', 'aliases_version'];
const indexState = z.object({
  state: z.enum(['open', 'close']),
  mapping_version: z.number(),
  settings_version: z.number(),
  aliases_version: z.number(),
});
const states = z.object({ metadata: z.object({ indices: z.record(z.string(), indexState) }).optional() });

/** Requests under way at once of `shardsOf`, which asks for a few dozen values. */
const LOOKUPS_AT_ONCE = 4;

type Questions = Pick<IndexAdmin, 'kindOf' | 'describe' | 'markedIndices' | 'readerView' | 'shardsOf'>;

export function createIndexQuestions(client: SearchClient): Questions {
  return {
    kindOf: (name, signal) => kindOf(client, name, signal),
    describe: (index, signal) => describeIndex(client, index, signal),
    markedIndices: (signal) => markedIndices(client, signal),
    readerView: (index, signal) => readerView(client, index, signal),
    async shardsOf(index, routingValues, signal) {
      const shards: number[] = [];
      let next = 0;
      const lane = async (): Promise<void> => {
        for (let at = next++; at < routingValues.length; at = next++) {
          shards[at] = await shardOf(client, index, present(routingValues[at], 'a value to look up'), signal);
        }
      };
      await Promise.all(Array.from({ length: LOOKUPS_AT_ONCE }, lane));
      return shards;
    },
  };
}

async function kindOf(client: SearchClient, name: string, signal: AbortSignal): Promise<NameKind> {
  const get = { op: `${client.name} resolve`, method: 'GET', effect: 'read', accept: [404] } as const;
  const request = { ...get, path: `/_resolve/index${pathOf(name)}`, query: { expand_wildcards: 'all' } };
  const { indices = [], aliases = [], data_streams: streams = [] } = await ask(client, request, resolved, signal);
  if (streams.some((stream) => stream.name === name)) return 'data_stream';
  if (aliases.some((alias) => alias.name === name)) return 'alias';
  return indices.some((index) => index.name === name) ? 'index' : 'missing';
}

/** Two answers, since no single one gives all; an index that vanished between them does not exist. */
async function describeIndex(
  client: SearchClient,
  index: string,
  signal: AbortSignal,
): Promise<IndexDescription | undefined> {
  const op = `${client.name} describe`;
  const get = { op, method: 'GET', effect: 'read' } as const;
  const fields = STATE_FIELDS.map((field) => `metadata.indices.*.${field}`).join(',');
  const stateQuery = { filter_path: fields, ignore_unavailable: true, expand_wildcards: 'all' };
  const stateRequest = { ...get, path: `/_cluster/state/metadata${pathOf(index)}`, query: stateQuery };
  const askState = async () => (await ask(client, stateRequest, states, signal)).metadata?.indices[index];
  // Before the rest, so that the versions are not later than what is described.
  const before = await askState();
  const query = { flat_settings: true, include_defaults: true };
  const request = { ...get, path: pathOf(index), query, accept: [404] };
  // Only this one tells that there is no index: of a cluster that has not recovered yet the state lists none, and this is refused. An alias answers
  // with the name of its index.
  const { [index]: found } = await ask(client, request, z.object({ [index]: description.optional() }), signal);
  const seen = before ?? (found === undefined ? undefined : await askState());
  if (found === undefined || seen === undefined) return undefined;
  const { state, mapping_version: mapping, settings_version: settingsVersion, aliases_version: aliasesVersion } = seen;
  const versions = { mapping, settings: settingsVersion, aliases: aliasesVersion };
  const { settings, defaults = {}, mappings, aliases } = found;
  const uuid = settings['index.uuid'];
  if (typeof uuid !== 'string') {
    throw failed('unexpected_answer', { op, cluster: client.name, reason: 'the index has no uuid' });
  }
  return { name: index, uuid, state, versions, settings, defaults, mappings, aliases };
}

const marked = z.record(
  z.string(),
  z.object({ mappings: z.object({ _meta: z.record(z.string(), z.unknown()).optional() }).optional() }),
);

async function markedIndices(client: SearchClient, signal: AbortSignal): Promise<readonly string[]> {
  const query = { expand_wildcards: 'all', filter_path: `*.mappings._meta.${MARK_KEY}` };
  const request = { op: `${client.name} find marks`, method: 'GET', path: '/_mapping', query, effect: 'read' } as const;
  const found = Object.entries(await ask(client, request, marked, signal));
  return found.flatMap(([name, { mappings }]) => (mappings?._meta?.[MARK_KEY] === undefined ? [] : [name])).toSorted();
}

async function shardOf(client: SearchClient, index: string, value: string, signal: AbortSignal): Promise<number> {
  assert(!value.includes(','), 'a sampled routing value has no comma (the cluster would read it as a list)');
  const op = `${client.name} routing lookup`;
  const query = { ...SEARCH_SHARDS_QUERY, routing: value };
  const request = { op, method: 'GET', path: `${pathOf(index)}/_search_shards`, query, effect: 'read' } as const;
  const { shards = [] } = await ask(client, request, searchShardsAnswer, signal);
  const shard = shards[0]?.[0]?.shard;
  if (shards.length !== 1 || shard === undefined) {
    const reason = `a routing value leads to ${shards.length} shards of ${index}, or to one without a copy`;
    throw failed('shard_unavailable', { op, cluster: client.name, reason });
  }
  return shard;
}
