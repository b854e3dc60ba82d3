import type { VersionScheme } from '../../domain/version.ts';
import type { Clock } from '../../ports/clock.ts';
import type { FollowerCluster } from '../../ports/follower-cluster.ts';
import type { LeaderCluster } from '../../ports/leader-cluster.ts';
import { SAMPLES_MAX } from './report.ts';

export interface VerifyLimits {
  /**
   * How long the follower may take for what was on the leader at the checkpoint, deletes included: above the longest time between two delete
   * scans. A difference is reported only after this time.
   */
  readonly patienceMs: number;
  /** Pause between two looks at the doubtful documents; it grows up to ten times this. */
  readonly roundMs: number;
  /** At most the `max_result_window` of both indices. */
  readonly pageDocuments: number;
  /** Keys of one multi-get. */
  readonly batchDocuments: number;
  /** Documents whose contents are compared together: more means fewer, longer reads. */
  readonly blockDocuments: number;
  /** Doubtful documents remembered; above it the merge waits until half of them are decided. */
  readonly doubtsMax: number;
  /** Documents that the report names of each kind. */
  readonly samplesMax: number;
}

export const VERIFY_LIMITS: VerifyLimits = {
  patienceMs: 60_000,
  roundMs: 100,
  pageDocuments: 1_000,
  batchDocuments: 500,
  blockDocuments: 20_000,
  doubtsMax: 50_000,
  samplesMax: SAMPLES_MAX,
};

export interface VerifyProgress {
  readonly phase: 'reading' | 'settling';
  /** Leader documents read so far. */
  readonly documents: number;
  /** Documents that were not equal at first sight and are looked at again. */
  readonly doubtful: number;
}

export interface ContentComparison {
  /** The follower cluster, read as if it were a leader. */
  readonly followerReader: LeaderCluster;
  /** A collision-free digest: equal exactly if the bytes are. */
  readonly digest: (bytes: Uint8Array) => string;
}

/** A leader operation that the follower is known to refuse. */
export interface KnownRefusal {
  readonly id: string;
  readonly shard: number;
  readonly seqNo: number;
}

export interface VerifyRequest {
  readonly leader: LeaderCluster;
  readonly follower: FollowerCluster;
  readonly leaderIndex: string;
  readonly followerIndex: string;
  readonly scheme: VersionScheme;
  /** Shard n of both indices holds the same documents. */
  readonly aligned: boolean;
  /** Undefined: identities alone are compared. */
  readonly contents: ContentComparison | undefined;
  /** What is in quarantine now: such documents are told apart from those that are missing or differ without anybody's knowing. */
  readonly quarantined?: (signal: AbortSignal) => Promise<readonly KnownRefusal[]>;
  /** Leader shards whose pair has stopped: nothing is on its way, and no patience is due. Asked once, where something does not agree at first sight. */
  readonly stopped?: (signal: AbortSignal) => Promise<ReadonlySet<number>>;
  readonly clock: Clock;
  readonly onProgress: (progress: VerifyProgress) => void;
  readonly limits?: Partial<VerifyLimits>;
}
