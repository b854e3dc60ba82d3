import { z } from 'zod';
import { failed } from '../../domain/failure.ts';
import type { HistogramRequest } from '../../ports/search-cluster.ts';
import type { SearchClient } from './client.ts';
import { searchTarget, type SearchTarget } from './search-target.ts';
import { askSearch, WHOLE_SEARCH } from './search-answer.ts';

interface Bucket {
  readonly key: number;
  readonly doc_count: number;
}

/** Checked where they stand: a schema for each of 40,000 copied them, for 10 MB of garbage on either side. */
const bucketList = z.custom<readonly Bucket[]>((value) => Array.isArray(value) && value.every(isBucket));
const buckets = z.object({ buckets: bucketList });
const rangeBuckets = z.object({ buckets: z.array(z.object({ values: buckets })).length(1) });

/**
 * Exact while `max < 2^53`. Values outside [min, max] never reach the histogram, so they can neither be counted nor, however far off, exceed
 * the cluster's `search.max_buckets` (65,536 non-empty buckets). `_seq_no` has points: a query keeps them out. `_version` refuses queries: a
 * range aggregation around the histogram does. `hard_bounds` would be cheaper but compares a bucket's start, not its values, and ignores the
 * offset: first buckets went missing and last ones counted too much.
 */
export async function askHistogram(
  client: SearchClient,
  request: Omit<HistogramRequest, 'shard'>,
  target: SearchTarget,
  signal: AbortSignal,
): Promise<Map<number, number>> {
  const { field, interval, offset, min, max } = request;
  const op = `${client.name} histogram`;
  const values = { histogram: { field, interval, offset, min_doc_count: 1 } };
  const search =
    field === '_seq_no'
      ? { query: { range: { [field]: { gte: min, lte: max } } }, aggs: { values } }
      : { aggs: { within: { range: { field, ranges: [{ from: min, to: max + 1 }] }, aggs: { values } } } };
  const answer = await askSearch(
    client,
    searchTarget(op, target, { ...WHOLE_SEARCH, size: 0, track_total_hits: false, ...search }),
    { shards: 1, countTotal: false },
    signal,
  );
  if (target.kind === 'view') target.view.id = answer.pit_id ?? target.view.id;
  const found =
    field === '_seq_no'
      ? buckets.safeParse(answer.aggregations?.['values'])
      : rangeBuckets
          .transform(({ buckets: [range] }) => range?.values ?? { buckets: [] })
          .safeParse(answer.aggregations?.['within']);
  if (!found.success)
    throw failed('unexpected_answer', { op, cluster: client.name, reason: 'the answer has no histogram' });
  const histogram = new Map<number, number>();
  for (const { key, doc_count: count } of found.data.buckets) {
    if (!Number.isSafeInteger(key))
      throw failed('unexpected_answer', { op, cluster: client.name, reason: `bucket key ${key} is no exact integer` });
    histogram.set(key, count);
  }
  return histogram;
}

function isBucket(value: unknown): value is Bucket {
  const { key, doc_count: count } = Object(value) as Partial<Bucket>;
  return typeof key === 'number' && typeof count === 'number';
}
