import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Account } from './account.ts';
import { type Guard, groupAlive, signalGroup } from './guard.ts';
import { StackError } from './stack-error.ts';

const PROBE_EVERY_MS = 100;
const STOPPED_WITHIN_MS = 15_000;
const KILLED_WITHIN_MS = 10_000;
const LOG_TAIL_LINES = 30;

/** How one server is started and how it is known to serve. */
export type ServerRecipe = {
  readonly name: string;
  readonly url: string;
  readonly file: string;
  readonly args: readonly string[];
  /** The whole environment of the server: nothing of ours leaks in. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly account?: Account | undefined;
  readonly logFile: string;
  readonly readyWithinMs: number;
  /** How long SIGTERM may take before SIGKILL follows, 15 s unless told. */
  readonly stoppedWithinMs?: number;
  /** One probe. */
  readonly ready: () => Promise<boolean>;
  /** The certificate authority a client needs to trust this server. */
  readonly caFile?: string | undefined;
};

export type RunningServer = {
  readonly name: string;
  readonly url: string;
  readonly caFile: string | undefined;
  /** The number of the server's process group, and of its first process. Changes at a restart. */
  readonly pid: number;
  /** Signals every process of the server. After SIGKILL and SIGTERM it resolves when none is left. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port and data, stopping it in good order first when it still runs; resolves when it serves. */
  restart(): Promise<void>;
  /** SIGTERM, and SIGKILL when that does not help in time. */
  stop(): Promise<void>;
  logTail(): Promise<string>;
};

type Launched = { readonly pid: number; readonly ended: Promise<void>; hasEnded(): boolean };

/** Starts a server and resolves when it serves. Throws StackError `server_exited` or `server_not_ready` with the end of its log. */
export async function startServer({ recipe, guard }: { recipe: ServerRecipe; guard: Guard }): Promise<RunningServer> {
  let launched = launch({ recipe, guard });
  await untilReady({ recipe, launched, guard });
  const kill = (signal: NodeJS.Signals): Promise<void> => signalAndWait({ recipe, launched, signal, guard });
  const stop = async (): Promise<void> => {
    await kill('SIGTERM').catch(() => kill('SIGKILL'));
  };
  return {
    name: recipe.name,
    url: recipe.url,
    caFile: recipe.caFile,
    get pid() {
      return launched.pid;
    },
    kill,
    stop,
    restart: async () => {
      await stop();
      launched = launch({ recipe, guard });
      await untilReady({ recipe, launched, guard });
    },
    logTail: () => logTail(recipe.logFile),
  };
}

function launch({ recipe, guard }: { recipe: ServerRecipe; guard: Guard }): Launched {
  const log = openSync(recipe.logFile, 'a');
  // A group of its own: launchers and the servers they start get every signal together, and the terminal's Ctrl-C does not reach them.
  const child = spawn(recipe.file, recipe.args, {
    cwd: recipe.cwd,
    env: recipe.env,
    detached: true,
    stdio: ['ignore', log, log],
    ...(recipe.account && { uid: recipe.account.uid, gid: recipe.account.gid }),
  });
  closeSync(log);
  if (child.pid === undefined) {
    child.on('error', () => undefined);
    throw new StackError({
      code: 'server_exited',
      reason: `${recipe.name}: ${recipe.file} could not be started`,
      hint: 'check that the file exists, may be run, and can be reached by the user that runs it',
    });
  }
  guard.adopt(child.pid);
  child.unref();
  const ended = once(child, 'exit').then(() => undefined);
  return { pid: child.pid, ended, hasEnded: () => child.exitCode !== null || child.signalCode !== null };
}

async function untilReady({
  recipe,
  launched,
  guard,
}: {
  recipe: ServerRecipe;
  launched: Launched;
  guard: Guard;
}): Promise<void> {
  const deadline = Date.now() + recipe.readyWithinMs;
  for (;;) {
    if (launched.hasEnded()) {
      throw new StackError({
        code: 'server_exited',
        reason: `${recipe.name} ended while it was starting. The end of its log:\n${await logTail(recipe.logFile)}`,
        hint: 'the last lines of the log name the cause',
      });
    }
    if (await recipe.ready()) return;
    if (Date.now() > deadline) {
      await signalAndWait({ recipe, launched, signal: 'SIGKILL', guard });
      throw new StackError({
        code: 'server_not_ready',
        reason: `${recipe.name} did not serve at ${recipe.url} within ${recipe.readyWithinMs / 1000} s. The end of its log:\n${await logTail(recipe.logFile)}`,
        hint: 'the machine may be short of memory or very busy: free some and try again',
      });
    }
    await Promise.race([delay(PROBE_EVERY_MS), launched.ended]);
  }
}

type Signalling = { recipe: ServerRecipe; launched: Launched; signal: NodeJS.Signals; guard: Guard };

async function signalAndWait({ recipe, launched, signal, guard }: Signalling): Promise<void> {
  if (!signalGroup(launched.pid, signal)) return;
  if (signal !== 'SIGKILL' && signal !== 'SIGTERM') return;
  const withinMs = signal === 'SIGKILL' ? KILLED_WITHIN_MS : (recipe.stoppedWithinMs ?? STOPPED_WITHIN_MS);
  const deadline = Date.now() + withinMs;
  while (groupAlive(launched.pid)) {
    if (Date.now() > deadline) {
      throw new StackError({
        code: 'server_not_ready',
        reason: `${recipe.name} (process group ${launched.pid}) is still there ${withinMs / 1000} s after ${signal}`,
        hint: `end it by hand: kill -9 -- -${launched.pid}`,
      });
    }
    await delay(20);
  }
  guard.release(launched.pid);
}

async function logTail(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n') || '(empty)';
}
