import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { NODE_MAJOR_MIN, nodeFault } from '../../../src/cli/node-version.ts';

const MAIN = join(import.meta.dirname, '../../../src/cli/main.ts');
const PACKAGE = join(import.meta.dirname, '../../../package.json');
const WIDE = join(import.meta.dirname, 'wide-status.ts');

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a script; with `readOnly`, closes its output after that many characters, as `head` does. */
async function node(argv: readonly string[], readOnly = Number.POSITIVE_INFINITY): Promise<Ended> {
  const child = spawn(process.execPath, argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  const texts = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    texts.out += text;
    if (texts.out.length >= readOnly) child.stdout.destroy();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (texts.err += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...texts };
}

it('writes everything to a pipe before it ends', async () => {
  const { code, out, err } = await node([WIDE, 'status']);
  assert.deepEqual([code, err], [0, '']);
  assert.equal(out.split('\n').length, 20_002);
});

for (const argv of [['status'], ['status', '--json']])
  it(`ends quietly when its reader goes away: slipstream ${argv.join(' ')} | head -1`, async () => {
    const { code, out, err } = await node([WIDE, ...argv], 1);
    assert.deepEqual([code, err], [0, '']);
    assert.ok(out.length < 1_000_000, 'it was cut');
  });

it('is a command: help, version and mistakes need no server and no configuration', async () => {
  assert.match((await node([MAIN, 'version'])).out, /^slipstream \d+\.\d+\.\d+\n$/);
  assert.equal((await node([MAIN, 'help', 'status'])).code, 0);
  const mistake = await node([MAIN, 'stop']);
  assert.deepEqual([mistake.code, mistake.out], [64, '']);
  assert.doesNotMatch(mistake.err, /\n\s+at /, 'no stack');
  const missing = await node([MAIN, 'status', '--config', 'no-such-file.yml']);
  assert.equal(missing.code, 78);
  assert.match(
    missing.err,
    /^slipstream: invalid_config: read configuration no-such-file\.yml: there is no such file\nnext: /,
  );
});

it('tells an older Node what is needed, before anything that it cannot read', async () => {
  const older =
    'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.20.2"}})';
  const { code, out, err } = await node(['--import', older, MAIN, 'status']);
  assert.deepEqual([code, out], [78, '']);
  assert.match(
    err,
    /^slipstream: node_too_old: start Node: Node 24 or newer is needed, this is v20\.20\.2 \(.+\)\nnext: Install/,
  );
  assert.doesNotMatch(err, /\n\s+at /, 'no stack');
  const json = await node(['--import', older, MAIN, 'status', '--json']);
  assert.equal((JSON.parse(json.out) as { failure: { code: string } }).failure.code, 'node_too_old');

  const { engines } = JSON.parse(await readFile(PACKAGE, 'utf8')) as { engines: { node: string } };
  assert.equal(engines.node, `>=${NODE_MAJOR_MIN}`);
  for (const version of ['24.0.0', '24.21.0', '100.1.0']) assert.equal(nodeFault(version), undefined);
  for (const version of ['9.11.2', '20.20.2', '23.11.0']) assert.equal(nodeFault(version)?.code, 'node_too_old');
});
