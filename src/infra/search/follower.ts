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
import { searchTarget } from './search-target.ts';
import { primaryPreferences } from './shard-copies.ts';
import { listByVersion } from './version-listing.ts';
import { countVersionRanges, listVersionRanges } from './version-ranges.ts';

const BULK_QUERY = {
  pipeline: '_none',
  require_alias: false,
  filter_path: 'errors,items.*.status,items.*.result,items.*.error',
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
    async count(index, shard, signal) {
      await engine.capabilities(signal);
      let total = 0;
      for (const preference of await primaryPreferences(client, index, shard, signal)) {
        const request = searchTarget(
          `${name} count`,
          { kind: 'now', index, preference },
          { ...WHOLE_SEARCH, size: 0, track_total_hits: true },
        );
        total += (await askSearch(client, request, { shards: 1, countTotal: true }, signal)).hits.total?.value ?? 0;
      }
      return total;
    },
    async histogram(request, signal) {
      const { index, shard } = request;
      const sum = new Map<number, number>();
      // One after the other: each may hold as many buckets as a request may ask for.
      for (const preference of await primaryPreferences(client, index, shard, signal)) {
        const part = await askHistogram(client, request, { kind: 'now', index, preference }, signal);
        for (const [key, count] of part) sum.set(key, (sum.get(key) ?? 0) + count);
      }
      return sum;
    },
    listByVersion: (request, signal) => listByVersion(client, request, signal),
    listVersionRanges: (request, signal) => listVersionRanges(client, request, signal),
    countVersionRanges: (request, signal) => countVersionRanges(client, request, signal),
    multiGet: (index, keys, signal) => multiGet(client, index, keys, signal),
    async maxVersion(index, signal) {
      const op = `${name} greatest version`;
      let greatest = 0;
      for (const preference of await primaryPreferences(client, index, undefined, signal)) {
        const search = {
          ...WHOLE_SEARCH,
          size: 0,
          track_total_hits: false,
          aggs: { greatest: { max: { field: '_version' } } },
        };
        const answer = await askSearch(
          client,
          searchTarget(op, { kind: 'now', index, preference }, search),
          { shards: 1, countTotal: false },
          signal,
        );
        const found = maximum.safeParse(answer.aggregations?.['greatest']);
        if (!found.success)
          throw failed('unexpected_answer', { op, cluster: name, reason: 'the answer has no maximum' });
        greatest = Math.max(greatest, found.data.value ?? 0);
      }
      return greatest;
    },
    async flush(index, signal) {
      await broadcast(client, { op: `${name} flush`, path: `${pathOf(index)}/_flush` }, signal);
    },
  };
}
