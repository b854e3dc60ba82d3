import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failed } from '../../../src/domain/failure.ts';
import { json, openServed, serve } from './scripted-server.ts';

const never = new AbortController().signal;

test('another cluster that takes the address is told as such by whoever asks, until the first one is back', async () => {
  let uuid = '_na_';
  await using server = await serve((_, response) =>
    json(response, { cluster_uuid: uuid, version: 3, state_uuid: 'state' }),
  );
  const cluster = openServed(server);
  const asked = [
    () => cluster.probe(never),
    () => cluster.leader.stateVersion(never),
    () => cluster.follower.stateVersion(never),
  ];
  const codes = async (): Promise<readonly unknown[]> =>
    Promise.all(
      asked.map((ask) =>
        ask().then(
          () => 'answered',
          (thrown: unknown) => (thrown instanceof Failed ? thrown.failure.code : thrown),
        ),
      ),
    );
  const all = (code: string): readonly string[] => asked.map(() => code);
  try {
    assert.deepEqual(await codes(), all('answered'), 'a node that does not know its cluster yet names none');
    uuid = 'first';
    assert.deepEqual(await codes(), all('answered'));
    uuid = 'second';
    assert.deepEqual(await codes(), all('other_cluster'));
    uuid = '_na_';
    assert.deepEqual(await codes(), all('answered'));
    uuid = 'first';
    assert.deepEqual(await codes(), all('answered'));
  } finally {
    await cluster.close();
  }
});
