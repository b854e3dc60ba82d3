import type { ControlSurface, IndexStatus, QuarantineEntry, QuarantineQuery, StatusQuery } from '../domain/commands.ts';
import { failureOf } from '../domain/failure.ts';
import type { IndexSnapshot } from '../domain/journal.ts';
import { indexKey, pairKey, type FollowerIndexRef } from '../domain/names.ts';
import { slotOf } from '../domain/slots.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import { indexStatus, refusedStatus } from './index-status.ts';
import { journalStatus, newest } from './journal-status.ts';
import type { JournalView } from './journal-view.ts';
import type { OwnedIndices } from './owned-indices.ts';
import { quarantineEntries, storedEntries } from './quarantine-entries.ts';
import { reaches } from './reach.ts';
import type { Selected, Selection } from './selection.ts';
import { noSuchShard } from './unknown-pair.ts';

/** What the supervisor of a session offers by itself. `waitMs` is that of the command. */
export type Peers = (session: string, waitMs?: number) => ControlSurface;

export interface QueriesOptions {
  readonly ports: SupervisorPorts;
  readonly view: JournalView;
  readonly owned: OwnedIndices;
  readonly selection: Selection;
  readonly peers: Peers | undefined;
  readonly signal: AbortSignal;
}

/** Answers for all indices: of its own for what it owns, what their owners say, and what the journal says where nobody does. */
export class Queries {
  readonly #options: QueriesOptions;

  constructor(options: QueriesOptions) {
    this.#options = options;
  }

  async status(query: StatusQuery): Promise<readonly IndexStatus[]> {
    const { follower, shard } = query;
    const { view, ports } = this.#options;
    const { followed, refused } = this.#selected(query, 'status');
    const alive = followed.filter(({ state }) => state !== 'unfollowed');
    if (follower !== undefined && shard !== undefined && alive.length > 0 && refused.length === 0)
      if (alive.every(({ shards }) => shard >= shards)) throw noSuchShard('status', follower, shard, alive);
    const own = this.ownStatus(query);
    // What is refused here may run where a newer version does.
    const others = await this.#ofOwners([...followed, ...refused], (peer) => peer.status(query));
    const answered = newest([...own, ...others]);
    const { ownership } = ports;
    const rows = followed.map(
      (index) => answered.get(indexKey(index.follower)) ?? journalStatus(index, shard, { view, ownership }),
    );
    return [...rows, ...refused.map((one) => answered.get(indexKey(one.follower)) ?? refusedStatus(one))];
  }

  /** Of what runs here. */
  ownStatus({ follower, shard }: StatusQuery): readonly IndexStatus[] {
    const { ports, owned } = this.#options;
    const meant = follower === undefined ? undefined : this.#meant({ follower });
    return owned.all
      .filter(({ index }) => meant?.has(indexKey(index.snapshot.follower)) ?? true)
      .map((one) => indexStatus(one, shard, ports));
  }

  async quarantine(query: QuarantineQuery): Promise<readonly QuarantineEntry[]> {
    const { owned, ports } = this.#options;
    const { followed } = this.#selected(query, 'list quarantine');
    const told = new Set<string>();
    const others = await this.#ofOwners(followed, async (peer, indices) => {
      const entries = await peer.quarantine(query);
      for (const { follower } of indices) told.add(indexKey(follower));
      return entries;
    });
    const entries = [...(await this.ownQuarantine(query)), ...others];
    for (const index of followed)
      if (owned.of(index.follower) === undefined && !told.has(indexKey(index.follower)) && reaches(ports, index))
        entries.push(...(await this.#stored(index, query.shard)));
    return entries;
  }

  /** Asks the follower's index, since a pair that is paused or failed has nothing in memory. */
  async ownQuarantine({ follower, shard }: QuarantineQuery): Promise<readonly QuarantineEntry[]> {
    const { owned, signal } = this.#options;
    const meant = follower === undefined ? undefined : this.#meant({ follower });
    const entries: QuarantineEntry[] = [];
    for (const { index, pairs } of owned.all)
      for (const actor of pairs)
        if (meant?.has(indexKey(actor.pair.follower)) ?? true)
          if (shard === undefined || actor.pair.shard === shard)
            entries.push(...(await quarantineEntries(actor, index, signal)));
    return entries;
  }

  /** As the follower's index has it, for pairs that nobody runs. */
  async #stored(index: IndexSnapshot, shard: number | undefined): Promise<readonly QuarantineEntry[]> {
    const { view, ports, signal } = this.#options;
    const { quarantine } = ports.cluster(index.follower.cluster);
    const entries: QuarantineEntry[] = [];
    for (let number = 0; number < index.shards; number += 1) {
      const pair = { follower: index.follower, shard: number };
      const known = view.pair(pair, index.followId)?.snapshot.quarantined ?? 0;
      if (known > 0 && (shard === undefined || shard === number))
        entries.push(...storedEntries(pair, await quarantine.load(pairKey(pair), signal)));
    }
    return entries;
  }

  #selected({ follower }: StatusQuery, op: string): Selected {
    const { selection } = this.#options;
    return follower === undefined ? selection.all() : selection.matching(follower, op);
  }

  #meant(query: StatusQuery): ReadonlySet<string> {
    try {
      return new Set(this.#selected(query, 'status').followed.map(({ follower }) => indexKey(follower)));
    } catch (thrown) {
      if (failureOf(thrown, 'status').code !== 'unknown_pair') throw thrown;
      return new Set();
    }
  }

  /** Asks the live owners of these indices. One that does not answer is passed over. */
  async #ofOwners<T>(
    indices: readonly { readonly follower: FollowerIndexRef }[],
    ask: (peer: ControlSurface, indices: readonly { readonly follower: FollowerIndexRef }[]) => Promise<readonly T[]>,
  ): Promise<readonly T[]> {
    const { ports, peers } = this.#options;
    const { ownership, narrator } = ports;
    if (peers === undefined) return [];
    const live = new Set(ownership.live().map(({ session }) => session));
    live.delete(ownership.session);
    if (live.size === 0) return [];
    const byOwner = Map.groupBy(indices, ({ follower }) => ownership.ownerOf(slotOf(follower))?.session);
    const asked = [...byOwner].map(async ([session, owned]): Promise<readonly T[]> => {
      if (session === undefined || !live.has(session)) return [];
      try {
        return await ask(peers(session), owned);
      } catch (thrown) {
        narrator.log('warn', 'a supervisor does not answer for its shards', {
          session,
          failure: failureOf(thrown, 'ask supervisor'),
        });
        return [];
      }
    });
    return (await Promise.all(asked)).flat();
  }
}
