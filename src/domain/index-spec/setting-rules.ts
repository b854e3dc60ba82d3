/**
 * Who decides an index setting of a follower. The lists are measured against Elasticsearch 9.4 and follow what cross-cluster replication
 * does, except where docs/what-is-copied.md says otherwise.
 *
 * - private   made by the cluster itself; never sent, never compared.
 * - foreign   speaks of one cluster's nodes, life cycle or blocks; never copied. A follow command may set it.
 * - managed   Slipstream gives it values of its own for a while and puts the leader's value back afterwards.
 * - once      copied at creation; afterwards the follower's own.
 * - fixed     must equal the leader's, and a cluster changes it on closed indices only, if at all.
 * - live      kept equal to the leader's.
 */
export type SettingClass = 'private' | 'foreign' | 'managed' | 'once' | 'fixed' | 'live';

const listed: Readonly<Record<Exclude<SettingClass, 'live'>, readonly string[]>> = {
  private: [
    'uuid', 'history.uuid', 'provided_name', 'creation_date', 'creation_date_string', 'version.', 'resize.', 'shrink.', 'split.', 'clone.', 'downsample.',
    'routing.allocation.initial_recovery.', 'routing.allocation.include._tier_preference', 'verified_before_close', 'verified_read_only', 'frozen', 'search.throttled',
    'replication.type', 'xpack.', 'plugins.replication.', 'soft_deletes.enabled', 'store.snapshot.',
  ],
  foreign: [
    'lifecycle.', 'plugins.index_state_management.', 'opendistro.', 'blocks.', 'routing.allocation.', 'routing.rebalance.', 'allocation.', 'unassigned.',
    'write.wait_for_active_shards', 'store.', 'recovery.',
  ],
  managed: [
    'number_of_replicas', 'auto_expand_replicas', 'refresh_interval', 'translog.durability', 'gc_deletes', 'default_pipeline', 'final_pipeline',
    'mapping.exclude_source_vectors',
  ],
  once: [
    'priority', 'hidden', 'codec', 'compound_format', 'merge.', 'translog.', 'flush_after_merge', 'soft_deletes.', 'search.', 'indexing.', 'warmer.', 'requests.',
    'load_fixed_bitset_filters_eagerly', 'bloom_filter_for_id_field.', 'highlight.', 'analyze.', 'query.', 'query_string.', 'max_result_window', 'max_rescore_window',
    'max_inner_result_window', 'max_docvalue_fields_search', 'max_script_fields', 'max_regex_length', 'max_terms_count', 'max_slices_per_scroll', 'max_slices_per_pit',
    'max_refresh_listeners', 'queries.',
  ],
  fixed: [
    'number_of_shards', 'number_of_routing_shards', 'routing_partition_size', 'routing_path', 'dimensions', 'mode', 'analysis.', 'similarity.', 'sort.', 'logsdb.',
    'time_series.start_time', 'mapping.source.mode', 'mapping.coerce', 'mapping.ignore_malformed', 'mapping.synthetic_source_keep', 'seq_no.index_options',
    'disable_sequence_numbers', 'knn',
  ],
}; // prettier-ignore

const order = ['private', 'managed', 'foreign', 'once', 'fixed'] as const;

/** @param key full key, with `index.`. */
export function classOf(key: string): SettingClass {
  if (!key.startsWith('index.')) return 'private';
  const name = key.slice('index.'.length);
  const named = order.find((kind) =>
    listed[kind].some((entry) => (entry.endsWith('.') ? name.startsWith(entry) : name === entry)),
  );
  return named ?? 'live';
}

/** Managed settings that get their values back when everything is copied. The others wait until the index is no follower any more. */
export const RESTORED_AFTER_BOOTSTRAP = [
  'index.number_of_replicas',
  'index.auto_expand_replicas',
  'index.refresh_interval',
  'index.translog.durability',
] as const;

export const HELD_BACK = ['index.default_pipeline', 'index.final_pipeline', 'index.gc_deletes'] as const;

/** Settings a follow command may give although they must equal the leader's otherwise. */
export const OVERRIDABLE_FIXED: ReadonlySet<string> = new Set([
  'index.number_of_shards',
  'index.number_of_routing_shards',
]);

/** Fixed settings that only add names nobody uses, or an order of segments: a template on the follower may add them. */
export function isHarmlessWhenAdded(key: string, value: unknown): boolean {
  if (key === 'index.mapping.source.mode') return String(value).toLowerCase() === 'stored';
  if (key === 'index.disable_sequence_numbers') return String(value) === 'false';
  return ['index.analysis.', 'index.similarity.', 'index.sort.'].some((prefix) => key.startsWith(prefix));
}
