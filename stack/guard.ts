import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * A second process that outlives this one. It holds the read end of a pipe: when this process ends, in whatever way, `kill -9` included,
 * the pipe closes and the guard kills every process group it was told of and removes every folder it was given.
 */
export type Guard = {
  /** Kill this process group when we are gone; at once when the sweep has begun. */
  adopt(groupId: number): void;
  /** The group ended by itself: its number may be given to someone else. */
  release(groupId: number): void;
  /** Remove this folder when we are gone. */
  own(folder: string): void;
  /** Do all of it now; resolves when nothing is left. */
  sweep(): Promise<void>;
};

export function startGuard(): Guard {
  // Detached: a session of its own, so that the terminal's Ctrl-C does not reach the guard before it has done its work.
  const child = spawn(process.execPath, [fileURLToPath(new URL('./guard-process.ts', import.meta.url))], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: {},
  });
  const exited = once(child, 'exit');
  // The guard dying first is survivable: an orderly stop does not need it.
  child.stdin.on('error', () => undefined);
  child.on('error', () => undefined);
  child.unref();
  if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();
  let sweeping = false;
  const tell = (line: string): void => {
    if (child.stdin.writable) child.stdin.write(`${line}\n`);
  };
  return {
    adopt: (groupId) => {
      if (sweeping) signalGroup(groupId, 'SIGKILL');
      else tell(`adopt ${groupId}`);
    },
    release: (groupId) => tell(`release ${groupId}`),
    own: (folder) => tell(`own ${folder}`),
    sweep: async () => {
      sweeping = true;
      child.ref();
      child.stdin.end();
      if (child.exitCode === null && child.signalCode === null) await exited;
    },
  };
}

/** Whether a process of the group is still running. One that has ended but that nobody waits for (pid 1 of many containers) is not. */
export function groupAlive(groupId: number): boolean {
  if (!signalGroup(groupId, 0)) return false;
  if (process.platform !== 'linux') return true;
  return readdirSync('/proc').some((pid) => /^\d+$/.test(pid) && runsInGroup({ pid, groupId }));
}

function runsInGroup({ pid, groupId }: { pid: string; groupId: number }): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold anything; after it come state, parent and group.
    const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(group) === groupId && state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}

/** Sends a signal to every process of a group; false when there is none. */
export function signalGroup(groupId: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-groupId, signal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
