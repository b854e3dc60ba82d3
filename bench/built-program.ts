/** The command as it is installed: compiled, since compiling at the start costs memory that no user pays. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../scripts/steps.ts';

/** Builds `dist` and gives the command's main file. */
export async function builtProgram(signal: AbortSignal): Promise<string> {
  const compiler = join(ROOT, 'node_modules', '.bin', 'tsc');
  await promisify(execFile)(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.build.json')], { signal });
  return join(ROOT, 'dist', 'cli', 'main.js');
}
