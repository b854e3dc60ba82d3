import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { it } from 'node:test';
import type { OpenCluster } from '../../../src/infra/search/open-cluster.ts';
import { json, openServed, serve, type Seen } from './scripted-server.ts';

const idle = new AbortController().signal;

async function inspecting<T>(
  answer: (request: Seen, response: ServerResponse) => void,
  ask: (inspection: OpenCluster['inspection']) => Promise<T>,
): Promise<{ readonly found: T; readonly seen: readonly Seen[] }> {
  await using server = await serve(answer);
  const cluster = openServed(server);
  try {
    return { found: await ask(cluster.inspection), seen: server.seen };
  } finally {
    await cluster.close();
  }
}

const needs = { cluster: ['monitor'], indices: [{ names: ['a*', 'b'], privileges: ['read'] }] };

it('privileges that a key lacks are named with what they are for', async () => {
  const { found, seen } = await inspecting(
    (_, response) =>
      json(response, {
        username: 'u',
        has_all_requested: false,
        cluster: { monitor: false },
        index: { 'a*': { read: true }, b: { read: false } },
        application: {},
      }),
    (inspection) => inspection.lacking(needs, idle),
  );
  assert.deepEqual(found, ['monitor on the cluster', 'read on b']);
  assert.deepEqual(JSON.parse(String(seen[0]?.body)), { cluster: needs.cluster, index: needs.indices });
});

it('a cluster without security has no privileges to lack', async () => {
  const { found } = await inspecting(
    (_, response) => json(response, { error: 'no handler found for uri [/_security/user/_has_privileges]' }, 400),
    (inspection) => inspection.lacking(needs, idle),
  );
  assert.equal(found, undefined);
});

it('the time of a cluster is that of the node that answers', async () => {
  const { found } = await inspecting(
    (_, response) => json(response, { nodes: { x: { timestamp: 1_700_000_000_123 } } }),
    (inspection) => inspection.nowMs(idle),
  );
  assert.equal(found, 1_700_000_000_123);
});
