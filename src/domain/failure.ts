/**
 * Failures are data, chosen by who must act. A failure travels as the one exception class `Failed`; anything else that is
 * thrown is a bug. The table gives each stable code its kind, the operator's next step, and the exit code of a command.
 *
 * - transient     nothing to do: retried for ever with back-off. Unreachable clusters and missing privileges are here on purpose.
 * - conflict      somebody else changed the same thing: read again, decide again.
 * - fatal         the pair stops until an operator acts.
 * - refused       a command or configuration was not accepted; nothing was changed.
 * - corrupt       an answer or record that cannot be what it claims to be.
 */
export type FailureKind = 'transient' | 'conflict' | 'fatal' | 'refused' | 'corrupt';

interface FailureRow {
  readonly kind: FailureKind;
  readonly hint: string;
}

const rows = {
  // --- reaching a cluster -------------------------------------------------------------------------------------------------
  cluster_unreachable: {
    kind: 'transient',
    hint: 'Check that the cluster is up and that its url is right.',
  },
  request_timeout: {
    kind: 'transient',
    hint: 'The cluster is slow or the network drops packets.',
  },
  cluster_busy: { kind: 'transient', hint: 'The cluster rejects work (429); give it less of it, or more nodes.' },
  shard_unavailable: {
    kind: 'transient',
    hint: 'A primary shard is not active; check the cluster health.',
  },
  no_master: {
    kind: 'transient',
    hint: 'The cluster has no elected master, or has only just started; check its nodes.',
  },
  other_cluster: {
    kind: 'transient',
    hint: 'Another cluster answers at the url of this one: correct the url, its DNS name or its port. If it is the one that is meant, restart the supervisor.',
  },
  index_closed: { kind: 'transient', hint: 'Open the index.' },
  blocked: {
    kind: 'transient',
    hint: 'Remove the block (disk watermark, read-only) from the index or cluster.',
  },
  unauthorized: {
    kind: 'transient',
    hint: 'Check the credentials in the configuration; a granted key is picked up at the next try.',
  },
  forbidden: { kind: 'transient', hint: 'Grant the privilege that the reason names.' },
  partial_answer: {
    kind: 'transient',
    hint: 'The cluster answered for only part of a shard (timeout, failed or skipped shard); it was discarded and is asked again.',
  },
  answer_cut: { kind: 'transient', hint: 'The connection broke in mid-answer; the request is repeated.' },
  answer_too_large: {
    kind: 'transient',
    hint: 'An answer is larger than Slipstream keeps in memory; it asks again for fewer documents at once.',
  },
  document_unreadable: {
    kind: 'transient',
    hint: 'A document on the leader is stored in a form that no search can return, such as JSON in UTF-16. Index it again in UTF-8 or delete it.',
  },
  unexpected_answer: {
    kind: 'transient',
    hint: 'The cluster gave an answer Slipstream does not know; the reason quotes its type.',
  },
  leader_moved_primary: {
    kind: 'transient',
    hint: 'The leader promoted another copy of the shard; the view was dropped and is read again.',
  },
  view_expired: { kind: 'transient', hint: 'A point in time expired; it is opened again.' },
  // --- the leader's history -----------------------------------------------------------------------------------------------
  history_changed: {
    kind: 'fatal',
    hint: 'The leader shard was restored or force-allocated. Resume with --on-missing-history rebootstrap to copy it again in place.',
  },
  lease_expired: {
    kind: 'fatal',
    hint: 'The retention lease on the change log expired and the log was pruned. Resume with --on-missing-history rebootstrap.',
  },
  index_deleted: {
    kind: 'fatal',
    hint: 'The leader or the follower index that the reason names is gone. Unfollow; what was copied stays searchable. To copy again, follow into a new index, or delete the old copy first.',
  },
  index_recreated: {
    kind: 'fatal',
    hint: 'The index is another one of the same name. Unfollow, and follow it into a new index.',
  },
  shard_count_changed: {
    kind: 'fatal',
    hint: 'The number of shards of the leader changed; follow it into a new index.',
  },
  // --- the follower -------------------------------------------------------------------------------------------------------
  mapping_conflict: {
    kind: 'fatal',
    hint: 'The type of a field cannot be changed: unfollow, and follow into a new index. Correct anything else on the follower, then resume.',
  },
  settings_rejected: {
    kind: 'fatal',
    hint: 'The follower refuses a setting of the leader (missing plugin or analyser?). Install what is missing, then resume.',
  },
  document_rejected: {
    kind: 'fatal',
    hint: 'The follower refuses a document for ever; the reason tells why. Correct the mapping, then resume; or follow anew with on_document_rejected: quarantine, to go on without it.',
  },
  too_large_for_follower: {
    kind: 'fatal',
    hint: "A document exceeds what the follower accepts; raise the follower's http.max_content_length or heap, then resume.",
  },
  too_many_quarantined: {
    kind: 'fatal',
    hint: 'So many refused documents mean that something is wrong with more than single ones, such as a mapping, an analyser or a limit of the follower. Correct it, then resume; or follow anew with a higher quarantine_max_documents.',
  },
  follower_newer: {
    kind: 'fatal',
    hint: 'Somebody else wrote to the follower. slipstream repair overwrites what differs and goes on; with --dry-run it only names it.',
  },
  follower_unsteady: {
    kind: 'transient',
    hint: 'Documents that somebody else changed on the follower are overwritten by themselves. If this lasts, find out who writes there.',
  },
  id_collision: {
    kind: 'fatal',
    hint: 'One id lives (or lived lately) under several routings, and its documents meet on the follower since shards do not align: follow into an index whose shards align (docs/unaligned.md).',
  },
  mass_delete: {
    kind: 'fatal',
    hint: 'One scan would delete more than the allowed share of the shard. If that is right, resume with --allow-mass-delete.',
  },
  promoted: {
    kind: 'fatal',
    hint: 'The index was promoted and is no follower any more; Slipstream never writes to it.',
  },
  source_unusable: {
    kind: 'fatal',
    hint: '_source is disabled or filtered on the leader; such an index cannot be copied from outside.',
  },
  seq_no_unusable: {
    kind: 'fatal',
    hint: 'index.disable_sequence_numbers is set; such an index cannot be followed from outside.',
  },
  epochs_exhausted: {
    kind: 'fatal',
    hint: 'The follower index carries versions too large to go above; follow into a new index.',
  },
  follower_rolled_back: {
    kind: 'fatal',
    hint: 'The follower lost acknowledged writes (restored or failed over without them); everything is copied again in place.',
  },
  position_conflict: {
    kind: 'conflict',
    hint: 'Another supervisor saved a position of the same pair under a later term; this one has lost it, and stops working on it.',
  },
  no_lease: {
    kind: 'transient',
    hint: 'This supervisor cannot confirm over NATS that the shard is still its own, so it writes nothing. It goes on by itself when NATS answers, or another supervisor does.',
  },
  // --- the journal and commands -------------------------------------------------------------------------------------------
  journal_unreachable: { kind: 'transient', hint: 'NATS does not answer; check its address.' },
  journal_full: {
    kind: 'transient',
    hint: 'Make room for the journal (disk, account limit, or max_bytes of the stream). A NATS server of our own is restarted then; restart a foreign one if it does not go on.',
  },
  node_too_old: {
    kind: 'refused',
    hint: 'Install Node 24 or newer (nvm install 24, the package of your system, or nodejs.org), and let PATH find it before the older one.',
  },
  nats_server_missing: {
    kind: 'refused',
    hint: 'Install nats-server (its package, brew, or go install) so that PATH has it, name it in nats.serverBinary, or give nats.servers of a running one.',
  },
  nats_server_unfit: {
    kind: 'refused',
    hint: 'Take a newer nats-server: upgrade it, name another in nats.serverBinary, or take it out of PATH so that one is fetched.',
  },
  nats_server_failed: {
    kind: 'transient',
    hint: 'The NATS server of our own does not run; the reason has the end of its log, nats-server.log in the data folder has more.',
  },
  data_folder_in_use: {
    kind: 'refused',
    hint: 'One supervisor at a time works with a data folder: stop the other one, or give this one its own nats.dataFolder.',
  },
  data_folder_unusable: {
    kind: 'refused',
    hint: 'Make the folder one that the user of the supervisor owns and that nobody else may write to, or name another in nats.dataFolder.',
  },
  journal_conflict: {
    kind: 'conflict',
    hint: 'Another supervisor appended to the same subject; the state is read again.',
  },
  journal_corrupt: {
    kind: 'corrupt',
    hint: 'An event cannot be read. It is left as it is; restore the journal from a backup.',
  },
  journal_from_newer_version: {
    kind: 'fatal',
    hint: 'A newer Slipstream wrote this event. Run that version, or a later one; nothing was overwritten.',
  },
  journal_older_than_data: {
    kind: 'fatal',
    hint: 'The journal is older than the follower data (restored backup?). Restore a newer journal, or rebuild the pairs from the data: slipstream recover --dry-run tells what that would do.',
  },
  journal_unknown: {
    kind: 'fatal',
    hint: 'The follower data belongs to another journal. Use that journal; if it is lost, rebuild the pairs from the data: slipstream recover --dry-run tells what that would do.',
  },
  no_supervisor: {
    kind: 'refused',
    hint: 'No supervisor answers on NATS. Start one: slipstream start --config slipstream.yml',
  },
  supervisor_running: {
    kind: 'refused',
    hint: 'Stop every supervisor of this journal first.',
  },
  command_timeout: {
    kind: 'refused',
    hint: 'The command was sent but not answered in time; ask status, then repeat it: repeating is safe.',
  },
  invalid_command: { kind: 'refused', hint: 'Correct the fields that the reason names.' },
  invalid_config: { kind: 'refused', hint: 'Correct the configuration file at the paths that the reason names.' },
  unknown_cluster: { kind: 'refused', hint: 'Name a cluster of the configuration.' },
  unknown_pair: { kind: 'refused', hint: 'Ask list for what is followed.' },
  already_followed: { kind: 'refused', hint: 'Unfollow it first, or choose another follower index.' },
  follows_itself: { kind: 'refused', hint: 'Choose another follower index or cluster.' },
  leader_missing: { kind: 'refused', hint: 'Check the name of the leader index.' },
  leader_not_an_index: {
    kind: 'refused',
    hint: 'Name a concrete index; aliases and data streams are followed by their backing indices.',
  },
  leader_closed: { kind: 'refused', hint: 'Open the leader index first.' },
  reader_sees_part: {
    kind: 'refused',
    hint: 'The leader key is under document- or field-level security: hidden documents would look deleted. Use a key without it.',
  },
  follower_exists: {
    kind: 'refused',
    hint: 'The follower index exists and is not ours. Delete it or choose another name.',
  },
  not_following: { kind: 'refused', hint: 'Only what follows can be repaired: resume it, or wait until it is copied.' },
  not_paused: { kind: 'refused', hint: 'Pause it first: only what is paused, fatal or retrying is copied again.' },
  bug: { kind: 'fatal', hint: 'This is a defect of Slipstream. Please report it with the reason.' },
} as const satisfies Record<string, FailureRow>;

