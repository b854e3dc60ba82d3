import type {
  IndexStatus,
  ListedIndex,
  Page,
  PageWanted,
  QuarantineEntry,
  QuarantineQuery,
  QueryPages,
  StatusQuery,
} from '../domain/commands.ts';
import { failureOf } from '../domain/failure.ts';
import type { IndexSnapshot } from '../domain/journal.ts';
import { indexKey, pairKey, type FollowerIndexRef } from '../domain/names.ts';
import { listPage, quarantinePage, statusPage } from '../domain/pages.ts';
import { slotOf } from '../domain/slots.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import { indexStatus, refusedStatus, type Refused } from './index-status.ts';
import { journalStatus, newest } from './journal-status.ts';
import type { JournalView } from './journal-view.ts';
import type { OwnedIndices } from './owned-indices.ts';
import { type OwnersAnswers, type Peers, pagesOfOwners } from './owners-pages.ts';
import { pageWindow, type PageWindow, type RowsOf } from './page-window.ts';
import { quarantineEntries, storedEntries } from './quarantine-entries.ts';
import { reaches } from './reach.ts';
import type { Selected, Selection } from './selection.ts';
import { noSuchShard } from './unknown-pair.ts';

export interface QueriesOptions {
  readonly ports: SupervisorPorts;
  readonly view: JournalView;
  readonly owned: OwnedIndices;
  readonly selection: Selection;
  readonly peers: Peers | undefined;
  readonly signal: AbortSignal;
}

type Index = IndexSnapshot | Refused;

const LIST_ROWS: RowsOf<unknown> = { count: () => 1, sizeBytes: 128 };
const STATUS_ROW_BYTES = 768;
const QUARANTINE_ROW_BYTES = 128;

/** Answers for all indices: of its own for what it owns, what their owners say, and what the journal says where nobody does. */
export class Queries {
  readonly #options: QueriesOptions;

  constructor(options: QueriesOptions) {
    this.#options = options;
  }

  /** Of everything. */
  get all(): QueryPages {
    return {
      status: (query, wanted) => this.#status(query, wanted),
      list: (wanted) => this.#list(wanted),
      quarantine: (query, wanted) => this.#quarantine(query, wanted),
    };
  }

