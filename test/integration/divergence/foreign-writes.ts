/** What somebody else may do to a follower, one document each; and what is known of all the others. */
import assert from 'node:assert/strict';
import { verify } from '../../../src/app/verification.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { VerifyReport } from '../../../src/replication/verify/report.ts';
import type { Side, World } from '../../support/replication-world.ts';

/** Far above every version that an operation of a leader can have, and above what a number here holds exactly. */
const HUGE = '9223372036854775800';

export const PLANTED = ['updated', 'twice', 'deleted', 'huge', 'hugely-deleted', 'same-version'] as const;

export function documents(from: number, count: number): string {
  return Array.from({ length: count }, (_, at) => `{"index":{"_id":"d${from + at}"}}\n{"n":${from + at}}\n`).join('');
}

export function planted(): string {
  return PLANTED.map((id) => `{"index":{"_id":"${id}"}}\n{"by":"leader"}\n`).join('');
}

/** Past the write guard, which refuses what indexes documents by its pipeline. */
export async function writeFromOutside(follower: Side, index: string): Promise<void> {
  const put = (id: string, query = ''): Promise<unknown> =>
    follower.ok('PUT', `/${index}/_doc/${id}?pipeline=_none${query}`, { by: 'somebody' });
  await put('updated');
  await put('twice');
  await put('twice');
  await put('extra');
  await follower.ok('DELETE', `/${index}/_doc/deleted`);
  await put('huge', `&version=${HUGE}&version_type=external`);
  await put('huge-extra', `&version=${HUGE}&version_type=external`);
  await follower.ok('DELETE', `/${index}/_doc/hugely-deleted?version=${HUGE}&version_type=external`);
  const { _version: version } = await follower.ok('GET', `/${index}/_doc/same-version`);
  await put('same-version', `&version=${String(version)}&version_type=external_gte`);
}

/** `_seq_no` of the documents that nobody touched. */
export async function untouched(side: Side, index: string): Promise<ReadonlyMap<string, number>> {
  await side.ok('POST', `/${index}/_refresh`);
  const query = { size: 10_000, seq_no_primary_term: true, _source: false, query: { match_all: {} } };
  const answer = (await side.ok('POST', `/${index}/_search`, query)) as {
    hits: { hits: readonly { _id: string; _seq_no: number }[] };
  };
  const others = answer.hits.hits.filter(({ _id }) => /^d\d+$/.test(_id));
  return new Map(others.map(({ _id, _seq_no }) => [_id, _seq_no]));
}

export async function verified(world: World, index: string): Promise<VerifyReport> {
  const request = { follower: world.followerOf(index), content: true, onProgress: () => undefined };
  return (await verify(await loadConfig(world.configFile), request, AbortSignal.timeout(120_000))).report;
}

export async function assertEqual(world: World, index: string): Promise<void> {
  const comparison = await world.compare(index);
  assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 2000));
  const { outcome, tookMs: _, ...report } = await verified(world, index);
  assert.equal(outcome, 'equal', JSON.stringify(report).slice(0, 2000));
}

export async function gcDeletes(side: Side, index: string): Promise<unknown> {
  const settings = await side.ok('GET', `/${index}/_settings/index.gc_deletes?flat_settings=true`);
  return (settings[index] as { settings: Record<string, unknown> }).settings['index.gc_deletes'];
}
