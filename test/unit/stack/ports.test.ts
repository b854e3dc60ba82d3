import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { portPicker } from '../../../stack/ports.ts';

test('gives the preferred port where it is free, and no port twice', async () => {
  const lines: string[] = [];
  const free = await portPicker(() => undefined)(0);
  const pick = portPicker((line) => lines.push(line));
  assert.equal(await pick(free), free);
  const other = await pick(free);
  assert.notEqual(other, free);
  assert.deepEqual(lines, [`port ${free} is taken, using ${other}`]);
});

test('gives another port, and says so, where the preferred one is taken', async () => {
  const server = createServer().listen({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address);
  try {
    const lines: string[] = [];
    const port = await portPicker((line) => lines.push(line))(address.port);
    assert.ok(port > 0 && port !== address.port);
    assert.deepEqual(lines, [`port ${address.port} is taken, using ${port}`]);
  } finally {
    server.close();
  }
});
