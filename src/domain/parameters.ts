/**
 * The ten parameters of Elastic's cross-cluster replication, by their names, with its defaults, remembered with the follower
 * (CCR forgets them at resume). They are ceilings: the supervisor-wide byte budget is shared under them.
 */
export interface CcrParameters {
  readonly max_read_request_operation_count: number;
  readonly max_read_request_size_bytes: number;
  readonly max_outstanding_read_requests: number;
  readonly max_write_request_operation_count: number;
  readonly max_write_request_size_bytes: number;
  readonly max_outstanding_write_requests: number;
  readonly max_write_buffer_count: number;
  readonly max_write_buffer_size_bytes: number;
  readonly max_retry_delay_ms: number;
  readonly read_poll_timeout_ms: number;
}

export interface FollowParameters extends CcrParameters {
  /** What to do when the leader's history is not the one that was copied. */
  readonly on_missing_history: 'rebootstrap' | 'fail';
  /** One delete scan above this share of a shard stops for an operator. 0..1. */
  readonly mass_delete_share: number;
  /** The leader is refreshed for us at most this often. */
  readonly refresh_interval_min_ms: number;
  /** Share of time spent searching for deletes at most. 0..1. */
  readonly scan_share: number;
  /** What to do with a document that somebody else changed on the follower so that the leader's is refused there: put it right, or stop for an operator. */
  readonly on_divergence: 'repair' | 'fail';
  /** What to do with a document that the follower refuses for ever: pass over it, remembered, or stop for an operator as CCR does. */
  readonly on_document_rejected: 'quarantine' | 'fail';
  /** More documents of one shard in quarantine than this stop for an operator; at most 10,000. */
  readonly quarantine_max_documents: number;
  /** How much of the content of a document in quarantine is kept for the operator's eyes; 0: nothing. */
  readonly quarantine_content_bytes: number;
}

const MiB = 1024 * 1024;

export const DEFAULT_PARAMETERS: FollowParameters = {
  max_read_request_operation_count: 5120,
  max_read_request_size_bytes: 32 * MiB,
  max_outstanding_read_requests: 12,
  max_write_request_operation_count: 5120,
  max_write_request_size_bytes: Number.MAX_SAFE_INTEGER,
  max_outstanding_write_requests: 9,
  max_write_buffer_count: 2_147_483_647,
  max_write_buffer_size_bytes: 512 * MiB,
  max_retry_delay_ms: 60_000,
  read_poll_timeout_ms: 60_000,
  on_missing_history: 'fail',
  mass_delete_share: 0.3,
  refresh_interval_min_ms: 0,
  scan_share: 0.02,
  on_divergence: 'repair',
  on_document_rejected: 'quarantine',
  quarantine_max_documents: 1000,
  quarantine_content_bytes: 16 * 1024,
};
