import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { commandJsonSchemas } from '../../../src/control/schemas.ts';
import { commandService } from '../../../src/control/service.ts';
import { serveCommands } from '../../../src/infra/nats/command-service.ts';
import { connectNats } from '../../../src/infra/nats/connect.ts';
import { countingRandom, recordingSurface } from '../../support/control-bench.ts';
import { memoryAnswers } from '../../support/memory-answers.ts';
import { ownNatsServer } from '../../support/nats-server.ts';

const root = new URL('../../../', import.meta.url);

it('runs the program that the document of the commands shows', async () => {
  await using server = await ownNatsServer();
  const nc = await connectNats({ servers: [server.url], name: 'test supervisor' });
  const surface = recordingSurface();
  await serveCommands(nc, {
    handler: commandService({ surface, random: countingRandom(), answers: memoryAnswers() }),
    version: '0.1.0',
    schemas: commandJsonSchemas(),
  });
  const program = /^```ts\n([^]*?)^```/m.exec(await readFile(new URL('docs/commands.md', root), 'utf8'))?.[1];
  assert.ok(program !== undefined);
  const output = await run(program, { NATS_URL: server.url });
  assert.equal(output, 'paused: false\n');
  assert.equal(surface.calls.length, 1);
  await nc.close();
});

function run(program: string, env: Record<string, string>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = execFile(
    process.execPath,
    ['--input-type=module-typescript', '-'],
    { cwd: root, env: { ...process.env, ...env }, timeout: 30_000 },
    (error, stdout, stderr) => (error === null ? resolve(stdout) : reject(new Error(stderr, { cause: error }))),
  );
  child.stdin?.end(program);
  return promise;
}