  /** Of what runs here. */
  get own(): QueryPages {
    return {
      status: async (query, wanted) => {
        const { indices, end } = this.#ownWindow(query, wanted, statusRows(query));
        return statusPage(this.#ownStatus(indices, query.shard), { ...wanted, end });
      },
      list: async (wanted) => {
        const { indices, end } = this.#ownWindow({}, wanted, LIST_ROWS);
        return listPage(this.#ownStatus(indices).map(listed), { ...wanted, end });
      },
      quarantine: async (query, wanted) => {
        const { indices, end } = this.#ownWindow(query, wanted, this.#quarantineRows(query));
        return quarantinePage(await this.#ownQuarantine(indices, query.shard), { ...wanted, end });
      },
    };
  }

  async #status(query: StatusQuery, wanted: PageWanted): Promise<Page<IndexStatus>> {
    const { follower, shard } = query;
    const { followed, refused } = this.#selected(query, 'status');
    const alive = followed.filter(({ state }) => state !== 'unfollowed');
    if (follower !== undefined && shard !== undefined && alive.length > 0 && refused.length === 0)
      if (alive.every(({ shards }) => shard >= shards)) throw noSuchShard('status', follower, shard, alive);
    const rows = statusRows(query);
    // What is refused here may run where a newer version does.
    const window = pageWindow<Index>([...followed, ...refused], wanted, rows);
    const { answers, end } = await this.#ofOwners(window, wanted, (peer, part) => peer.status(query, part));
    const others = answers.flatMap(({ items }) => items);
    const answered = newest([...this.#ownStatus(window.indices, shard), ...others]);
    const told = window.indices.map(
      (index) => answered.get(indexKey(index.follower)) ?? this.#unanswered(index, shard),
    );
    return statusPage(told, { ...wanted, end });
  }

  async #list(wanted: PageWanted): Promise<Page<ListedIndex>> {
    const { ownership } = this.#options.ports;
    const { followed, refused } = this.#options.selection.all();
    const window = pageWindow<Index>([...followed, ...refused], wanted, LIST_ROWS);
    const { answers, end } = await this.#ofOwners(window, wanted, (peer, part) => peer.list(part));
    const answered = new Map<string, ListedIndex>();
    for (const { session, items } of [
      { session: ownership.session, items: this.#ownStatus(window.indices) },
      ...answers,
    ])
      for (const item of items) {
        const key = indexKey(item.follower);
        const isOwner = ownership.ownerOf(slotOf(item.follower))?.session === session;
        if (isOwner || !answered.has(key)) answered.set(key, item);
      }
    const told = window.indices.map((index) => answered.get(indexKey(index.follower)) ?? this.#unanswered(index));
    return listPage(told.map(listed), { ...wanted, end });
  }

  async #quarantine(query: QuarantineQuery, wanted: PageWanted): Promise<Page<QuarantineEntry>> {
    const { owned, ports } = this.#options;
    const { followed } = this.#selected(query, 'list quarantine');
    const rows = this.#quarantineRows(query);
    const window = pageWindow(followed, wanted, rows);
    const { answers, end } = await this.#ofOwners(window, wanted, (peer, part) => peer.quarantine(query, part));
    const told = new Set(answers.flatMap(({ indices }) => indices.map(({ follower }) => indexKey(follower))));
    const entries = [...(await this.#ownQuarantine(window.indices, query.shard))];
    entries.push(...answers.flatMap(({ items }) => items));
    for (const index of window.indices)
      if (owned.of(index.follower) === undefined && !told.has(indexKey(index.follower)) && reaches(ports, index))
        entries.push(...(await this.#stored(index, query.shard)));
    return quarantinePage(entries, { ...wanted, end });
  }

  #unanswered(index: Index, shard?: number): IndexStatus {
    if ('failure' in index) return refusedStatus(index);
    const { view, ports } = this.#options;
    return journalStatus(index, shard, { view, ownership: ports.ownership });
  }

  #ownStatus(indices: readonly { readonly follower: FollowerIndexRef }[], shard?: number): readonly IndexStatus[] {
    const { ports, owned } = this.#options;
    return indices.flatMap(({ follower }) => {
      const here = owned.here(follower);
      return here === undefined ? [] : [indexStatus(here, shard, ports)];
    });
  }

  /** Asks the follower's index, since a pair that is paused or failed has nothing in memory. */
  async #ownQuarantine(
    indices: readonly { readonly follower: FollowerIndexRef }[],
    shard: number | undefined,
  ): Promise<readonly QuarantineEntry[]> {
    const { owned, signal } = this.#options;
    const entries: QuarantineEntry[] = [];
    for (const { follower } of indices) {
      const here = owned.here(follower);
      for (const actor of here?.pairs ?? [])
        if (here !== undefined && (shard === undefined || actor.pair.shard === shard))
          entries.push(...(await quarantineEntries(actor, here.index, signal)));
    }
    return entries;
  }

  /** As the follower's index has it, for pairs that nobody runs. */
  async #stored(index: IndexSnapshot, shard: number | undefined): Promise<readonly QuarantineEntry[]> {
    const { ports, signal } = this.#options;
    const { quarantine } = ports.cluster(index.follower.cluster);
    const entries: QuarantineEntry[] = [];
    for (let number = 0; number < index.shards; number += 1) {
      const pair = { follower: index.follower, shard: number };
      if (this.#quarantined(index, number) > 0 && (shard === undefined || shard === number))
        entries.push(...storedEntries(pair, await quarantine.load(pairKey(pair), signal)));
    }
    return entries;
  }

  /** As the journal says. */
  #quarantined({ follower, followId }: IndexSnapshot, shard: number): number {
    return this.#options.view.pair({ follower, shard }, followId)?.snapshot.quarantined ?? 0;
  }

  #quarantineRows({ shard }: QuarantineQuery): RowsOf<IndexSnapshot> {
    const count = (index: IndexSnapshot): number => {
      let documents = 0;
      for (let number = 0; number < index.shards; number += 1)
        if (shard === undefined || shard === number) documents += this.#quarantined(index, number);
      return documents;
    };
    return { count, sizeBytes: QUARANTINE_ROW_BYTES };
  }

  #ownWindow(query: StatusQuery, wanted: PageWanted, rows: RowsOf<IndexSnapshot>): PageWindow<IndexSnapshot> {
    const meant = query.follower === undefined ? undefined : this.#meant(query);
    const here = this.#options.owned.all.map(({ index }) => index.snapshot);
    return pageWindow(
      here.filter(({ follower }) => meant?.has(indexKey(follower)) ?? true),
      wanted,
      rows,
    );
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

  async #ofOwners<I extends { readonly follower: FollowerIndexRef }, T>(
    window: PageWindow<I>,
    wanted: PageWanted,
    ask: (peer: QueryPages, part: PageWanted) => Promise<Page<T>>,
  ): Promise<OwnersAnswers<I, T>> {
    const { ports, peers } = this.#options;
    if (peers === undefined) return { answers: [], end: window.end };
    return pagesOfOwners(ports, { peers, window, wanted, ask });
  }
}

function statusRows({ shard }: StatusQuery): RowsOf<Index> {
  const shards = (index: Index): number => ('failure' in index ? index.snapshot?.shards : index.shards) ?? 1;
  return { count: (index) => (shard === undefined ? Math.max(1, shards(index)) : 1), sizeBytes: STATUS_ROW_BYTES };
}

function listed({ pairs: _, ...index }: ListedIndex & { readonly pairs?: unknown }): ListedIndex {
  return index;
}
