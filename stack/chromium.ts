import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runCommand } from './command.ts';
import type { Guard } from './guard.ts';
import { StackError } from './stack-error.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const MAC_APPLICATIONS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];
const PROGRESS_EVERY_MS = 5_000;
const HINT =
  'install Chromium or Chrome (Debian: apt-get install chromium), or set SLIPSTREAM_CHROMIUM to the program of one that is installed';

export type ChromiumSearch = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly guard: Guard;
  readonly log: (line: string) => void;
  /** Tells whether packages may be installed here; root on Debian unless told. */
  readonly mayInstall?: boolean;
};

/** The path of a Chromium or Chrome; installed first where that is possible. Throws StackError `chromium_missing`. */
export async function findChromium({
  environment,
  guard,
  log,
  mayInstall = isRootOnDebian(),
}: ChromiumSearch): Promise<string> {
  const asked = environment['SLIPSTREAM_CHROMIUM'];
  if (asked) {
    if (isProgram(asked)) return asked;
    throw new StackError({
      code: 'chromium_missing',
      reason: `SLIPSTREAM_CHROMIUM is ${asked}, which is no program`,
      hint: HINT,
    });
  }
  const found = installed(environment['PATH']);
  if (found) return found;
  if (mayInstall) await install({ guard, log });
  const now = installed(environment['PATH']);
  if (now) return now;
  throw new StackError({ code: 'chromium_missing', reason: 'no Chromium or Chrome was found', hint: HINT });
}

function installed(path = ''): string | undefined {
  const onPath = path.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return [...onPath, ...MAC_APPLICATIONS].find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isRootOnDebian(): boolean {
  // Not Ubuntu: its package of that name holds no browser.
  return (
    process.getuid?.() === 0 &&
    existsSync('/etc/os-release') &&
    /^ID=debian$/m.test(readFileSync('/etc/os-release', 'utf8'))
  );
}

async function install({ guard, log }: { guard: Guard; log: (line: string) => void }): Promise<void> {
  log('Chromium: installing with apt-get (about 130 MB)');
  const started = Date.now();
  const progress = setInterval(
    () => log(`Chromium: still installing (${Math.round((Date.now() - started) / 1000)} s)`),
    PROGRESS_EVERY_MS,
  );
  const apt = (args: readonly string[]): Promise<string> =>
    runCommand({
      file: 'apt-get',
      args: ['-q', '-o', 'DPkg::Lock::Timeout=300', ...args],
      env: { DEBIAN_FRONTEND: 'noninteractive' },
      guard,
      missing: HINT,
    });
  try {
    await apt(['update']);
    await apt(['install', '-y', '--no-install-recommends', 'chromium']);
  } finally {
    clearInterval(progress);
  }
}
