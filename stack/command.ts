import { spawn } from 'node:child_process';
import type { Account } from './account.ts';
import type { Guard } from './guard.ts';
import { StackError } from './stack-error.ts';

/** The last part of a failed command's output is what tells why. */
const OUTPUT_KEPT_CHARS = 4_000;

export type Command = {
  readonly file: string;
  readonly args: readonly string[];
  readonly guard: Guard;
  readonly cwd?: string;
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly account?: Account | undefined;
  /** What to tell when the program does not exist. */
  readonly missing: string;
};

/** Runs a program to its end and returns its output (both streams). Throws StackError `tool_missing` or `command_failed`. */
export async function runCommand({ file, args, guard, cwd, env, stdin, account, missing }: Command): Promise<string> {
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(account && { uid: account.uid, gid: account.gid }),
  });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_KEPT_CHARS);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const pid = child.pid;
  if (pid !== undefined) guard.adopt(pid);
  const status = await new Promise<number | string>((resolve, reject) => {
    child.on('error', (cause) =>
      reject(
        new StackError({
          code: 'tool_missing',
          reason: `${file} could not be run (${cause.message})`,
          hint: missing,
          cause,
        }),
      ),
    );
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  if (pid !== undefined) guard.release(pid);
  if (status === 0) return output;
  throw new StackError({
    code: 'command_failed',
    reason: `${file} ${args.join(' ')} ended with ${status}:\n${output.trim() || '(no output)'}`,
    hint: 'read the output above; a network or disk fault may pass by itself, so try once more',
  });
}
