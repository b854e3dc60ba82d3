import { followerGcDeletes, GC_DELETES_NONE } from '../../domain/index-spec/follower-settings.ts';
import { textOf } from '../../domain/index-spec/setting-values.ts';
import type { IndexDescription } from '../../ports/index-admin.ts';
import type { FollowerLink } from './follower-link.ts';
import { requireFollower } from './mark.ts';

const KEY = 'index.gc_deletes';

/**
 * Has the follower forget its deletes from the next refresh on, all of them: for as long as it remembers the delete of a document it refuses every
 * older version of it. Only while no write of unknown effect can be under way, and not for long.
 */
export async function forgetDeletes({ followerAdmin, follower }: FollowerLink, signal: AbortSignal): Promise<void> {
  await followerAdmin.putSettings(follower.index, { [KEY]: GC_DELETES_NONE }, signal);
}

/** The end of it. Whoever changed the value meanwhile keeps theirs; safe to repeat. */
export async function rememberDeletes(link: FollowerLink, signal: AbortSignal): Promise<void> {
  const { description, mark } = await requireFollower(link, signal);
  if (!forgetsDeletes(description)) return;
  const value = followerGcDeletes(textOf(mark.heldBack?.[KEY] ?? undefined));
  await link.followerAdmin.putSettings(link.follower.index, { [KEY]: value }, signal);
}

/** Left behind by a process that ended in the middle. */
export function forgetsDeletes({ settings }: IndexDescription): boolean {
  return settings[KEY] === GC_DELETES_NONE;
}
