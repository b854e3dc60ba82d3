import { z } from 'zod';
import { failed } from '../../domain/failure.ts';
import { WireFormatError } from '../../domain/wire/search-page.ts';
import { scanBulkAnswer } from '../../domain/wire/bulk-answer.ts';
import type { FollowerCluster } from '../../ports/follower-cluster.ts';
import type { ClusterState } from '../../ports/search-cluster.ts';
import type { SearchClient } from './client.ts';
import { multiGet } from './documents.ts';
import type { EngineProbe } from './engine.ts';
import { askHistogram } from './histogram.ts';
import { broadcast, pathOf } from './json-answer.ts';
import { askSearch, WHOLE_SEARCH } from './search-answer.ts';
import { countRanges } from './range-counts.ts';
import { searchTarget } from './search-target.ts';
import { primaryPreferences, primaryTargets } from './shard-copies.ts';
import { listByVersion } from './version-listing.ts';
import { listVersionRanges } from './version-ranges.ts';
import { closeView, openView } from './views.ts';

const BULK_QUERY = {
  pipeline: '_none',
  require_alias: false,
  filter_path: 'errors,items.*.status,items.*.error',
} as const;
const maximum = z.object({ value: z.number().nullable() });

export function createFollowerCluster(client: SearchClient, engine: EngineProbe, state: ClusterState): FollowerCluster {
  const { name } = client;
  return {
    ...state,
    get versionAggregates() {
      // Unknown counts as no: the caller's other way (listings) works everywhere.
      return engine.known?.versionAggregates ?? false;
    },
    async bulk({ index, body, operations }, signal) {
      const op = `${name} bulk`;
      const answer = await client.send(
        { op, method: 'POST', path: `${pathOf(index)}/_bulk`, query: BULK_QUERY, body, effect: 'write' },
        signal,
      );
      const unsure = { op, cluster: name, status: answer.status, ambiguous: true };
      if (answer.status !== 200)
        throw failed('unexpected_answer', { ...unsure, reason: `HTTP ${answer.status} to a bulk request` });
      try {
        return scanBulkAnswer(answer.body, operations);
      } catch (error) {
        if (!(error instanceof WireFormatError)) throw error;
        throw failed('answer_cut', { ...unsure, reason: `${error.message} (${answer.body.length} bytes)` });
      }
    },
    async openView({ index, shard }, signal) {
      const { pitDialect } = await engine.capabilities(signal);
      const [preference = ''] = await primaryPreferences(client, index, shard, signal);
      return openView(client, pitDialect, { index, shard, preference }, signal);
    },
    closeView: (view) => closeView(client, engine.known?.pitDialect ?? 'elasticsearch', view),
    async count(index, shard, signal) {
      await engine.capabilities(signal);
      const search = { ...WHOLE_SEARCH, size: 0, track_total_hits: true };
      let total = 0;
      for (const target of await primaryTargets(client, { index, shard }, signal)) {
        const request = searchTarget(`${name} count`, target, search);
        total += (await askSearch(client, request, { shards: 1, countTotal: true }, signal)).hits.total?.value ?? 0;
      }
      return total;
    },
    async histogram(request, signal) {
      let sum: Map<number, number> | undefined;
      // One after the other: each may hold as many buckets as a request may ask for.
      for (const target of await primaryTargets(client, request, signal)) {
        const part = await askHistogram(client, request, target, signal);
        if (sum === undefined) sum = part;
        else for (const [key, count] of part) sum.set(key, (sum.get(key) ?? 0) + count);
      }
      return sum ?? new Map();
    },
    async countRanges(request, signal) {
      const sum = request.ranges.map(() => 0);
      for (const target of await primaryTargets(client, request, signal)) {
        const part = await countRanges(client, request, target, signal);
        for (const [at, count] of part.entries()) sum[at] = (sum[at] ?? 0) + count;
      }
      return sum;
    },
    listByVersion: (request, signal) => listByVersion(client, request, signal),
    listVersionRanges: (request, signal) => listVersionRanges(client, request, signal),
    multiGet: (index, keys, signal) => multiGet(client, index, keys, signal),
    maxVersion: (index, signal) => maxVersion(client, index, signal),
    async flush(index, signal) {
      await broadcast(client, { op: `${name} flush`, path: `${pathOf(index)}/_flush` }, signal);
    },
  };
}

async function maxVersion(client: SearchClient, index: string, signal: AbortSignal): Promise<number> {
  const op = `${client.name} greatest version`;
  const aggs = { greatest: { max: { field: '_version' } } };
  const search = { ...WHOLE_SEARCH, size: 0, track_total_hits: false, aggs };
  let greatest = 0;
  for (const target of await primaryTargets(client, { index, shard: undefined }, signal)) {
    const answer = await askSearch(client, searchTarget(op, target, search), { shards: 1, countTotal: false }, signal);
    const found = maximum.safeParse(answer.aggregations?.['greatest']);
    if (!found.success)
      throw failed('unexpected_answer', { op, cluster: client.name, reason: 'the answer has no maximum' });
    greatest = Math.max(greatest, found.data.value ?? 0);
  }
  return greatest;
}
