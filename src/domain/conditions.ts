import type { FailureCode } from './failure.ts';

/**
 * What can be wrong with a cluster or an index, and how that shows over REST. The classification of answers (`infra/search/classify.ts`) and
 * `docs/failures.md` come from this table, and each row that is `proven` is produced on real servers by
 * `test/integration/failures/conditions.int.test.ts`. What is done about it follows from the code (`failure.ts`).
 */
export interface Condition {
  readonly what: string;
  readonly code: FailureCode;
  /** How Elasticsearch tells it, for people. */
  readonly shows: string;
  /** Error types of answers that mean this, whatever the status. */
  readonly types?: readonly string[];
  /** Statuses of answers without a type that is known. */
  readonly statuses?: readonly number[];
  /** Exceptions of Elastic's own replication for the same condition. */
  readonly ccr?: readonly string[];
  /** The same condition has a test on real servers. */
  readonly proven: boolean;
}

const rows = {
  connection_lost: {
    what: 'The cluster or the network is away',
    code: 'cluster_unreachable',
    shows: 'no connection, a reset, or 502, 503, 504 of something in front of it',
    statuses: [502, 503, 504],
    ccr: ['ConnectException', 'ClosedChannelException', 'NoSuchRemoteClusterException', 'NoSeedNodeLeftException'],
    proven: true,
  },
  node_restarts: {
    what: 'The node that holds the shard restarts',
    code: 'shard_unavailable',
    shows: '500 or 503; with a single node as a lost connection',
    types: [
      'node_closed_exception',
      'node_not_connected_exception',
      'node_disconnected_exception',
      'connect_transport_exception',
    ],
    ccr: ['ConnectTransportException', 'NodeClosedException', '"TransportService is closed"'],
    proven: true,
  },
  no_answer_in_time: {
    what: 'The cluster is too slow, or packets are dropped',
    code: 'request_timeout',
    shows: 'no complete answer within `requestTimeoutMs`, 408, or an answer that says `timed_out`',
    types: [
      'search_timeout_exception',
      'receive_timeout_transport_exception',
      'process_cluster_event_timeout_exception',
    ],
    statuses: [408],
    ccr: ['"Connection timed out"'],
    proven: true,
  },
  other_cluster: {
    what: 'Another cluster has taken the address',
    code: 'other_cluster',
    shows: 'another `cluster_uuid` than when the process first asked',
    proven: true,
  },
  no_master: {
    what: 'The cluster has no master, or has not recovered its state yet',
    code: 'no_master',
    shows: '503, also as a `cluster_block_exception`',
    types: ['master_not_discovered_exception', 'cluster_manager_not_discovered_exception', 'not_master_exception'],
    ccr: ['ClusterBlockException'],
    proven: false,
  },
  shard_not_active: {
    what: 'The primary of a shard is not active: moving, recovering, or lost',
    code: 'shard_unavailable',
    shows: '503, or the shard is missing in the statistics',
    types: [
      'no_shard_available_action_exception',
      'unavailable_shards_exception',
      'shard_not_found_exception',
      'illegal_index_shard_state_exception',
      'index_shard_not_started_exception',
      'index_shard_recovering_exception',
      'index_shard_closed_exception',
      'already_closed_exception',
      'alreadyclosed_exception',
      'index_primary_shard_not_allocated_exception',
      'retry_on_primary_exception',
    ],
    ccr: [
      'ShardNotFoundException',
      'IllegalIndexShardStateException',
      'NoShardAvailableActionException',
      'UnavailableShardsException',
      'AlreadyClosedException',
    ],
    proven: true,
  },
  write_queue_full: {
    what: 'The write queue or the memory for indexing is full',
    code: 'cluster_busy',
    shows: '429, of the request or of single documents in it',
    types: ['es_rejected_execution_exception', 'rejected_execution_exception'],
    statuses: [429],
    ccr: ['EsRejectedExecutionException'],
    proven: true,
  },
  circuit_breaker: {
    what: 'A circuit breaker of the cluster has tripped',
    code: 'cluster_busy',
    shows: '429',
    types: ['circuit_breaking_exception'],
    ccr: ['CircuitBreakingException'],
    proven: true,
  },
  cluster_read_only: {
    what: 'The cluster is read-only',
    code: 'blocked',
    shows: '403 `cluster read-only`',
    types: ['cluster_block_exception'],
    ccr: ['ClusterBlockException'],
    proven: true,
  },
  flood_stage: {
    what: 'The disk has passed the flood stage, so the index takes deletes only',
    code: 'blocked',
    shows: '429 `read-only-allow-delete`, of single documents',
    ccr: ['ClusterBlockException'],
    proven: true,
  },
  shard_limit: {
    what: 'The cluster has as many shards as it may',
    code: 'blocked',
    shows: '400 when the follower index is created',
    types: ['validation_exception'],
    proven: false,
  },
  leader_closed: {
    what: 'The leader index is closed',
    code: 'index_closed',
    shows: '400, or 403 `index closed`',
    types: ['index_closed_exception'],
    ccr: ['ClusterBlockException', 'IndexClosedException'],
    proven: true,
  },
  follower_closed: {
    what: 'The follower index is closed',
    code: 'index_closed',
    shows: '400, or `closed` in the metadata of the cluster',
    ccr: ['IndexClosedException'],
    proven: true,
  },
  credentials_refused: {
    what: 'Credentials are wrong, or the API key has expired or was revoked',
    code: 'unauthorized',
    shows: '401',
    statuses: [401],
    ccr: ['ElasticsearchSecurityException'],
    proven: true,
  },
  privilege_removed: {
    what: 'A privilege is missing',
    code: 'forbidden',
    shows: '403 that names the action',
    types: ['security_exception'],
    statuses: [403],
    ccr: ['ElasticsearchSecurityException'],
    proven: true,
  },
  view_expired: {
    what: 'A point in time has expired, or its node has restarted',
    code: 'view_expired',
    shows: '404',
    types: ['search_context_missing_exception'],
    proven: true,
  },
  document_unreadable: {
    what: 'A document is stored in a form that no search can return',
    code: 'document_unreadable',
    shows: '500 for each page that holds it',
    types: ['not_x_content_exception'],
    proven: false,
  },
  index_deleted: {
    what: 'The leader or the follower index was deleted',
    code: 'index_deleted',
    shows: '404, and the metadata of a cluster that has recovered does not list it',
    types: ['index_not_found_exception'],
    ccr: ['IndexNotFoundException'],
    proven: true,
  },
  leader_recreated: {
    what: 'The leader is another index of the same name',
    code: 'index_recreated',
    shows: 'another uuid',
    proven: true,
  },
  leader_restored: {
    what: 'The leader was restored from a snapshot or force-allocated',
    code: 'history_changed',
    shows: 'another history uuid of the shard',
    ccr: ['"unexpected history uuid"'],
    proven: true,
  },
  mapping_conflict: {
    what: "The follower's mapping contradicts a new mapping of the leader",
    code: 'mapping_conflict',
    shows: '400 when the mapping is put',
    types: [
      'strict_dynamic_mapping_exception',
      'document_parsing_exception',
      'mapper_parsing_exception',
      'mapper_exception',
    ],
    ccr: ['IllegalArgumentException'],
    proven: true,
  },
  settings_refused: {
    what: 'The follower has not got a plugin, tokenizer or setting of the leader',
    code: 'settings_rejected',
    shows: '400 when the index is created or the settings are put',
    types: ['index_template_missing_exception'],
    ccr: ['IllegalArgumentException'],
    proven: true,
  },
  follower_name_taken: {
    what: 'An index of that name is there already',
    code: 'follower_exists',
    shows: '400',
    types: ['resource_already_exists_exception'],
    proven: true,
  },
  request_too_large: {
    what: 'A request is larger than the follower takes',
    code: 'too_large_for_follower',
    shows: '413; the request is split, so only of a single document',
    statuses: [413],
    proven: true,
  },
} as const satisfies Record<string, Condition>;

export type ConditionName = keyof typeof rows;
/** Those that a test produces on real servers. */
export type ProvenCondition = {
  [Name in ConditionName]: (typeof rows)[Name]['proven'] extends true ? Name : never;
}[ConditionName];
export const CONDITIONS: Readonly<Record<ConditionName, Condition>> = rows;

/** What of Elastic's table cannot reach a REST client, and what it turns into. */
export const NOT_OVER_REST: readonly (readonly [ccr: string, turnsInto: string])[] = [
  [
    'ResourceNotFoundException "requested operations missing"',
    'nothing: a change is read as the state of its document, so no operation is ever missing',
  ],
  [
    'IllegalStateException "Unable to open any connections to remote cluster"',
    '`cluster_unreachable`, and never fatal: nobody connects one cluster to the other',
  ],
  ['SSLEngine closed, Broken pipe, Socket closed', '`cluster_unreachable`, or `answer_cut` when an answer had begun'],
  ['any other RuntimeException', '`unexpected_answer`, tried again for ever; a defect of ours is `bug`'],
];
