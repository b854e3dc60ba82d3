/** `slipstream start` as a real process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Guard } from '../../stack/guard.ts';

export interface SupervisorProcess {
  readonly pid: number;
  readonly running: boolean;
  /** Kill -9; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code, null when a signal ended it. */
  stop(): Promise<number | null>;
}

const PROGRAM = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const living = new Set<number>();

// A test file that is ended must not leave its supervisors behind.
process.on('exit', () => {
  for (const pid of living) process.kill(pid, 'SIGKILL');
});

export interface SupervisorProcessOptions {
  /** Ends it however this process ends. */
  readonly guard?: Guard | undefined;
  /** The entry point of another build. */
  readonly program?: string | undefined;
}

/** @param logFile gets everything it prints, after what is there. */
export function startSupervisorProcess(
  configFile: string,
  logFile: string,
  { guard, program = PROGRAM }: SupervisorProcessOptions = {},
): SupervisorProcess {
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, [program, 'start', '--config', configFile], {
    stdio: ['ignore', log, log],
    detached: guard !== undefined,
    env: ownEnvironment(),
  });
  closeSync(log);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${process.execPath} could not be started`);
  living.add(pid);
  guard?.adopt(pid);
  const ended = once(child, 'exit').then(() => {
    living.delete(pid);
    guard?.release(pid);
  });
  return {
    pid,
    get running() {
      return child.exitCode === null && child.signalCode === null;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
      return child.exitCode;
    },
  };
}

/** Nothing of the test's, but the folder of compiled code that its runner may have named. */
function ownEnvironment(): Record<string, string> {
  const { PATH = '', NODE_COMPILE_CACHE: compiled } = process.env;
  return { PATH, ...(compiled === undefined ? {} : { NODE_COMPILE_CACHE: compiled }) };
}

/** The last lines of a log file. */
export async function endOfLog(file: string, lines = 30): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .trimEnd()
    .split('\n')
    .slice(-lines)
    .map((line) => line.slice(0, 600))
    .join('\n');
}
