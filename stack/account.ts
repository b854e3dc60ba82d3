import { realpathSync, statSync } from 'node:fs';
import { chmod, chown } from 'node:fs/promises';
import { dirname } from 'node:path';
import { runCommand } from './command.ts';
import type { Guard } from './guard.ts';
import { StackError } from './stack-error.ts';

const ACCOUNT_NAME = 'slipstream-es';

export type Account = { readonly name: string; readonly uid: number; readonly gid: number };

/** Elasticsearch refuses to run as root: then a system account of our own runs it. Undefined when we are not root. */
export async function unprivilegedAccount(guard: Guard): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const found = await lookUp(guard);
  if (found) return found;
  const creation = runCommand({
    file: 'useradd',
    args: ['--system', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', ACCOUNT_NAME],
    guard,
    missing: `create a system user named ${ACCOUNT_NAME}`,
  });
  // Another run may have created it at the same moment, so the look-up decides, not the outcome of the command.
  const fault = await creation.then(
    () => undefined,
    (error: unknown) => error,
  );
  const created = await lookUp(guard);
  if (created) return created;
  throw new StackError({
    code: 'account_missing',
    reason: `Elasticsearch does not run as root, and the system user ${ACCOUNT_NAME} could not be created`,
    hint: `run as an ordinary user, or create the user yourself: useradd --system ${ACCOUNT_NAME}`,
    cause: fault,
  });
}

async function lookUp(guard: Guard): Promise<Account | undefined> {
  const id = (flag: string): Promise<string> =>
    runCommand({ file: 'id', args: [flag, ACCOUNT_NAME], guard, missing: 'install coreutils' });
  try {
    return { name: ACCOUNT_NAME, uid: Number(await id('-u')), gid: Number(await id('-g')) };
  } catch (error) {
    if (error instanceof StackError && error.code === 'command_failed') return undefined;
    throw error;
  }
}

/** Makes a folder of ours the account's own. */
export async function giveTo(account: Account | undefined, path: string): Promise<void> {
  if (account) await chown(path, account.uid, account.gid);
}

/** The first folder on the way to `path`, or `path` itself, that other users may not enter; undefined when all may be. */
export function closedFolder(path: string): string | undefined {
  for (let at = realpathSync(path); ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return at;
    if (dirname(at) === at) return undefined;
  }
}

/** Opens a folder of ours to passing through, and refuses when one above it is closed. */
export async function openTo(
  account: Account | undefined,
  { folder, setting }: { folder: string; setting: string },
): Promise<void> {
  if (!account) return;
  await chmod(folder, 0o755);
  const closed = closedFolder(folder);
  if (closed === undefined) return;
  throw new StackError({
    code: 'folder_not_reachable',
    reason: `the user ${account.name}, who runs Elasticsearch for root, may not enter ${closed}`,
    hint: `point ${setting} to a folder that every user may enter, or run as an ordinary user`,
  });
}
