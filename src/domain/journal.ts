import type { Failure } from './failure.ts';
import type { FollowerIndexRef, IndexRef } from './names.ts';
import type { FollowParameters } from './parameters.ts';

/** W3C trace context of the span that tells of an event; `traceId` is the trace of the pair's current run. */
export interface TraceRef {
  readonly traceId: string;
  readonly spanId: string;
}

/** The five states of every shard pair. */
export type Lifecycle = 'bootstrapping' | 'following' | 'retrying' | 'paused' | 'fatal';

/** Version of the event format written by this code. Readers keep reading every older one for ever. */
export const EVENT_VERSION = 1;

/** What every journalled event carries, whatever it tells. */
export interface EventEnvelope {
  /** Unique; an append whose acknowledgement was lost is recognised by it. */
  readonly id: string;
  readonly version: number;
  readonly atMs: number;
  /** Who or what caused it: `command:<command id>`, `cycle`, `start`, `timer`. */
  readonly cause: string;
  /** Who asked, for commands: as the client names itself. */
  readonly by?: string;
  /** Term of the owner that appended it; for a command that another supervisor accepted, of the owner that it knew. */
  readonly term: number;
  /** The span that tells of it. */
  readonly trace?: TraceRef;
  /** The span of whoever asked, where a command carried one. */
  readonly request?: TraceRef;
}

/**
 * What happened to a pair. The names are those of the state machine's events that caused them. *Decisions* are appended before
 * their effect, *facts* after the effect is durable; both before the machine moves.
 */
export type PairFact =
  /** Decision: the pair exists and copies from the beginning. */
  | { readonly type: 'STARTED' }
  /** Fact: every document is there, settings restored, counts equal. */
  | { readonly type: 'BOOTSTRAPPED'; readonly checkpoint: number }
  /** Decision: stop at the next safe point. */
  | { readonly type: 'PAUSE'; readonly commandId: string }
  /** Fact: reading has stopped and the position is saved. */
  | { readonly type: 'PAUSED'; readonly checkpoint: number }
  | {
      readonly type: 'RESUME';
      readonly commandId: string;
      readonly rebootstrap: boolean;
      /** One delete scan passes the brake. */
      readonly allowMassDelete?: true;
    }
  /** Fact: the delete scan that this command allowed to pass the brake is over; it deleted so many documents. */
  | { readonly type: 'MASS_DELETE_USED'; readonly commandId: string; readonly documents: number }
  /** Decision: try again later. */
  | { readonly type: 'FAILED'; readonly failure: Failure }
  /** Fact: an attempt succeeded. */
  | { readonly type: 'RECOVERED' }
  | { readonly type: 'FATAL'; readonly failure: Failure }
  | { readonly type: 'HISTORY_GONE'; readonly failure: Failure }
  | { readonly type: 'LEASE_EXPIRED'; readonly failure: Failure }
  /** Decision: the follower lost writes, so the position is void; copy again in place, in the same epoch. */
  | { readonly type: 'ROLLED_BACK'; readonly failure: Failure }
  /** Decision: copy everything again, in place, under a higher epoch. */
  | { readonly type: 'EPOCH_RAISED'; readonly epoch: number; readonly reason: string }
  /** Fact: so many documents are in quarantine now. */
  | { readonly type: 'QUARANTINED'; readonly documents: number }
  /** Decision: read what is in quarantine from the leader again, and send it. */
  | { readonly type: 'QUARANTINE_RETRY'; readonly commandId: string }
  /** Decision: so many documents that a comparison found to differ are put right. */
  | { readonly type: 'REPAIR'; readonly commandId: string; readonly documents: number }
  /** Decision of an operator: goes on from what the follower's position says, since the journal was lost or older. No event of the machine. */
  | { readonly type: 'REBUILT' }
  /** Decision: there is another owner, with a higher term; late appends of the owner before are refused from here on. No event of the machine. */
  | { readonly type: 'TAKEN_OVER' };

/** The state of a pair that resulted, recorded with the event: folding trusts it, so an old journal means the same under a new machine. */
export interface PairSnapshot {
  readonly state: Lifecycle;
  /** That of the index it belongs to. */
  readonly followId: string;
  /** The state that retrying and paused return to. */
  readonly resumeTo: 'bootstrapping' | 'following';
  /** What the operator wants; differs from `state` until a command is effective. */
  readonly desired: 'running' | 'paused';
  readonly epoch: number;
  /** The epoch is to be raised before anything is copied. */
  readonly raiseEpoch?: boolean;
  /** The checkpoint that the last fact told of. */
  readonly checkpoint?: number;
  /** Why it is retrying or fatal. */
  readonly failure?: Failure;
  /** Documents in quarantine; absent: none. */
  readonly quarantined?: number;
  /** The command that lets one delete scan pass the brake, until that is over. */
  readonly massDeleteAllowedBy?: string;
  /** Identifies the trace of the current run and how many transitions it has. */
  readonly run: { readonly traceId: string; readonly startedAtMs: number; readonly transitions: number };
}

export interface PairEvent extends EventEnvelope {
  readonly pair: { readonly follower: FollowerIndexRef; readonly shard: number };
  readonly fact: PairFact;
  readonly from: Lifecycle | 'none';
  readonly result: PairSnapshot;
}

export type IndexFact =
  /** Decision; appended with expected sequence 0 (or that of UNFOLLOWED), so a follower name is taken once. */
  | { readonly type: 'FOLLOWED'; readonly commandId: string }
  /** Fact: the follower index exists and carries our mark. */
  | { readonly type: 'PREPARED' }
  /** Decision: nothing more is copied. */
  | { readonly type: 'UNFOLLOWED'; readonly commandId: string }
  /** Fact: guard and mark are taken off the follower, and its positions are gone. */
  | { readonly type: 'RELEASED' }
  /** Decision of an operator: followed according to the follower's mark, since the journal was lost or older. */
  | { readonly type: 'REBUILT' };

/** One replication: what is followed, and how. */
export interface IndexSnapshot {
  readonly state: 'followed' | 'prepared' | 'unfollowed' | 'released';
  /** Id of the follow command: the pairs of an earlier life of the same name carry another one. */
  readonly followId: string;
  readonly leader: IndexRef;
  readonly follower: FollowerIndexRef;
  readonly leaderUuid: string;
  readonly followerUuid?: string;
  /** S: the leader's number of primary shards; one pair for each. */
  readonly shards: number;
  readonly followerShards?: number;
  /** Leader and follower route every sampled value to the same shard number. */
  readonly aligned?: boolean;
  readonly parameters: FollowParameters;
  /** Settings of the follow command that override the leader's. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface IndexEvent extends EventEnvelope {
  readonly fact: IndexFact;
  readonly result: IndexSnapshot;
}

export type JournalEvent = ({ readonly entity: 'pair' } & PairEvent) | ({ readonly entity: 'index' } & IndexEvent);

/** Today's state is the fold of the events: the newest event's record. */
export function evolve<E extends { readonly result: unknown }>(_state: E['result'] | undefined, event: E): E['result'] {
  return event.result;
}
