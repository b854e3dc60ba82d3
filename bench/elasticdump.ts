/** elasticdump, a contestant: installed into the cache folder from a lock file of its own, never into the project. */
import { createHash } from 'node:crypto';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, cacheFolder } from '../stack/cache.ts';
import { runCommand } from '../stack/command.ts';
import type { Guard } from '../stack/guard.ts';

const FILES = join(import.meta.dirname, 'elasticdump');
const LOCK = 'package-lock.json';

/** The file that Node runs. */
export async function installedElasticdump({
  guard,
  log,
}: {
  guard: Guard;
  log: (line: string) => void;
}): Promise<string> {
  const lock = await readFile(join(FILES, LOCK));
  const folder = await cached({
    folder: cacheFolder(process.env),
    name: `elasticdump-${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`,
    log,
    make: async (into) => {
      log('installing elasticdump with npm, 113 MB');
      for (const name of ['package.json', LOCK]) await copyFile(join(FILES, name), join(into, name));
      await runCommand({
        file: 'npm',
        args: ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
        cwd: into,
        guard,
        missing: 'install Node.js with npm',
      });
    },
  });
  return join(folder, 'node_modules', 'elasticdump', 'bin', 'elasticdump');
}
