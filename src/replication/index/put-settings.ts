import { Failed, type Failure } from '../../domain/failure.ts';
import type { SettingValues } from '../../domain/index-spec/setting-values.ts';
import type { IndexAdmin } from '../../ports/index-admin.ts';

/** One bad setting makes a cluster refuse all of a request; which one it was is learnt by putting them one by one. Gives back those refused. */
export async function putSettingsSingly(
  admin: IndexAdmin,
  index: string,
  settings: SettingValues,
  signal: AbortSignal,
): Promise<readonly { key: string; failure: Failure }[]> {
  const entries = Object.entries(settings);
  if (entries.length === 0) return [];
  const whole = await put(admin, index, settings, signal);
  if (whole === undefined) return [];
  const refused: { key: string; failure: Failure }[] = [];
  for (const [key, value] of entries) {
    const failure = entries.length === 1 ? whole : await put(admin, index, { [key]: value }, signal);
    if (failure !== undefined) refused.push({ key, failure });
  }
  return refused;
}

async function put(
  admin: IndexAdmin,
  index: string,
  settings: SettingValues,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  try {
    await admin.putSettings(index, settings, signal);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Failed && thrown.failure.code === 'settings_rejected') return thrown.failure;
    throw thrown;
  }
}
