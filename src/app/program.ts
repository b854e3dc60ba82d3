import type { RecoveredIndex } from '../actors/recovery.ts';
import type { Config } from '../config/config.ts';
import type { ControlSurface } from '../domain/commands.ts';
import type { Failure } from '../domain/failure.ts';
import type { FollowerIndexRef, IndexRef } from '../domain/names.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { VerifyReport } from '../replication/verify/report.ts';
import type { VerifyProgress } from '../replication/verify/request.ts';

/** A running supervisor as the command line reaches it: commands and queries over NATS, and the journal. */
export interface ControlConnection {
  readonly control: ControlSurface;
  readonly journal: Pick<EventLog, 'read'>;
  /** What an operator should know about where the journal is kept, one sentence each; never fails. */
  journalWarnings(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface RunningSupervisor {
  /** The NATS server that it runs itself, where it does. */
  readonly ownServer?: { readonly url: string; readonly dataFolder: string };
  /** The exit code, once it has stopped: 0 after an orderly drain. Never rejects. */
  readonly stopped: Promise<number>;
  /** Begins to drain; safe to call again. */
  stop(reason: string): void;
}

export interface VerifyRequest {
  readonly follower: FollowerIndexRef;
  /** Compare a hash of `_source` as well. */
  readonly content: boolean;
  /** Documents to name of each kind of difference; 100 unless told. */
  readonly samplesMax?: number;
  /** Shards that have stopped: what differs there is told at once. Asked once, where something does not agree at first sight. */
  readonly stopped?: () => Promise<ReadonlySet<number>>;
  readonly onProgress: (progress: VerifyProgress) => void;
}

export interface VerifyAnswer {
  readonly leader: IndexRef;
  readonly report: VerifyReport;
}

export interface RecoverRequest {
  readonly dryRun: boolean;
  /** Who asks, for the journal. */
  readonly by: string;
  /** Id of the journal that was lost; undefined: only what belongs to the present one. */
  readonly lostJournalId: string | undefined;
}

export interface RecoveryReport {
  readonly dryRun: boolean;
  readonly indices: readonly RecoveredIndex[];
  /** Clusters that could not be asked. */
  readonly clusters: readonly { readonly name: string; readonly failure: Failure }[];
}

/** Whether one server of the configuration answers. */
export interface ReachResult {
  readonly kind: 'cluster' | 'nats';
  readonly name: string;
  /** Product and version, when it answers. */
  readonly detail?: string;
  readonly failure?: Failure;
}

/** What `doctor` found about one thing. */
export interface Finding {
  /** `configuration`, `cluster <name>`, or `nats`. */
  readonly subject: string;
  /** What was looked at, in one or two words; unique under its subject. */
  readonly check: string;
  /** `warn`: it works, and may not go on to. */
  readonly outcome: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** What to do; where the outcome is not `ok`. */
  readonly hint?: string;
  /** Where the outcome is `fail`. */
  readonly failure?: Failure;
}

/** The program behind the commands, as `app` provides it. All of it throws `Failed`. */
export interface Program {
  connectControl(config: Config): Promise<ControlConnection>;
  /** When the signal is aborted before the supervisor runs, the start is given up. */
  startSupervisor(config: Config, signal: AbortSignal): Promise<RunningSupervisor>;
  verify(config: Config, request: VerifyRequest, signal: AbortSignal): Promise<VerifyAnswer>;
  /** Rebuilds the journal from the followers, or tells what that would do. */
  recover(config: Config, request: RecoverRequest, signal: AbortSignal): Promise<RecoveryReport>;
  /** One result for each cluster and NATS, in order; never throws for one that does not answer. */
  checkReach(config: Config, signal: AbortSignal): Promise<readonly ReachResult[]>;
  /** Looks at everything a supervisor needs, and changes nothing; never throws for what it finds. */
  diagnose(config: Config, signal: AbortSignal): Promise<readonly Finding[]>;
}