export type FailureCode = keyof typeof rows;
export const FAILURES: Readonly<Record<FailureCode, FailureRow>> = rows;

/** One failure, as it stands in events, statuses, answers and logs. Never holds secrets or document content. */
export interface Failure {
  readonly code: FailureCode;
  readonly kind: FailureKind;
  /** What was being done, e.g. `leader search`. */
  readonly op: string;
  /** Why, in the words of the server where there are any; never empty. */
  readonly reason: string;
  readonly hint: string;
  readonly cluster?: string;
  readonly status?: number;
  /** A write whose effect is unknown: the server may still run it. The follower's count is unknown until recounted. */
  readonly ambiguous?: boolean;
  readonly retryAfterMs?: number;
}

export interface FailureDetails {
  readonly op: string;
  readonly reason: string;
  readonly hint?: string;
  readonly cluster?: string;
  readonly status?: number;
  readonly ambiguous?: boolean;
  readonly retryAfterMs?: number;
}

export class Failed extends Error {
  override readonly name = 'Failed';
  readonly failure: Failure;
  constructor(failure: Failure, cause?: unknown) {
    super(`${failure.code}: ${failure.op}: ${failure.reason}`, cause === undefined ? {} : { cause });
    this.failure = failure;
  }
}

export function failed(code: FailureCode, details: FailureDetails, cause?: unknown): Failed {
  const row = FAILURES[code];
  return new Failed(
    {
      hint: row.hint,
      ...details,
      code,
      kind: row.kind,
      reason: details.reason.trim() || 'no reason given by the server',
    },
    cause,
  );
}

/** What was thrown, as a failure: a `Failed` as it is, everything else as a defect of ours. */
export function failureOf(thrown: unknown, op: string): Failure {
  if (thrown instanceof Failed) return thrown.failure;
  const reason = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return failed('bug', { op, reason }).failure;
}
