import { assert } from '../../domain/assert.ts';
import { failed } from '../../domain/failure.ts';
import { type FollowerMark, markOf, metaWith } from '../../domain/index-spec/follower-mark.ts';
import { sameJson } from '../../domain/index-spec/json-tree.ts';
import type { IndexAdmin, IndexDescription } from '../../ports/index-admin.ts';
import type { FollowerLink } from './follower-link.ts';

const op = 'read mark';

/** Undefined when the index does not exist or carries no mark. Throws `promoted` for a promoted index, `journal_unknown` for an unreadable mark. */
export async function readMark(
  followerAdmin: IndexAdmin,
  index: string,
  signal: AbortSignal,
): Promise<FollowerMark | undefined> {
  const found = await followerAdmin.describe(index, signal);
  if (found === undefined) return undefined;
  const reading = markOf(found.mappings);
  if (reading.kind === 'none') return undefined;
  const at = { op, cluster: followerAdmin.name };
  if (reading.kind === 'unreadable')
    throw failed('journal_unknown', {
      ...at,
      reason: `index ${index} carries a mark of Slipstream that this version cannot read`,
    });
  if (reading.mark.role === 'promoted') throw failed('promoted', { ...at, reason: `index ${index} was promoted` });
  return reading.mark;
}

/** The follower as it is now, if it still is this link's: throws `index_deleted`, `promoted` or `journal_unknown` otherwise. To be asked before the first write. */
export async function requireFollower(
  link: FollowerLink,
  signal: AbortSignal,
): Promise<{ description: IndexDescription; mark: FollowerMark }> {
  const description = await link.followerAdmin.describe(link.follower.index, signal);
  const { index, cluster } = link.follower;
  const at = { op, cluster };
  if (description === undefined) {
    throw failed('index_deleted', {
      ...at,
      reason: `there is no follower index ${index}`,
      hint: 'Unfollow it and follow the leader anew.',
    });
  }
  const known = link.followerUuid();
  if (known !== undefined && description.uuid !== known) {
    throw failed('index_deleted', {
      ...at,
      reason: `follower index ${index} is another one of the same name`,
      hint: 'Unfollow it, and follow the leader into a new index. If it was restored from a snapshot: slipstream recover copies it again, in place.',
    });
  }
  const reading = markOf(description.mappings);
  if (reading.kind !== 'mark')
    throw failed('journal_unknown', {
      ...at,
      reason: `index ${index} carries no readable mark of Slipstream: somebody replaced the index or the _meta of its mapping`,
    });
  const { mark } = reading;
  if (mark.role !== 'follower') throw failed('promoted', { ...at, reason: `index ${index} was ${mark.role}` });
  if (mark.journalId !== link.journalId)
    throw failed('journal_unknown', { ...at, reason: `index ${index} is kept by another journal` });
  if (mark.leader.uuid !== link.leaderUuid)
    throw failed('journal_unknown', { ...at, reason: `index ${index} is a copy of another leader index` });
  return { description, mark };
}

/** Records a raised epoch before anything is written under it. */
export async function markEpoch(link: FollowerLink, epoch: number, signal: AbortSignal): Promise<void> {
  const { description, mark } = await requireFollower(link, signal);
  assert(epoch >= mark.epoch, `epoch ${epoch} is not below the recorded ${mark.epoch}`);
  await writeMark(link.followerAdmin, description, { ...mark, epoch }, signal);
}

/** A put mapping replaces `_meta` as a whole, so what stands beside the mark is put again. Writes nothing when nothing changes. */
export async function writeMark(
  admin: IndexAdmin,
  follower: IndexDescription,
  mark: FollowerMark,
  signal: AbortSignal,
): Promise<void> {
  const before = markOf(follower.mappings);
  if (before.kind === 'mark' && sameJson(before.mark, mark)) return;
  await admin.putMapping(follower.name, { _meta: metaWith(follower.mappings['_meta'], mark) }, signal);
}
