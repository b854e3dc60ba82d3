import type { Json } from './index-shape.ts';
import { isRecord } from './json-tree.ts';
import { settingOf, type SettingValues } from './setting-values.ts';

export type FollowerRole = 'follower' | 'promoted' | 'released';

/** What stands in a follower's mapping under `_meta.slipstream`, beside whatever the leader has in its own `_meta`. */
export interface FollowerMark {
  readonly role: FollowerRole;
  readonly journalId: string;
  readonly epoch: number;
  readonly leader: LeaderIdentity;
  /** S: the leader's number of primary shards. */
  readonly shards: number;
  /** How versions are made where shards do not align; absent: interleaved. Never changed while documents are there. */
  readonly versions?: 'by-shard';
  /** To be put when everything is copied; absent afterwards. */
  readonly restore?: SettingValues;
  /** To be put when the index is no follower any more; absent afterwards. */
  readonly heldBack?: SettingValues;
  /** Keys of which the leader's values do not count, since the follow command set them. */
  readonly overrides: readonly string[];
  /** What came from the leader and therefore goes when the leader drops it; everything else on the follower is the operator's. */
  readonly copied: { readonly settings: readonly string[]; readonly aliases: readonly string[] };
}

export interface LeaderIdentity {
  readonly cluster: string;
  readonly clusterUuid: string;
  readonly index: string;
  readonly uuid: string;
}

export const MARK_KEY = 'slipstream';

/** `unreadable`: something stands under our key that this version cannot read. */
export type MarkReading =
  | { readonly kind: 'none' }
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'mark'; readonly mark: FollowerMark };

export function markOf(mappings: Json): MarkReading {
  const meta = mappings['_meta'];
  const found = isRecord(meta) ? meta[MARK_KEY] : undefined;
  if (found === undefined || found === null) return { kind: 'none' };
  const mark = isRecord(found) ? readMarkFields(found) : undefined;
  return mark === undefined ? { kind: 'unreadable' } : { kind: 'mark', mark };
}

function readMarkFields(found: Record<string, unknown>): FollowerMark | undefined {
  const { role, journalId, epoch, shards } = found;
  const leader = readLeader(found['leader']);
  const copied = isRecord(found['copied']) ? found['copied'] : {};
  if (role !== 'follower' && role !== 'promoted' && role !== 'released') return undefined;
  if (typeof journalId !== 'string' || leader === undefined) return undefined;
  if (!isNatural(epoch) || epoch < 1 || !isNatural(shards) || shards < 1) return undefined;
  const restore = readValues(found['restore']);
  const heldBack = readValues(found['heldBack']);
  return {
    role,
    journalId,
    epoch,
    leader,
    shards,
    ...(found['versions'] === 'by-shard' ? { versions: 'by-shard' as const } : {}),
    ...(restore === undefined ? {} : { restore }),
    ...(heldBack === undefined ? {} : { heldBack }),
    overrides: texts(found['overrides']),
    copied: { settings: texts(copied['settings']), aliases: texts(copied['aliases']) },
  };
}

function readLeader(found: unknown): LeaderIdentity | undefined {
  if (!isRecord(found)) return undefined;
  const { cluster, clusterUuid, index, uuid } = found;
  if (
    typeof cluster !== 'string' ||
    typeof clusterUuid !== 'string' ||
    typeof index !== 'string' ||
    typeof uuid !== 'string'
  )
    return undefined;
  return { cluster, clusterUuid, index, uuid };
}

function readValues(found: unknown): SettingValues | undefined {
  if (!isRecord(found)) return undefined;
  return Object.fromEntries(Object.entries(found).map(([key, value]) => [key, settingOf(value)]));
}

function texts(found: unknown): readonly string[] {
  return Array.isArray(found) ? found.filter((entry) => typeof entry === 'string') : [];
}

function isNatural(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** The `_meta` of a follower: the leader's own, with our mark in place of any mark the leader carries itself (a chain of followers). */
export function metaWith(leaderMeta: unknown, mark: FollowerMark): Record<string, unknown> {
  return { ...(isRecord(leaderMeta) ? leaderMeta : {}), [MARK_KEY]: mark };
}
