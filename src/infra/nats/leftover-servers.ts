import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { failed } from '../../domain/failure.ts';

const POLL_MS = 20;
const TERMINATED_WITHIN_MS = 15_000;
const KILLED_WITHIN_MS = 5_000;

/**
 * Ends the servers that still run with this configuration file, though their supervisor is gone and so is the shell that held them. They
 * are known by their command line, which names a file in our data folder, so no other process can be hit, whatever number it got. Two
 * servers on one store would damage it: throws `nats_server_failed` while one is left. Gives how many were ended.
 */
export async function endLeftovers(configFile: string): Promise<number> {
  const found = await serversWith(configFile);
  for (const [signal, withinMs] of [
    ['SIGTERM', TERMINATED_WITHIN_MS],
    ['SIGKILL', KILLED_WITHIN_MS],
  ] as const) {
    for (const pid of await serversWith(configFile)) sendSignal(pid, signal);
    const deadlineMs = performance.now() + withinMs;
    while ((await serversWith(configFile)).length > 0 && performance.now() < deadlineMs) await delay(POLL_MS);
  }
  const left = await serversWith(configFile);
  if (left.length === 0) return found.length;
  throw failed('nats_server_failed', {
    op: 'start NATS server',
    reason: `an earlier server of this data folder still runs (process ${left.join(', ')}) and cannot be ended`,
    hint: `End it by hand: kill -9 ${left.join(' ')}`,
  });
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile, or is not ours to end; the next look tells.
  }
}

/** Processes run as `<program> -c <configFile>`. */
export async function serversWith(configFile: string): Promise<readonly number[]> {
  return process.platform === 'linux' ? fromProc(configFile) : fromPs(configFile);
}

async function fromProc(configFile: string): Promise<readonly number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // Unreadable: it has ended. Empty: it has ended and nobody has asked yet.
    const argv = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (argv[1] === '-c' && argv[2] === configFile) found.push(Number(name));
  }
  return found;
}

async function fromPs(configFile: string): Promise<readonly number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'pid=,stat=,command='], {
    maxBuffer: 64 * 1024 ** 2,
  });
  return stdout.split('\n').flatMap((line) => {
    const [, pid, state, command] = /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    // The shell's own command line ends alike, but begins with its script.
    const isServer = command?.endsWith(` -c ${configFile}`) === true && !command.includes('slipstream-tether');
    return isServer && state?.startsWith('Z') === false ? [Number(pid)] : [];
  });
}
