/** What two answers that do not agree say of an index. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { it } from 'node:test';
import { Failed } from '../../../src/domain/failure.ts';
import type { IndexDescription } from '../../../src/ports/index-admin.ts';
import { json, openServed, serve, type Seen } from './scripted-server.ts';

const never = AbortSignal.any([]);
const FOUND = { logs: { settings: { 'index.uuid': 'u1' }, defaults: {}, mappings: {}, aliases: {} } };
const STATE = { state: 'open', mapping_version: 3, settings_version: 5, aliases_version: 1 };
const LISTED = { metadata: { indices: { logs: STATE } } };

async function described(
  answer: (request: Seen, response: ServerResponse) => void,
): Promise<IndexDescription | undefined> {
  await using server = await serve(answer);
  const cluster = openServed(server);
  try {
    return await cluster.admin.describe('logs', never);
  } finally {
    await cluster.close();
  }
}

const asksState = ({ url }: Seen): boolean => url.startsWith('/_cluster/state');

it('a cluster that has not recovered yet lists no index, and is not believed: that is for the index itself to say', async () => {
  const reason = 'blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];';
  const error = { type: 'cluster_block_exception', reason };
  const asked = described((request, response) =>
    asksState(request) ? json(response, {}) : json(response, { error, status: 503 }, 503),
  );
  await assert.rejects(asked, (thrown) => thrown instanceof Failed && thrown.failure.code === 'no_master');
});

it('an index that appears between the two answers is there, one that goes is not', async () => {
  let asked = 0;
  const appeared = await described((request, response) =>
    json(response, asksState(request) ? ((asked += 1) === 1 ? {} : LISTED) : FOUND),
  );
  assert.deepEqual(appeared?.versions, { mapping: 3, settings: 5, aliases: 1 });
  const gone = await described((request, response) =>
    asksState(request) ? json(response, LISTED) : json(response, { error: { type: 'index_not_found_exception' } }, 404),
  );
  assert.equal(gone, undefined);
});
