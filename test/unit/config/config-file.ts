import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../../src/config/load.ts';
import type { Config } from '../../../src/config/config.ts';
import { Failed } from '../../../src/domain/failure.ts';

/** Files in a folder of their own, gone at the end; the first one is the configuration. */
export async function configFiles(
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<{ readonly path: string; readonly folder: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-config-'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const [first = 'absent.yml'] = Object.keys(files);
  return { path: join(folder, first), folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

export async function load(
  text: string,
  env: Readonly<Record<string, string>> = {},
  others: Readonly<Record<string, string>> = {},
): Promise<Config> {
  await using files = await configFiles({ 'slipstream.yml': text, ...others });
  return await loadConfig(files.path, env);
}

/** The faults of a configuration that is refused: `<line>: <path>: <fault>`, the folder's name left out. */
export async function faultsIn(
  text: string,
  env: Readonly<Record<string, string>> = {},
  others: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  await using files = await configFiles({ 'slipstream.yml': text, ...others });
  try {
    await loadConfig(files.path, env);
  } catch (error) {
    if (!(error instanceof Failed) || error.failure.code !== 'invalid_config') throw error;
    return error.failure.reason.replaceAll(`${files.path}:`, '').replaceAll(`${files.folder}/`, '').split('\n');
  }
  throw new Error('the configuration was accepted');
}
