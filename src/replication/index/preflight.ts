import { failed, Failed, type FailureCode } from '../../domain/failure.ts';
import { shardsOf } from '../../domain/index-spec/follower-body.ts';
import { type FollowerMark, markOf } from '../../domain/index-spec/follower-mark.ts';
import { indexNameFault } from '../../domain/index-name.ts';
import { unfitness } from '../../domain/index-spec/leader-fitness.ts';
import { readOverrides, SHARDS_KEY, type SettingValues } from '../../domain/index-spec/setting-values.ts';
import { shownIndex, type IndexRef } from '../../domain/names.ts';
import type { IndexAdmin, IndexDescription } from '../../ports/index-admin.ts';

export interface FollowRequest {
  readonly leaderAdmin: IndexAdmin;
  readonly followerAdmin: IndexAdmin;
  readonly leader: IndexRef;
  readonly follower: IndexRef;
  /** Settings of the follow command, flat or nested, with or without `index.`. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  readonly journalId: string;
}

/** An accepted request: everything `prepareFollower` needs besides the epoch. */
export interface FollowPlan {
  readonly leaderAdmin: IndexAdmin;
  readonly followerAdmin: IndexAdmin;
  readonly leader: IndexRef;
  readonly follower: IndexRef;
  readonly journalId: string;
  readonly overrides: SettingValues;
  readonly leaderDescription: IndexDescription;
  readonly leaderClusterUuid: string;
  /** S: number of primary shards of the leader. */
  readonly shards: number;
  /** Same product, same or newer version: a setting the leader knows is known. */
  readonly followerKnowsAll: boolean;
  /** The follower exists and carries our mark: an interrupted follow is taken up again. */
  readonly adopts: FollowerMark | undefined;
}

const op = 'follow';

/**
 * Everything that can be wrong with a follow, asked before anything is changed. Throws `Failed` with the code of the first fault found;
 * a cluster that does not answer passes its own failure, with the name of the cluster.
 */
export async function preflight(request: FollowRequest, signal: AbortSignal): Promise<FollowPlan> {
  const { leaderAdmin, followerAdmin, leader, follower, journalId } = request;
  const overrides = checkWords(request);
  const [leaderCluster, followerCluster] = await Promise.all([
    named(leader.cluster, leaderAdmin.identify(signal)),
    named(follower.cluster, followerAdmin.identify(signal)),
  ]);
  if (leaderCluster.clusterUuid === followerCluster.clusterUuid && leader.index === follower.index) {
    throw refusal(
      'follows_itself',
      leader,
      `${shownIndex(leader)} and ${shownIndex(follower)} are one and the same index`,
    );
  }
  const leaderDescription = await named(leader.cluster, describeLeader(leaderAdmin, leader, signal));
  checkShards(overrides, leaderDescription);
  const adopts = await named(
    follower.cluster,
    describeFollower({ ...request, leaderUuid: leaderDescription.uuid }, signal),
  );
  return {
    leaderAdmin,
    followerAdmin,
    leader,
    follower,
    journalId,
    overrides,
    leaderDescription,
    leaderClusterUuid: leaderCluster.clusterUuid,
    shards: shardsOf(leaderDescription),
    followerKnowsAll:
      leaderCluster.distribution === followerCluster.distribution &&
      !isOlder(followerCluster.version, leaderCluster.version),
    adopts,
  };
}

function checkWords({ leader, follower, overrides = {} }: FollowRequest): SettingValues {
  const faults: string[] = [];
  for (const [field, ref] of [
    ['leader.index', leader],
    ['follower.index', follower],
  ] as const) {
    const fault = indexNameFault(ref.index);
    if (fault !== undefined) faults.push(`${field} ${fault}`);
  }
  const read = readOverrides(overrides);
  faults.push(...read.faults.map((fault) => `settings: ${fault}`));
  if (faults.length > 0) throw failed('invalid_command', { op, reason: faults.join('; ') });
  return read.settings;
}

/** A partitioned index spreads each routing over several of its shards, of which it must have more. */
function checkShards(overrides: SettingValues, { settings, name }: IndexDescription): void {
  const shards = overrides[SHARDS_KEY];
  const partition = Number(settings['index.routing_partition_size'] ?? 1);
  if (shards === undefined || partition === 1 || Number(shards) > partition) return;
  throw failed('invalid_command', {
    op,
    reason: `shards: ${String(shards)} are too few for index.routing_partition_size ${partition} of ${name}`,
  });
}

async function describeLeader(admin: IndexAdmin, leader: IndexRef, signal: AbortSignal): Promise<IndexDescription> {
  const kind = await admin.kindOf(leader.index, signal);
  if (kind === 'missing') throw refusal('leader_missing', leader, `there is no index ${leader.index}`);
  if (kind !== 'index')
    throw refusal(
      'leader_not_an_index',
      leader,
      `${leader.index} is ${kind === 'alias' ? 'an alias' : 'a data stream'}`,
    );
  const description = await admin.describe(leader.index, signal);
  if (description === undefined) throw refusal('leader_missing', leader, `index ${leader.index} was deleted just now`);
  const unfit = unfitness(description);
  if (unfit !== undefined) throw refusal(unfit.code, leader, unfit.reason);
  const view = await admin.readerView(leader.index, signal);
  if (view !== 'whole')
    throw refusal(
      'reader_sees_part',
      leader,
      `the key that reads ${leader.index} is under ${view.replaceAll('_', ' ')}`,
    );
  return description;
}

interface Claim {
  readonly followerAdmin: IndexAdmin;
  readonly follower: IndexRef;
  readonly journalId: string;
  readonly leaderUuid: string;
}

async function describeFollower(claim: Claim, signal: AbortSignal): Promise<FollowerMark | undefined> {
  const { followerAdmin, follower } = claim;
  const kind = await followerAdmin.kindOf(follower.index, signal);
  if (kind === 'alias' || kind === 'data_stream') {
    throw refusal(
      'follower_exists',
      follower,
      `${follower.index} is ${kind === 'alias' ? 'an alias' : 'a data stream'} there`,
      'Choose another name for the follower index.',
    );
  }
  const found = kind === 'missing' ? undefined : await followerAdmin.describe(follower.index, signal);
  return found === undefined ? undefined : ownMark(found, claim);
}

/** The mark of an index that exists under the follower's name, if it is this follow's own. Throws `follower_exists` for every other index. */
export function ownMark(
  found: IndexDescription,
  { follower, journalId, leaderUuid }: Omit<Claim, 'followerAdmin'>,
): FollowerMark {
  const reading = markOf(found.mappings);
  const name = follower.index;
  if (reading.kind === 'none')
    throw refusal(
      'follower_exists',
      follower,
      `index ${name} exists, whether empty or not, and Slipstream did not create it`,
    );
  if (reading.kind === 'unreadable')
    throw refusal(
      'follower_exists',
      follower,
      `index ${name} carries a mark of Slipstream that this version cannot read`,
    );
  const { mark } = reading;
  if (mark.role !== 'follower')
    throw refusal('follower_exists', follower, `index ${name} was ${mark.role} and is no follower any more`);
  if (mark.leader.uuid !== leaderUuid)
    throw refusal(
      'follower_exists',
      follower,
      `index ${name} is a copy of another index (${mark.leader.cluster}:${mark.leader.index})`,
    );
  if (mark.journalId !== journalId) {
    throw refusal(
      'follower_exists',
      follower,
      `index ${name} is a follower of the same leader, kept by another journal`,
      'Use the journal that keeps it, or follow into a new index.',
    );
  }
  return mark;
}

function refusal(code: FailureCode, ref: IndexRef, reason: string, hint?: string): Failed {
  return failed(code, { op, cluster: ref.cluster, reason, ...(hint === undefined ? {} : { hint }) });
}

/** A failure of the port, with the cluster as the command names it. */
async function named<T>(cluster: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (thrown) {
    if (thrown instanceof Failed && thrown.failure.cluster === undefined)
      throw new Failed({ ...thrown.failure, cluster }, thrown);
    throw thrown;
  }
}

function isOlder(one: string, other: string): boolean {
  const [a, b] = [one, other].map((version) => version.split('.').map(Number));
  for (const at of [0, 1]) {
    const [x, y] = [a?.[at] ?? 0, b?.[at] ?? 0];
    if (x !== y) return x < y;
  }
  return false;
}
