import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { FOLLOWER } from '../support/replication-world.ts';
import type { Field } from './field.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const WITHIN_MS = 300_000;

/** `slipstream verify --content` as a user runs it: `equal`, or what it said. */
export function verifyContent({ world, guard }: Pick<Field, 'world' | 'guard'>, index: string): Promise<string> {
  const args = [PROGRAM, 'verify', `${FOLLOWER}:${index}`, '--content', '--json', '--config', world.configFile];
  return new Promise((resolve) => {
    // A group of its own, which is what the guard ends.
    const options = { timeout: WITHIN_MS, detached: true };
    const { pid } = execFile(process.execPath, args, options, (error, stdout, stderr) => {
      if (pid !== undefined) guard.release(pid);
      if (error === null) resolve('equal');
      else resolve(`exit ${error.code} ${stdout.slice(0, 2000)} ${stderr.slice(0, 2000)}`);
    });
    if (pid !== undefined) guard.adopt(pid);
  });
}
