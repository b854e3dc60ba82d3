import { Failed, failed, type Failure } from '../../domain/failure.ts';
import type { SettingValues } from '../../domain/index-spec/setting-values.ts';
import type { IndexAdmin } from '../../ports/index-admin.ts';

export interface RefusedSetting {
  readonly key: string;
  readonly failure: Failure;
}

/** One bad setting makes a cluster refuse all of a request; which one it was is learnt by putting them one by one. Gives back those refused. */
export async function putSettingsSingly(
  admin: IndexAdmin,
  index: string,
  settings: SettingValues,
  signal: AbortSignal,
): Promise<readonly RefusedSetting[]> {
  const entries = Object.entries(settings);
  if (entries.length === 0) return [];
  const whole = await put(admin, index, settings, signal);
  if (whole === undefined) return [];
  const refused: RefusedSetting[] = [];
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

/** A setting that the follow command gave is not to be found on the leader: what helps is another command. `overrides`: the keys it gave. */
export async function tellingOverrides<T>(overrides: readonly string[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const given =
      thrown instanceof Failed && thrown.failure.code === 'settings_rejected'
        ? overrides.filter((key) => thrown.failure.reason.includes(`[${key}]`))
        : [];
    if (!(thrown instanceof Failed) || given.length === 0) throw thrown;
    const hint = `The follow command or the configuration gave ${given.join(', ')}. Unfollow, then follow with a setting that the follower's cluster takes.`;
    throw failed('settings_rejected', { ...thrown.failure, hint }, thrown);
  }
}
