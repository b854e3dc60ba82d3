/** `slipstream start` as a process of its own, and the other commands beside it, with one configuration file. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { groupAlive, type Guard, signalGroup } from '../stack/guard.ts';
import { DemoFailure } from './demo-failure.ts';

/** Longer than the supervisor gives itself to drain. */
const STOPPED_WITHIN_MS = 30_000;
const LOG_TAIL_LINES = 12;
const LOG_LINE_CHARACTERS = 240;
const SOURCE = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

export interface CommandOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SlipstreamCommand {
  readonly configFile: string;
  /** Runs one command to its end. */
  run(args: readonly string[], signal: AbortSignal): Promise<CommandOutcome>;
  /** `slipstream start`. Resolves at once: it serves when it answers. */
  start(): SupervisorProcess;
}

export interface SupervisorProcess {
  readonly pid: number;
  /** Fires when it ends without having been asked to. */
  readonly lost: AbortSignal;
  /** SIGTERM, and SIGKILL when that takes too long. The exit code; null when it was killed. */
  stop(): Promise<number | null>;
  logTail(): Promise<readonly string[]>;
}

/** Writes the configuration and a script `slipstream` into the folder, so that `./slipstream status` works there. `program`: main file of the command. */
export async function slipstreamIn(
  folder: string,
  { config, guard, program = SOURCE }: { config: string; guard: Guard; program?: string },
): Promise<SlipstreamCommand> {
  const configFile = join(folder, 'slipstream.yml');
  const script = join(folder, 'slipstream');
  await writeFile(configFile, config);
  await writeFile(script, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`);
  await chmod(script, 0o755);
  return {
    configFile,
    async run(args, signal) {
      const child = spawn(process.execPath, [program, ...args, '--config', configFile], {
        signal,
        killSignal: 'SIGKILL',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [stdout, stderr, [code]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'close'),
      ]);
      return { code: code ?? 1, stdout, stderr };
    },
    start: () => startSupervisor({ program, configFile, logFile: join(folder, 'supervisor.log'), guard }),
  };
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let all = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) all += chunk;
  return all;
}

function startSupervisor({
  program,
  configFile,
  logFile,
  guard,
}: {
  program: string;
  configFile: string;
  logFile: string;
  guard: Guard;
}): SupervisorProcess {
  const log = openSync(logFile, 'a');
  // A group of its own: the terminal's Ctrl-C reaches the demo alone, which then stops things in their order.
  const child = spawn(process.execPath, [program, 'start', '--config', configFile], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const { pid } = child;
  if (pid === undefined) throw new DemoFailure(`${process.execPath} could not be started`);
  guard.adopt(pid);
  const lost = new AbortController();
  let stopping = false;
  const ended = once(child, 'exit').then(() => {
    guard.release(pid);
    if (!stopping)
      lost.abort(
        new DemoFailure(`the supervisor ended by itself (${child.signalCode ?? `exit code ${child.exitCode}`})`),
      );
  });
  return {
    pid,
    lost: lost.signal,
    async stop() {
      stopping = true;
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      const inTime = await Promise.race([ended.then(() => true), delay(STOPPED_WITHIN_MS, false, { ref: false })]);
      if (!inTime) signalGroup(pid, 'SIGKILL');
      await ended;
      while (groupAlive(pid)) await delay(20);
      return child.exitCode;
    },
    async logTail() {
      const lines = (await readFile(logFile, 'utf8').catch(() => '')).trimEnd().split('\n');
      return lines.slice(-LOG_TAIL_LINES).map(shortLogLine);
    },
  };
}

const logLine = z.looseObject({ time: z.string(), level: z.string(), message: z.string() });

/** What a person looks for in a line of the log. */
function shortLogLine(line: string): string {
  if (!line.startsWith('{')) return line;
  const { time, level, message, ...fields } = logLine.parse(JSON.parse(line));
  for (const name of ['service', 'instance', 'trace_id', 'span_id']) delete fields[name];
  return `${time.slice(11, 23)} ${level} ${message} ${JSON.stringify(fields)}`.slice(0, LOG_LINE_CHARACTERS);
}
