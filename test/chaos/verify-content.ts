import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { FOLLOWER, type World } from '../support/replication-world.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const WITHIN_MS = 300_000;

/** `slipstream verify --content` as a user runs it: `equal`, or what it said. */
export function verifyContent(world: World, index: string): Promise<string> {
  const args = [PROGRAM, 'verify', `${FOLLOWER}:${index}`, '--content', '--json', '--config', world.configFile];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: WITHIN_MS }, (error, stdout, stderr) => {
      if (error === null) resolve('equal');
      else resolve(`exit ${error.code} ${stdout.slice(0, 2000)} ${stderr.slice(0, 2000)}`);
    });
  });
}
