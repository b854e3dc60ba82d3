import type { Failure } from './failure.ts';
import type { Lifecycle, TraceRef } from './journal.ts';
import type { FollowerIndexRef, IndexRef } from './names.ts';
import type { Outage } from './outage.ts';
import type { FollowParameters } from './parameters.ts';
import type { QuarantinedDocument } from './quarantine.ts';
import type { RepairKey, RepairOutcome } from './repair.ts';

/**
 * The commands and queries of the control surface, the same over every transport (NATS today). Commands are idempotent: a repeated
 * `commandId` returns the first answer. `accepted`: the decision is in the journal. `effective`: it has taken effect.
 */
export interface CommandOptions {
  /** Made by the client; one is made when absent. */
  readonly commandId?: string;
  /** Who asks, for the journal. */
  readonly by?: string;
  /** The span of whoever asks; carried by the transport, not in the body. */
  readonly request?: TraceRef;
  /** Wait until effective, at most this long; 0: answer when accepted. */
  readonly waitMs?: number;
  /**
   * A supervisor began to run this command at that time (of the journal's clock) and did not answer: what it decided stands in the
   * journal, and is not decided again.
   */
  readonly begunAtMs?: number;
}

export interface FollowCommand extends CommandOptions {
  readonly leader: IndexRef;
  readonly follower: FollowerIndexRef;
  readonly parameters?: Partial<FollowParameters>;
  /** Settings of the follower index that override the leader's, e.g. `index.number_of_shards` or replicas. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** `shard` absent: every shard. In `follower.index` of pause, resume and status a `*` stands for any characters. */
export interface TargetCommand extends CommandOptions {
  readonly follower: FollowerIndexRef;
  readonly shard?: number;
}

export interface ResumeCommand extends TargetCommand {
  /** Copy everything again in place, if the leader's history is not the one that was copied. */
  readonly rebootstrap?: boolean;
  /** Once: let a delete scan pass the brake. */
  readonly allowMassDelete?: boolean;
}

/** Documents that a comparison found to differ. */
export interface RepairCommand extends CommandOptions {
  readonly follower: FollowerIndexRef;
  /** `shard`: that of the leader; absent where it is not known. */
  readonly documents: readonly (RepairKey & { readonly shard?: number })[];
}

/** `follower` absent: everything. */
export interface QuarantineQuery {
  readonly follower?: FollowerIndexRef;
  readonly shard?: number;
}

/** A document in quarantine, without its content. */
export interface QuarantineEntry extends Omit<QuarantinedDocument, 'copyVersion'> {
  readonly follower: FollowerIndexRef;
  readonly shard: number;
  /** An older state of it stays on the follower. */
  readonly olderCopy: boolean;
}

export interface StatusQuery {
  /** Absent: everything. */
  readonly follower?: FollowerIndexRef;
  readonly shard?: number;
}

export interface PairStatus {
  readonly leader: IndexRef;
  readonly follower: FollowerIndexRef;
  readonly shard: number;
  readonly state: Lifecycle;
  readonly desired: 'running' | 'paused';
  /** The supervisor that runs it, by its configured name; null: none does, and all that is told is what the journal says. */
  readonly owner: { readonly supervisor: string; readonly term: number } | null;
  /** Its supervisor may not write now (`no_lease`): reading has stopped, and goes on by itself. */
  readonly suspended?: Failure;
  /** Always present when retrying or fatal. */
  readonly failure?: Failure;
  readonly attempt: number;
  readonly nextTryAtMs?: number;
  readonly epoch: number;
  readonly aligned: boolean | null;
  readonly checkpoint: number;
  readonly leaderGlobalCheckpoint: number | null;
  readonly leaderMaxSeqNo: number | null;
  /** Operations of the leader not applied yet. */
  readonly lagOperations: number | null;
  /** Seconds since the oldest change that is not applied was noticed; never 0 while a delete is outstanding. */
  readonly lagSeconds: number | null;
  readonly followerDocuments: number | null;
  readonly leaderDocuments: number | null;
  /** Deletes that are known to be outstanding. */
  readonly outstandingDeletes: number;
  /**
   * Documents that the follower refuses and that were passed over: while there are any, the pair is *with errors*. Once everything is applied,
   * `followerDocuments + quarantinedWithoutCopy = leaderDocuments`.
   */
  readonly quarantined: number;
  /** Those of them of which the follower has no older copy either. */
  readonly quarantinedWithoutCopy: number;
  /** 0..1 while bootstrapping, else 1. */
  readonly progress: number;
  readonly operationsWritten: number;
  readonly bytesRead: number;
  readonly operationsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly conflicts: number;
  readonly deleteScans: number;
  readonly deletesFound: number;
  /** Delete scans whose finds were not the difference of the counts. */
  readonly scanSurprises: number;
  /** Operations on the follower that the ledger did not expect. */
  readonly foreignWrites: number;
  /** Documents that somebody else had changed on the follower so that the leader's was refused there, and that were overwritten. */
  readonly overwritten: number;
  readonly retries: number;
  readonly transitions: number;
  readonly traceId: string | null;
}

export interface IndexStatus {
  readonly leader: IndexRef;
  readonly follower: FollowerIndexRef;
  readonly state: string;
  readonly shards: number;
  /** Null until it is created. */
  readonly followerShards: number | null;
  /** Shard n of both indices holds the same documents; null until that was found out. */
  readonly aligned: boolean | null;
  /** What it costs that they do not align. */
  readonly note?: string;
  /** Why what the configuration lists is not followed, or not yet; `shards` is 0 then. */
  readonly failure?: Failure;
  /** Of its clusters, those that do not answer as a whole; absent: both answer. */
  readonly outages?: readonly Outage[];
  readonly pairs: readonly PairStatus[];
}

export interface CommandResult {
  readonly commandId: string;
  readonly accepted: boolean;
  /** True when it has taken effect for every pair; with `waitMs: 0` usually still false. */
  readonly effective: boolean;
  readonly pairs: readonly PairResult[];
}

export interface RepairResult extends CommandResult {
  /** What was done, in the order of the command's documents; null: not in time, or its pair does not run. */
  readonly documents: readonly (RepairOutcome | null)[];
}

export interface PairResult {
  /** Of the follower cluster's index, where the command named several by a pattern. */
  readonly index?: string;
  readonly shard: number;
  readonly accepted: boolean;
  readonly effective: boolean;
  readonly state: Lifecycle;
  /** Why it was not accepted, or why it is retrying or fatal. */
  readonly failure?: Failure;
}

export type Reply<T> = { readonly ok: true; readonly result: T } | { readonly ok: false; readonly failure: Failure };

/** An index without its pairs. */
export type ListedIndex = Omit<IndexStatus, 'pairs'>;

/** A part of a long answer, in the order of names. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Cursor of the page behind; undefined for the last. */
  readonly next: string | undefined;
}

