import type { IndexRef } from '../../domain/names.ts';
import type { IndexAdmin } from '../../ports/index-admin.ts';

/** A follower index as its keeper addresses it. Calls that change one follower must not overlap: there is one keeper for each follower index. */
export interface FollowerLink {
  readonly leaderAdmin: IndexAdmin;
  readonly followerAdmin: IndexAdmin;
  readonly leader: IndexRef;
  readonly follower: IndexRef;
  readonly journalId: string;
  readonly leaderUuid: string;
  /** Of the index that was created or adopted; undefined before that. */
  readonly followerUuid: () => string | undefined;
}
