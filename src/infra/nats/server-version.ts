import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** The oldest server that knows everything the journal and the leases use: a time to live for single messages came with 2.11. */
export const MIN_SERVER_VERSION = '2.11.0';

const ANSWER_WITHIN_MS = 10_000;

/** Whether `2.15.1` is `2.11.0` or later; a suffix such as `-RC.1` is passed over. */
export function isAtLeast(version: string, least: string): boolean {
  const [ours, theirs] = [numbers(version), numbers(least)];
  for (let at = 0; at < 3; at += 1) {
    const difference = (ours[at] ?? 0) - (theirs[at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

const numbers = (version: string): readonly number[] =>
  (/\d+\.\d+\.\d+/.exec(version)?.[0] ?? '0').split('.').map(Number);

/** What a program answers to `--version`; undefined when that is no version of a nats-server. Throws as `execFile` does. */
export async function versionOf(program: string): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)(program, ['--version'], {
    timeout: ANSWER_WITHIN_MS,
    env: {},
    maxBuffer: 64 * 1024,
  });
  return /^nats-server: v(\d+\.\d+\.\d+\S*)/m.exec(stdout)?.[1];
}