export interface PageWanted {
  /** The `next` of the page before; undefined: from the beginning. */
  readonly cursor: string | undefined;
  /** Of the rows as JSON; one row alone may have more. */
  readonly maxBytes: number;
}

/** Every method throws `Failed` for a refusal. */
export interface Commands {
  follow(command: FollowCommand): Promise<CommandResult>;
  unfollow(command: TargetCommand): Promise<CommandResult>;
  pause(command: TargetCommand): Promise<CommandResult>;
  resume(command: ResumeCommand): Promise<CommandResult>;
  /** Reads everything in quarantine again from the leader and sends it. Effective when that was done, whatever came of it. */
  retryQuarantine(command: TargetCommand): Promise<CommandResult>;
  /** Sends documents again, or deletes them, whatever they look like on the follower. Effective when every one of them was looked at. */
  repair(command: RepairCommand): Promise<RepairResult>;
}

/** By follower; `status` by shard, `quarantine` by shard and sequence number as well. */
export interface WholeQueries {
  status(query: StatusQuery): Promise<readonly IndexStatus[]>;
  quarantine(query: QuarantineQuery): Promise<readonly QuarantineEntry[]>;
  list(): Promise<readonly ListedIndex[]>;
}

/** The same in pages. One index may go over several pages, each with a part of its pairs. */
export interface QueryPages {
  status(query: StatusQuery, wanted: PageWanted): Promise<Page<IndexStatus>>;
  quarantine(query: QuarantineQuery, wanted: PageWanted): Promise<Page<QuarantineEntry>>;
  list(wanted: PageWanted): Promise<Page<ListedIndex>>;
}

/** What a supervisor offers, to whoever has it at hand or asks it from elsewhere. */
export interface ControlSurface extends Commands, WholeQueries {}

/** The same as it is served: an answer goes into messages of bounded size. */
export interface ServedSurface extends Commands {
  readonly pages: QueryPages;
}
