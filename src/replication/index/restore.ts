import { failed } from '../../domain/failure.ts';
import { markOf } from '../../domain/index-spec/follower-mark.ts';
import type { IndexDescription } from '../../ports/index-admin.ts';
import type { FollowerLink } from './follower-link.ts';
import { requireFollower, writeMark } from './mark.ts';
import { putSettingsSingly, type RefusedSetting, tellingOverrides } from './put-settings.ts';

/**
 * Puts back durability, refresh interval and replicas once everything is copied. Settings first, then the mark forgets them: a crash in between repeats it.
 */
export async function restoreAfterBootstrap(link: FollowerLink, signal: AbortSignal): Promise<void> {
  const { description, mark } = await requireFollower(link, signal);
  const { restore, ...rest } = mark;
  if (restore === undefined) return;
  await tellingOverrides(mark.overrides, () => link.followerAdmin.putSettings(description.name, restore, signal));
  await writeMark(link.followerAdmin, description, rest, signal);
}

/**
 * Makes the follower an ordinary index: guard off, pipelines and `gc_deletes` as the leader has them. The role is recorded first, so that nothing of ours
 * writes to it from then on; the values are forgotten last. Documents stay. Safe to repeat; an index that is gone or not ours is left alone. A value that
 * the cluster refuses is given back, and the setting has its default then: nobody could end the replication otherwise.
 */
export async function releaseFollower(
  link: FollowerLink,
  role: 'released' | 'promoted',
  signal: AbortSignal,
): Promise<readonly RefusedSetting[]> {
  const { followerAdmin, follower, journalId, leaderUuid } = link;
  const found = await followerAdmin.describe(follower.index, signal);
  const reading = found === undefined ? undefined : markOf(found.mappings);
  if (found === undefined || reading?.kind !== 'mark') return [];
  const { mark } = reading;
  if (mark.journalId !== journalId || mark.leader.uuid !== leaderUuid) return [];
  if (mark.role !== 'follower' && mark.role !== role)
    throw failed('promoted', {
      op: 'release follower',
      cluster: follower.cluster,
      reason: `index ${follower.index} was ${mark.role} before`,
    });
  const { restore, heldBack, ...rest } = mark;
  if (mark.role === role && restore === undefined && heldBack === undefined) return [];
  await writeMark(followerAdmin, found, { ...mark, role }, signal);
  const refused = await putSettingsSingly(followerAdmin, found.name, { ...restore, ...heldBack }, signal);
  const defaults = Object.fromEntries(refused.map(({ key }) => [key, null]));
  await putSettingsSingly(followerAdmin, found.name, defaults, signal);
  const marked = await describeAgain(link, signal);
  await writeMark(followerAdmin, marked, { ...rest, role }, signal);
  return refused;
}

async function describeAgain(
  { followerAdmin, follower }: FollowerLink,
  signal: AbortSignal,
): Promise<IndexDescription> {
  const found = await followerAdmin.describe(follower.index, signal);
  if (found === undefined)
    throw failed('index_deleted', {
      op: 'release follower',
      cluster: follower.cluster,
      reason: `index ${follower.index} was deleted meanwhile`,
    });
  return found;
}
