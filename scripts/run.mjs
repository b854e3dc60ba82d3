/**
 * Runs a TypeScript file of this project under the Node that the project brings, on any machine with Node 18 or newer:
 *   node scripts/run.mjs demo/main.ts [arguments]
 * Installs the locked dependencies first, when they are not there or belong to another package-lock.json. Needs none itself, and is plain
 * JavaScript for the same reason.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NEEDED_NODE = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const stamp = join(modules, '.slipstream-stamp');
const lockHash = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lockHash) install();
run(process.argv.slice(2));

function install() {
  console.log(
    'Installing the locked dependencies (npm ci), among them Node 24. The first time this takes about half a minute.',
  );
  // "error" hides the warnings that the machine's own Node is too old for some packages: it is not what will run them.
  const { status, error } = spawnSync('npm', ['ci', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error) fail(`npm could not be run (${error.message}).`, 'Install Node.js with npm.');
  if (status !== 0)
    fail('npm ci failed; its output is above.', 'Check the network, the disk, and the npm configuration.');
  writeFileSync(stamp, lockHash);
}

function run([file, ...args]) {
  if (file === undefined) fail('No file to run was named.', 'node scripts/run.mjs FILE [arguments]');
  // The channel lets the child notice our end (see tether.mjs).
  const tether = pathToFileURL(join(root, 'scripts', 'tether.mjs')).href;
  const child = spawn(node(), ['--import', tether, join(root, file), ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, PATH: `${join(modules, '.bin')}${delimiter}${process.env.PATH ?? ''}` },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) =>
    fail(`${child.spawnfile} could not be run (${error.message}).`, 'Remove node_modules and try again.'),
  );
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

function node() {
  const bundled = join(modules, 'node', 'bin', 'node');
  if (existsSync(bundled)) return bundled;
  if (Number(process.versions.node.split('.')[0]) >= NEEDED_NODE) return process.execPath;
  return fail(
    `Node ${NEEDED_NODE} is needed, this is ${process.version}, and the one among the dependencies was not installed.`,
    'Allow install scripts (npm config set ignore-scripts false), remove node_modules and try again, or install a newer Node.js.',
  );
}

function fail(reason, hint) {
  console.error(`${reason}\n  What to do: ${hint}`);
  process.exit(1);
}
