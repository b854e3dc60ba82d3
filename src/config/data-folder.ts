import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Where the own NATS server keeps its data unless the configuration says; root has no home that a service should write to. */
export function defaultDataFolder(
  env: Readonly<Record<string, string | undefined>>,
  isRoot: boolean = process.getuid?.() === 0,
): string {
  if (isRoot) return '/var/lib/slipstream';
  const { XDG_DATA_HOME: data = '', HOME: home = '' } = env;
  // The specification says to ignore what is not absolute.
  if (isAbsolute(data)) return join(data, 'slipstream');
  return join(isAbsolute(home) ? home : homedir(), '.local', 'share', 'slipstream');
}
