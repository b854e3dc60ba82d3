import { Failed, failed } from '../../domain/failure.ts';
import { diffAliases, followerAliases } from '../../domain/index-spec/follower-aliases.ts';
import { mappingToPut } from '../../domain/index-spec/follower-mapping.ts';
import { type FollowerMark, metaWith } from '../../domain/index-spec/follower-mark.ts';
import { diffSettings } from '../../domain/index-spec/follower-settings.ts';
import type { IndexDescription } from '../../ports/index-admin.ts';
import type { FollowerLink } from './follower-link.ts';
import { requireFollower, writeMark } from './mark.ts';
import { putSettingsSingly } from './put-settings.ts';

export interface SyncOutcome {
  readonly mapping: boolean;
  /** Keys put or reset. */
  readonly settings: readonly string[];
  /** Names added, changed or removed. */
  readonly aliases: readonly string[];
}

const op = 'sync metadata';

/**
 * Brings mapping, dynamic settings and aliases of the follower to what the leader has now, in this order; writes nothing where nothing differs. To be called when the
 * leader's mapping, settings or aliases version changed, before documents read after that change are written; the versions are to be read before this call, so that a
 * change in between is seen again. Throws `mapping_conflict`, `settings_rejected` (after everything else was done), `index_deleted`, `index_recreated`, what
 * `requireFollower` throws, or what the ports throw.
 *
 * @param known the leader's description, if there is one that is not older than the versions that led to this call
 */
export async function syncMetadata(
  link: FollowerLink,
  signal: AbortSignal,
  known?: IndexDescription,
): Promise<SyncOutcome> {
  const { followerAdmin, follower: ref } = link;
  const leader = known ?? (await describeLeader(link, signal));
  const { description: follower, mark } = await requireFollower(link, signal);
  const settings = diffSettings({ leader, follower, mark });
  const aliases = diffAliases({
    leader: leader.aliases,
    follower: follower.aliases,
    followerIndex: ref.index,
    copied: mark.copied.aliases,
  });
  const copied = {
    settings: settings.copied,
    aliases: Object.keys(followerAliases(leader.aliases, ref.index)).toSorted(),
  };
  // Recorded before anything is taken over and forgotten after it is gone: a crash in between leaves nothing of which nobody knows that it came from the leader.
  const during: FollowerMark = {
    ...mark,
    copied: {
      settings: union(mark.copied.settings, copied.settings),
      aliases: union(mark.copied.aliases, copied.aliases),
    },
  };
  const mappings = mappingToPut({ leader: leader.mappings, follower: follower.mappings, mark: during });

  const refusal =
    mappings === undefined ? undefined : await refusalOf(followerAdmin.putMapping(ref.index, mappings, signal));
  if (refusal !== undefined && Object.keys(settings.put).length === 0) throw refusal;
  const refused = await putSettingsSingly(followerAdmin, ref.index, settings.put, signal);
  // A mapping may need a setting that changed with it, such as a raised limit of fields.
  if (refusal !== undefined && mappings !== undefined) await followerAdmin.putMapping(ref.index, mappings, signal);
  if (aliases.length > 0)
    await followerAdmin.updateAliases(
      aliases.map(({ action }) => action),
      signal,
    );

  const after: FollowerMark = {
    ...mark,
    copied: {
      ...copied,
      settings: union(
        copied.settings,
        refused.map(({ key }) => key),
      ),
    },
  };
  const marked = { ...follower, mappings: { _meta: metaWith(leader.mappings['_meta'], during) } };
  await writeMark(followerAdmin, marked, after, signal);

  const unlike = [
    ...settings.fixed.map((key) => `${key} (cannot be changed while the index is open)`),
    ...refused.map(({ key, failure }) => `${key} (${failure.reason})`),
  ];
  if (unlike.length > 0) {
    throw failed('settings_rejected', {
      op,
      cluster: ref.cluster,
      reason: `settings of ${ref.index} cannot be made equal to the leader's: ${unlike.join('; ')}`,
      hint: 'Close the follower index, put these settings, open it (searches fail meanwhile) and resume; or follow into a new index.',
    });
  }
  return {
    mapping: mappings !== undefined,
    settings: Object.keys(settings.put),
    aliases: aliases.map(({ name }) => name),
  };
}

async function describeLeader(
  { leaderAdmin, leader, leaderUuid }: FollowerLink,
  signal: AbortSignal,
): Promise<IndexDescription> {
  const found = await leaderAdmin.describe(leader.index, signal);
  const at = { op, cluster: leader.cluster };
  if (found === undefined)
    throw failed('index_deleted', { ...at, reason: `there is no leader index ${leader.index} any more` });
  if (found.uuid !== leaderUuid)
    throw failed('index_recreated', { ...at, reason: `leader index ${leader.index} is another one of the same name` });
  return found;
}

function union(one: readonly string[], other: readonly string[]): readonly string[] {
  return [...new Set([...one, ...other])].toSorted();
}

async function refusalOf(attempt: Promise<void>): Promise<Failed | undefined> {
  try {
    await attempt;
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Failed && thrown.failure.code === 'mapping_conflict') return thrown;
    throw thrown;
  }
}
