/**
 * The NATS server as a child that cannot outlive this process. A shell is its parent and reads a pipe from us: the pipe closes when this
 * process ends in whatever way, kill -9 included, and the shell then ends the server. Being its parent, the shell can never hit a process
 * that got the server's number later. The shell takes 1 MB; a signal to die with the parent (`PR_SET_PDEATHSIG`) is Linux only.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

/** A line from us means: it has ended by itself. The end of the pipe means: end it. */
const TETHER = `"$@" </dev/null &
server=$!
exec 2>/dev/null
if read -r _; then :; else kill -TERM "$server"; fi
wait "$server"`;

const STOPPED_WITHIN_MS = 15_000;

export interface TetheredProcess {
  /** Resolves with how it ended. */
  readonly ended: Promise<string>;
  /** SIGTERM, and SIGKILL when that takes too long; resolves when it is gone. */
  stop(): Promise<void>;
}

export function startTethered(
  argv: readonly string[],
  { cwd, onLine }: { readonly cwd: string; readonly onLine: (line: string) => void },
): TetheredProcess {
  // A session of its own: the terminal's Ctrl-C must not reach the server before the supervisor has drained. None of our environment,
  // which may hold secrets, is handed on.
  const shell = spawn('/bin/sh', ['-c', TETHER, 'slipstream-tether', ...argv], {
    cwd,
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { PATH: '/usr/bin:/bin' },
  });
  shell.stdin.on('error', () => undefined);
  createInterface({ input: shell.stderr }).on('line', onLine);
  // The pipe is the server's alone: it closes when the server is gone.
  shell.stderr.on('close', () => {
    if (shell.stdin.writable) shell.stdin.write('\n');
  });
  // Whoever killed the shell did not mean to leave the server without one. Its group lives as long as the server does.
  shell.on('exit', (code) => {
    if (code === null) killGroup(shell.pid);
  });
  const ended = new Promise<string>((resolve) => {
    shell.on('error', (error) => resolve(`/bin/sh could not be run: ${error.message}`));
    // A shell tells the death of its child by a signal as 128 and the signal's number.
    shell.on('close', (code, signal) =>
      resolve(
        code === null ? `killed by ${signal}` : code > 128 ? `killed by signal ${code - 128}` : `exit code ${code}`,
      ),
    );
  });
  return {
    ended,
    async stop() {
      shell.stdin.end();
      const inTime = await Promise.race([ended.then(() => true), delay(STOPPED_WITHIN_MS, false, { ref: false })]);
      if (!inTime) killGroup(shell.pid);
      await ended;
    },
  };
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}
