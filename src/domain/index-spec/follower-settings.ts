import type { FlatSettings, IndexShape } from './index-shape.ts';
import { type FollowerMark, markOf } from './follower-mark.ts';
import { classOf, HELD_BACK, RESTORED_AFTER_BOOTSTRAP } from './setting-rules.ts';
import { durationMs, sameValue, type SettingValue, type SettingValues, textOf } from './setting-values.ts';
import { GUARD_PIPELINE, NO_PIPELINE } from './write-guard.ts';

/**
 * Above twice the request timeout plus the time a lease lives: while the tombstone of a deleted document lives, no late copy of an older write can
 * bring the document back. Clusters keep tombstones for 60 s by default.
 */
export const GC_DELETES = '15m';

/** While documents are overwritten that somebody else changed; a value that nobody else gives, so that one that was left behind is known as ours. */
export const GC_DELETES_NONE = '1ms';

/** While an index bootstraps: measured 1.8 times the speed of the same copy with the usual values. */
const whileBootstrapping: SettingValues = {
  'index.number_of_replicas': '0',
  'index.auto_expand_replicas': null,
  'index.refresh_interval': '-1',
  'index.translog.durability': 'async',
};

/** null keeps a template of the follower's cluster from adding the setting; a block would stop our own writes. */
const keptOut: SettingValues = {
  'index.blocks.read_only': null,
  'index.blocks.read_only_allow_delete': null,
  'index.blocks.write': null,
  'index.blocks.read': null,
  'index.blocks.metadata': null,
};

/** Settings that change which documents are taken, or how they can be asked for; kept out where the follower knows them. */
const keptOutIfKnown = ['index.disable_sequence_numbers', 'index.mode', 'index.routing_partition_size'];

/**
 * Where it is true, the default since Elasticsearch 9.2, vectors are taken out of a document and rendered anew from the index when it is read, with other
 * last digits where the similarity is cosine. A copy would then differ from its leader, and a copy of it again. It cannot be changed later.
 */
const EXCLUDE_VECTORS = 'index.mapping.exclude_source_vectors';

export interface FollowerSettings {
  /** For creating the follower. */
  readonly create: SettingValues;
  readonly restore: SettingValues;
  readonly heldBack: SettingValues;
  readonly overrides: readonly string[];
  readonly copied: readonly string[];
}

export interface FollowerSettingsRequest {
  readonly leader: IndexShape;
  readonly overrides: SettingValues;
  /** The guard's pipeline is in place. */
  readonly guarded: boolean;
  /** The follower knows every setting that the leader knows (same product, same or newer version). */
  readonly followerKnowsAll: boolean;
}

export function followerSettings({
  leader,
  overrides,
  guarded,
  followerKnowsAll,
}: FollowerSettingsRequest): FollowerSettings {
  const truth = ownSettings(leader);
  const value = (key: string): SettingValue | null =>
    key in overrides ? (overrides[key] ?? null) : (truth[key] ?? null);
  const copied = Object.fromEntries(
    Object.entries(truth).filter(([key]) => ['once', 'fixed', 'live'].includes(classOf(key))),
  );
  const unshared =
    'index.number_of_shards' in overrides &&
    !sameValue(overrides['index.number_of_shards'], truth['index.number_of_shards'])
      ? ['index.number_of_routing_shards']
      : [];
  for (const key of unshared) delete copied[key];
  const keepsVectors =
    followerKnowsAll && EXCLUDE_VECTORS in { ...leader.defaults, ...leader.settings }
      ? { [EXCLUDE_VECTORS]: 'false' }
      : {};
  const given = Object.fromEntries(
    Object.entries(overrides).filter(([key]) => classOf(key) !== 'managed' || key === EXCLUDE_VECTORS),
  );
  const known = followerKnowsAll ? keptOutIfKnown.filter((key) => key in leader.defaults) : [];
  return {
    create: {
      ...keptOut,
      ...Object.fromEntries(known.map((key) => [key, null])),
      ...copied,
      ...keepsVectors,
      ...given,
      ...whileBootstrapping,
      'index.gc_deletes': followerGcDeletes(textOf(value('index.gc_deletes'))),
      'index.default_pipeline': guarded ? GUARD_PIPELINE : NO_PIPELINE,
      'index.final_pipeline': NO_PIPELINE,
    },
    restore: Object.fromEntries(RESTORED_AFTER_BOOTSTRAP.map((key) => [key, value(key)])),
    heldBack: Object.fromEntries(HELD_BACK.map((key) => [key, value(key)])),
    overrides: [...new Set([...Object.keys(overrides), ...unshared])].toSorted(),
    copied: liveKeys(truth, new Set(Object.keys(overrides))),
  };
}

/** @param leaderValue the leader's own, or that of the follow command. */
export function followerGcDeletes(leaderValue: string | undefined): string {
  const leaderMs = durationMs(leaderValue ?? '') ?? 0;
  return leaderValue !== undefined && leaderMs > (durationMs(GC_DELETES) ?? 0) ? leaderValue : GC_DELETES;
}

function liveKeys(truth: FlatSettings, overridden: ReadonlySet<string>): readonly string[] {
  return Object.keys(truth)
    .filter((key) => classOf(key) === 'live' && !overridden.has(key))
    .toSorted();
}

/**
 * The settings an index has of its own: without those that were reset (printed as null) and, when the leader is itself a follower (a chain), with the values
 * that were put aside instead of those Slipstream gave it.
 */
export function ownSettings(index: IndexShape): FlatSettings {
  const reading = markOf(index.mappings);
  const aside =
    reading.kind === 'mark' && reading.mark.role === 'follower'
      ? { ...reading.mark.heldBack, ...reading.mark.restore }
      : {};
  const own: Record<string, SettingValue> = {};
  for (const [key, value] of Object.entries({ ...index.settings, ...aside })) {
    if (textOf(value) !== undefined && value !== null) own[key] = value;
  }
  return own;
}

export interface SettingsDiff {
  /** To be put now; null resets. */
  readonly put: SettingValues;
  /** Keys that differ and cannot be put on an open index. */
  readonly fixed: readonly string[];
  /** Keys of live settings that come from the leader from now on. */
  readonly copied: readonly string[];
}

/** What the leader changed. A live setting the leader dropped is reset if it had come from the leader; what the follower set itself stays. */
export function diffSettings(request: { leader: IndexShape; follower: IndexShape; mark: FollowerMark }): SettingsDiff {
  const leader = ownSettings(request.leader);
  const follower = ownSettings({ ...request.follower, mappings: {} });
  const overridden = new Set(request.mark.overrides);
  const put: Record<string, SettingValue | null> = {};
  const fixed: string[] = [];
  for (const [key, value] of Object.entries(leader)) {
    const kind = classOf(key);
    if (overridden.has(key) || (kind !== 'live' && kind !== 'fixed') || sameValue(value, follower[key])) continue;
    if (kind === 'live') put[key] = value;
    else fixed.push(key);
  }
  const dropped = request.mark.copied.settings.filter(
    (key) => key in follower && !(key in leader) && !overridden.has(key),
  );
  for (const key of dropped) put[key] = null;
  return { put, fixed, copied: liveKeys(leader, overridden) };
}
