import { failed } from '../domain/failure.ts';
import type { IndexSnapshot } from '../domain/journal.ts';
import { indexMatcher } from '../domain/index-name.ts';
import { indexKey, type FollowerIndexRef } from '../domain/names.ts';
import type { Refused } from './index-status.ts';
import type { JournalView } from './journal-view.ts';
import type { OwnedIndices } from './owned-indices.ts';
import { notFollowed } from './unknown-pair.ts';

export interface Selected {
  readonly followed: readonly IndexSnapshot[];
  /** Of which nothing is decided here, since the journal cannot be read, or nobody reaches its clusters. */
  readonly refused: readonly Refused[];
}

/** Indices by what commands and queries call them, whoever runs them. */
export class Selection {
  readonly #view: JournalView;
  readonly #owned: OwnedIndices;

  constructor(view: JournalView, owned: OwnedIndices) {
    this.#view = view;
    this.#owned = owned;
  }

  all(): Selected {
    const refused = this.#refused();
    const followed = this.#view.followed.filter(({ follower }) => !refused.has(indexKey(follower)));
    return { followed, refused: [...refused.values()] };
  }

  /** One index, or those that a pattern means. Throws `unknown_pair` when there is none. */
  matching({ cluster, index }: FollowerIndexRef, op: string): Selected {
    const matches = indexMatcher(index);
    const meant = ({ follower }: { readonly follower: FollowerIndexRef }): boolean =>
      follower.cluster === cluster && matches(follower.index);
    const { followed, refused } = this.all();
    const found = { followed: followed.filter(meant), refused: refused.filter(meant) };
    if (found.followed.length + found.refused.length > 0) return found;
    throw notFollowed(op, { cluster, index }, followed);
  }

  /** Throws `unknown_pair` for one that is not followed. */
  one(follower: FollowerIndexRef, op: string): IndexSnapshot {
    this.requireReadable(follower);
    const found = this.#view.index(follower)?.snapshot;
    if (found === undefined || found.state === 'released') throw notFollowed(op, follower, this.#view.followed);
    return found;
  }

  /** Nothing is decided, let alone overwritten, where the journal cannot be read. */
  requireReadable(follower: FollowerIndexRef): void {
    const refused = this.#refused().get(indexKey(follower));
    if (refused !== undefined) throw failed(refused.failure.code, refused.failure);
  }

  #refused(): ReadonlyMap<string, Refused> {
    const refused = new Map<string, Refused>();
    for (const [key, { follower, failure }] of this.#view.refused)
      refused.set(key, { follower, failure, snapshot: this.#view.index(follower)?.snapshot });
    for (const one of this.#owned.refused) refused.set(indexKey(one.follower), one);
    return refused;
  }
}
