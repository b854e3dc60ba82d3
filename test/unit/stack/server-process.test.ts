/** The servers here are small shell programs: what is tested is how they are started, watched and ended. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { groupAlive, type Guard } from '../../../stack/guard.ts';
import { type ServerRecipe, startServer } from '../../../stack/server-process.ts';
import { StackError } from '../../../stack/stack-error.ts';

const NO_GUARD: Guard = {
  adopt: () => undefined,
  release: () => undefined,
  own: () => undefined,
  sweep: async () => undefined,
};

async function withRecipe(script: string, use: (recipe: ServerRecipe, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-server-test-'));
  const recipe: ServerRecipe = {
    name: 'server',
    url: 'none',
    file: 'sh',
    args: ['-c', script],
    env: { PATH: process.env['PATH'] ?? '' },
    cwd: folder,
    logFile: join(folder, 'out.log'),
    readyWithinMs: 10_000,
    ready: async () => existsSync(join(folder, 'ready')),
  };
  try {
    await use(recipe, folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a server that ends while it starts is told with the end of its log, without waiting for the deadline', () =>
  withRecipe('echo starting; echo the cause >&2; exit 3', async (recipe) => {
    await assert.rejects(startServer({ recipe, guard: NO_GUARD }), (error: unknown) => {
      assert.ok(error instanceof StackError);
      assert.equal(error.code, 'server_exited');
      assert.match(error.reason, /server ended while it was starting.*starting\nthe cause/s);
      return true;
    });
  }));

test('a server that never serves is told with the end of its log', () =>
  withRecipe('echo waiting for something; exec sleep 60', async (recipe) => {
    let group = 0;
    const guard = { ...NO_GUARD, adopt: (id: number) => void (group = id) };
    await assert.rejects(startServer({ recipe: { ...recipe, readyWithinMs: 300 }, guard }), (error: unknown) => {
      assert.ok(error instanceof StackError);
      assert.equal(error.code, 'server_not_ready');
      assert.match(error.reason, /waiting for something/);
      return true;
    });
    assert.equal(groupAlive(group), false);
  }));

test('stopping and killing end the children of a server too, and a restart starts it anew', () =>
  withRecipe('sleep 60 & touch ready; wait', async (recipe) => {
    const server = await startServer({ recipe, guard: NO_GUARD });
    const first = server.pid;
    await server.kill('SIGKILL');
    assert.equal(groupAlive(first), false);
    await server.restart();
    const second = server.pid;
    assert.notEqual(second, first);
    assert.equal(groupAlive(second), true);
    await server.restart();
    assert.equal(groupAlive(second), false);
    assert.equal(groupAlive(server.pid), true);
    await server.stop();
    assert.equal(groupAlive(server.pid), false);
    await server.stop();
  }));

test('a server that ignores SIGTERM is killed', () =>
  withRecipe('trap "" TERM; touch ready; while :; do sleep 0.2; done', async (recipe) => {
    const server = await startServer({ recipe: { ...recipe, stoppedWithinMs: 300 }, guard: NO_GUARD });
    await server.stop();
    assert.equal(groupAlive(server.pid), false);
  }));

test('a program that does not exist is told by its name', () =>
  withRecipe('', async (recipe) => {
    const start = startServer({ recipe: { ...recipe, file: join(recipe.cwd, 'absent') }, guard: NO_GUARD });
    await assert.rejects(start, /server_exited: server: .*absent could not be started/);
  }));
